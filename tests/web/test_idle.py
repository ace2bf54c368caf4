"""What the script of the idle warning asks the server."""

from datetime import timedelta

import pytest

from tests.harness.statements import record_statements
from tests.web.conftest import LOGIN_REQUIRED, press, sign_in

# Inside the transaction of a test nothing would be touched.
pytestmark = pytest.mark.django_db(transaction=True)
STATUS, EXTEND = "/account/session/status/", "/account/session/extend/"


@pytest.fixture(autouse=True)
def half_an_hour(settings):
    """The idle timeout of these tests."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = timedelta(minutes=30)


def post(browser, url):
    """Press with the token that the page holds."""
    return browser.post(url, {"csrfmiddlewaretoken": browser.cookies["csrftoken"].value})


def test_status_tells_how_long_the_session_lives(browser, user, clock):
    """Seconds until the end, if nobody does anything."""
    sign_in(browser, user)
    assert browser.get(STATUS).json() == {"signed_in": True, "seconds_left": 1800}
    clock.advance(minutes=10)
    assert browser.get(STATUS).json()["seconds_left"] == 1200


def test_seconds_are_whole_and_never_too_many(browser, user, clock):
    """A script counts them down; half a second more would be a page that is signed out."""
    sign_in(browser, user)
    clock.advance(seconds=0.5)
    assert browser.get(STATUS).content == b'{"signed_in": true, "seconds_left": 1799}'


def test_asking_does_not_lengthen_the_session(browser, user, clock):
    """A tab that nobody looks at would keep it alive for ever."""
    sign_in(browser, user)
    for _ in range(29):
        clock.advance(minutes=1)
        assert browser.get(STATUS).status_code == 200
    clock.advance(minutes=1)
    assert browser.get(STATUS).status_code == 401


@pytest.mark.parametrize("page", ["/poll/", "/async-poll/"])
def test_a_view_that_does_not_touch_writes_nothing(browser, user, clock, page):
    """One SELECT, and the end comes when it comes; an ordinary view would slide."""
    sign_in(browser, user)
    clock.advance(minutes=20)
    with record_statements() as seen:
        assert browser.get(page).content == b"ann"
    assert [sql.split()[0] for sql in seen.about("sessionstore_session")] == ["SELECT"]
    clock.advance(minutes=11)
    assert browser.get(page).content == b""


def test_an_ordinary_view_does_slide(browser, user, clock):
    """The counterpart, without which the test above would show nothing."""
    sign_in(browser, user)
    clock.advance(minutes=20)
    assert browser.get("/plain/").content == b"ann"
    clock.advance(minutes=11)
    assert browser.get("/plain/").content == b"ann"


def test_extending_starts_the_time_anew(browser, user, clock):
    """Also within the interval in which an ordinary request would not write."""
    sign_in(browser, user)
    clock.advance(seconds=30)
    assert post(browser, EXTEND).json() == {"signed_in": True, "seconds_left": 1800}


def test_extending_does_not_reach_beyond_the_absolute_end(browser, user, settings, clock):
    """A new login is the only way."""
    settings.SESSIONSTORE_ABSOLUTE_TIMEOUT = timedelta(minutes=40)
    sign_in(browser, user)
    clock.advance(minutes=20)
    assert post(browser, EXTEND).json()["seconds_left"] == 1200


@pytest.mark.parametrize("signed_in_once", [False, True])
def test_who_is_not_signed_in_gets_401_and_no_redirect(browser, user, clock, signed_in_once):
    """A script cannot follow a redirect to a login page in any useful way."""
    press(browser, "/account/login/")
    if signed_in_once:
        sign_in(browser, user)
        clock.advance(minutes=31)
    for answer in (browser.get(STATUS), post(browser, EXTEND)):
        assert answer.status_code == 401
        assert answer.json()["signed_in"] is False
        assert answer.json().get("why") == ("idle" if signed_in_once else None)
        assert answer.headers["Content-Type"] == "application/json"


def test_401_also_where_every_view_asks_for_a_login(browser, user, settings):
    """LoginRequiredMiddleware would redirect."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, LOGIN_REQUIRED]
    assert browser.get(STATUS).status_code == 401


def test_answers_are_not_cached(browser, user):
    """An old answer would be a wrong one."""
    sign_in(browser, user)
    assert "no-store" in browser.get(STATUS).headers["Cache-Control"]


def test_extending_needs_a_post_and_its_token(browser, user):
    """A foreign page cannot keep a session alive."""
    sign_in(browser, user)
    assert browser.get(EXTEND).status_code == 405
    assert browser.post(EXTEND).status_code == 403
    assert post(browser, STATUS).status_code == 405
