"""Cookies that are only nearly the session's, and several that are."""

from http.cookies import SimpleCookie

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import AsyncClient, Client

from sessionstore import security_log
from sessionstore.backends.sql import SessionStore
from sessionstore.middleware import SessionMiddleware
from tests.web.conftest import PASSWORD, key_of

NAME = "__Host-sessionid"
BLANKS = ["\u2000", "\u3000", "\u1680", "\u2028", "\x1f", "\x0b"]


@pytest.fixture(autouse=True)
def calm(caplog):
    """No test counts the refusals of another, and only refusals are records."""
    caplog.set_level("WARNING", logger="sessionstore.security")
    security_log._flood.__init__()


def key_for(name: str) -> str:
    """Sign somebody of this name in, and return the key."""
    browser = Client()
    browser.force_login(User.objects.create_user(name, password=PASSWORD))
    return key_of(browser) or browser.cookies[NAME].value


def header(*pairs: str) -> str:
    """What a server hands over for these cookies."""
    return "; ".join(pairs).encode().decode("latin-1")


def who(*pairs: str) -> str:
    """Who is signed in with these cookies, as a page sees it."""
    return Client().get("/plain/", HTTP_COOKIE=header(*pairs)).content.decode()


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize("place", ["before", "behind"])
def test_a_disguised_cookie_is_not_the_sessions(db, settings, caplog, blank, place):
    """A sibling domain can set it: it opens nothing, replaces nothing, and is told."""
    settings.SESSION_COOKIE_NAME = NAME
    own, theirs = key_for("ann"), key_for("eve")
    name = f"{blank}{NAME}" if place == "before" else f"{NAME}{blank}"
    assert who(f"{name}={theirs}") == ""
    assert who(f"{NAME}={own}", f"{name}={theirs}") == "ann"
    assert who(f"{name}={theirs}", f"{NAME}={own}") == "ann"
    assert caplog.messages[0] == "Session refused: disguised=1 address=127.0.0.1"


async def test_a_disguised_cookie_opens_nothing_in_async_views(settings, transactional_db):
    """There Django reads the header as Latin-1, in which 0xA0 and 0x85 are blanks."""
    theirs = await sync_to_async(key_for)("eve")
    for blank, name in (("", b"eve"), ("\xa0", b""), ("\x85", b"")):
        cookie = f"{blank}sessionid={theirs}; a=1"
        answer = await AsyncClient().get("/async-poll/", headers={"cookie": cookie})
        assert answer.content == name


def test_two_sessions_of_ours_open_neither(db, caplog):
    """Nobody knows which of them is the browser's own: a sibling domain may have set the other."""
    own, theirs = key_for("ann"), key_for("eve")
    assert who(f"sessionid={own}", f"sessionid={theirs}") == ""
    assert who(f"sessionid={theirs}", f"sessionid={own}") == ""
    assert caplog.messages[0] == "Session refused: ambiguous=1 address=127.0.0.1"
    assert SessionStore().exists(own)
    assert SessionStore().exists(theirs)


def test_the_same_cookie_twice_is_one(db):
    """A proxy may have joined two headers."""
    own = key_for("ann")
    assert who(f"sessionid={own}", f"sessionid={own}") == "ann"


@pytest.mark.parametrize("other", ["", "x" * 32, "v" * 40])
def test_a_cookie_that_we_have_not_signed_does_not_count_beside_one_that_we_have(db, other):
    """The site above this one may use the same name; and nobody can sign others out with one."""
    own = key_for("ann")
    assert who(f"sessionid={own}", f"sessionid={other}") == "ann"
    assert who(f"sessionid={other}", f"sessionid={own}") == "ann"


def deletions(answer) -> set[tuple[str, str]]:
    """The domain and path of each cookie that an answer deletes, as a browser reads them."""
    sent = [SimpleCookie(morsel.OutputString()) for morsel in answer.cookies.values()]
    found = [one["sessionid"] for one in sent if "sessionid" in one]
    return {(one["domain"], one["path"]) for one in found if one["max-age"] == "0"}


def test_the_way_out_of_two_sessions_is_to_keep_the_cookie_in_its_right_place(db, settings):
    """A site that has changed its cookie's domain or path locks nobody out."""
    settings.SESSION_COOKIE_DOMAIN = "example.com"
    settings.ALLOWED_HOSTS = ["shop.example.com"]
    both = header(f"sessionid={key_for('ann')}", f"sessionid={key_for('eve')}")
    answer = Client().get("/plain/", HTTP_COOKIE=both, HTTP_HOST="shop.example.com")
    assert deletions(answer) >= {("", "/"), ("shop.example.com", "/"), ("", "/plain")}
    assert ("example.com", "/") not in deletions(answer)
    assert "Cookie" in answer.headers["Vary"]


def test_a_login_is_not_undone_by_the_way_out(db):
    """Whoever signs in with two cookies in the jar gets the new key."""
    user = User.objects.create_user("kim", password=PASSWORD)
    both = header(f"sessionid={key_for('ann')}", f"sessionid={key_for('eve')}")
    answer = Client().post(
        "/account/login/", {"username": user.username, "password": PASSWORD}, HTTP_COOKIE=both
    )
    assert answer.status_code == 302
    assert SessionStore().exists(answer.cookies["sessionid"].value)


def test_a_cookie_that_code_has_put_into_the_request_counts(db, rf):
    """Tests and other apps do that, and there is no header to doubt."""
    request, own = rf.get("/"), key_for("ann")
    request.COOKIES = {"sessionid": own}
    SessionMiddleware(lambda _: HttpResponse())(request)
    assert request.session.session_key == own
