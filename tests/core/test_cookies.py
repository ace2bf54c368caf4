"""The session's cookie in a request's own header."""

import pytest

from sessionstore.core.headers.cookies import is_plain, named, other_places

HOST = "shop.example.com"
DISGUISES = ["\u2000", "\xa0", "\x85", "\x1f", "\u3000", "x"]


def in_header(text: str) -> str:
    """What a server hands over for a cookie header in UTF-8."""
    return text.encode().decode("latin-1")


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("a=1; id=2", ["id=2"]),
        ("id=2;\tid=3 ", ["id=2", "id=3"]),
        ("id =2", ["id =2"]),
        ("id", []),
        ("a=id; b=id=3", []),
        ("", []),
        *((in_header(f"a=1; {one}id=2"), []) for one in DISGUISES),
        *((in_header(f"a=1; id{one}=2"), []) for one in DISGUISES),
    ],
)
def test_only_the_exact_name_counts(header, found):
    """A space or a tab may stand around it; whatever else is blank is a part of it."""
    assert named(header, "id") == found


@pytest.mark.parametrize("header", ["", "a=1", "id=2", "a=1; id=2; b=3"])
def test_the_usual_header_is_seen_at_a_glance(header):
    """With one such cookie, or without any, nothing has to be taken apart."""
    assert is_plain(header, "id")


@pytest.mark.parametrize(
    "header",
    ["id=2; id=3", "a=1;id=2", *(in_header(f"{one}id=2") for one in DISGUISES)],
)
def test_everything_else_is_looked_at(header):
    """Also what turns out to be in order."""
    assert not is_plain(header, "id")


@pytest.mark.parametrize("domain", ["example.com", ".Example.com"])
def test_the_sites_own_place_is_left_out(domain):
    """Else the cookie of a newer login would go too."""
    found = other_places("id", host=HOST, path="/a/b/c", domain=domain, cookie_path="/")
    assert found[:2] == [(None, "/"), ("shop.example.com", "/")]
    assert ("example.com", "/") not in found
    assert {(None, "/a"), (None, "/a/"), (None, "/a/b"), ("example.com", "/a")} < set(found)
    assert len(found) == len(set(found)) == 20


@pytest.mark.parametrize("host", ["192.0.2.1:8000", "[2001:db8::1]:8000", "localhost"])
def test_an_address_has_no_domain_above_it(host):
    """Browsers take no domain for one."""
    assert other_places("id", host=host, path="/", domain=None, cookie_path="/") == []


def test_a_host_cookie_has_one_place():
    """So a browser cannot hold two of them."""
    assert other_places("__Host-id", host=HOST, path="/a", domain=None, cookie_path="/") == []
