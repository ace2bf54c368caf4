"""The options of the session's cookie, and a cookie with attributes that Python does not know."""

import copy
import pickle
from dataclasses import replace
from http.cookies import CookieError, Morsel, SimpleCookie
from types import SimpleNamespace

import pytest

from sessionstore.core.headers.set_cookie import CookieOptions, ExtendedMorsel, extend

PLAIN = CookieOptions(path="/", domain=None, samesite="Lax", secure=True, httponly=True)
CHIPS = replace(PLAIN, partitioned=True, priority="High")
LINE = "sid=a%3Ab; Partitioned; Path=/; Priority=High; Secure"


def with_options(options: CookieOptions) -> Morsel[str]:
    """A cookie as Django makes it, with these options."""
    jar = SimpleCookie()
    jar["sid"] = "a%3Ab"
    jar["sid"]["path"], jar["sid"]["secure"] = "/", True
    extend(SimpleNamespace(cookies=jar), "sid", options)
    return jar["sid"]


def test_a_cookie_without_them_stays_pythons_own():
    """No other class, and not a byte more."""
    plain = with_options(PLAIN)
    assert type(plain) is Morsel
    assert plain.OutputString() == "sid=a%3Ab; Path=/; Secure"


def test_a_cookie_gets_what_chrome_knows():
    """In the order of their names, as all attributes of Python's cookies."""
    assert with_options(CHIPS).OutputString() == LINE
    only = replace(PLAIN, priority="Low")
    assert with_options(only).OutputString() == "sid=a%3Ab; Path=/; Priority=Low; Secure"


@pytest.mark.parametrize(
    "copied",
    [
        copy.copy,
        copy.deepcopy,
        ExtendedMorsel.copy,
        lambda one: pickle.loads(pickle.dumps(one)),  # noqa: S301 - our own bytes
    ],
    ids=["copy.copy", "deepcopy", "copy", "pickle"],
)
def test_a_copy_keeps_them(copied):
    """A page that a cache keeps is pickled, with its cookies."""
    made = copied(with_options(CHIPS))
    assert type(made) is ExtendedMorsel
    assert made.OutputString() == LINE
    assert made == with_options(CHIPS)


def test_a_jar_that_is_pickled_keeps_them():
    """As Django's response.cookies."""
    jar = SimpleCookie()
    jar["sid"] = with_options(CHIPS)
    assert pickle.loads(pickle.dumps(jar)).output() == f"Set-Cookie: {LINE}"  # noqa: S301 - our own bytes


def test_it_takes_no_other_attribute_than_these():
    """And Python's own cookies have not learnt them from ours."""
    with pytest.raises(CookieError):
        with_options(CHIPS)["other"] = "1"
    with pytest.raises(CookieError):
        with_options(PLAIN)["priority"] = "High"


@pytest.mark.parametrize(
    ("changed", "is_another"),
    [
        ({"path": "/app"}, True),
        ({"domain": "example.com"}, True),
        ({"partitioned": True}, True),
        ({"samesite": None, "secure": False, "httponly": False, "priority": "Low"}, False),
    ],
)
def test_a_place_is_what_makes_two_cookies_of_one_name(changed, is_another):
    """RFC 6265, 5.3: name, domain and path; and the partition, in Chrome."""
    assert (replace(PLAIN, **changed).place != PLAIN.place) is is_another


def test_a_domain_is_one_however_it_is_written():
    """Browsers drop a first dot, and know no letter case."""
    one, other = replace(PLAIN, domain=".Example.com"), replace(PLAIN, domain="example.com")
    assert one.place == other.place


def test_it_does_not_show_its_value():
    """Error reporters record local variables by their repr."""
    assert "a%3Ab" not in repr(with_options(CHIPS))
