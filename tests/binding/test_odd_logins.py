"""Logins that are none, that fail, that come from elsewhere; and cookies that others have set."""

import pytest
from django.contrib.auth import get_user_model

from sessionstore.core.headers import cookies
from sessionstore.models import Session
from sessionstore.signals import session_merged
from tests.binding.client import Browser
from tests.harness.statements import record_statements
from tests.web.conftest import PASSWORD

OFFER = "Secure-Session-Registration"
pytestmark = pytest.mark.only_on("sqlite")


@pytest.fixture(autouse=True)
def pages(settings, site):
    settings.ROOT_URLCONF = "tests.binding.urls"


def sign_in(browser, user, **headers):
    """Sign in with these headers of the browser's; return the answer."""
    data = {"username": user.get_username(), "password": PASSWORD}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return browser._send("post", "/account/login/", data, named)


# --- logins


def test_a_login_by_a_token_takes_no_binding_away(browser, user):
    """Else who has copied both cookies, and has an account, would bind the session for good."""
    get_user_model().objects.create_user("eve", password=PASSWORD)
    thief = browser.copied()
    response = thief.open("/token/", "post", data={"username": "eve"})
    assert (response.content, OFFER in response.headers) == (b"a token", False)
    assert Session.objects.get(user_id=user.pk).bound_at is not None
    assert thief.open("/careful/").status_code == 200


def test_a_login_by_a_token_proves_nothing_of_the_sessions_user(user, clock):
    """Nor is a session that is not bound offered to be, to whoever holds its cookie."""
    get_user_model().objects.create_user("eve", password=PASSWORD)
    browser = Browser(clock, can_bind=False)
    browser.sign_in(user)
    clock.advance(minutes=20)
    response = browser.open("/token/", "post", data={"username": "eve"})
    assert OFFER not in response.headers
    assert browser.open("/careful/").status_code == 302


def test_a_login_in_a_bound_session_meets_no_change_of_others(browser, user):
    """It has taken the binding away itself: one statement more, and nothing to merge.

    Time stands still, so the touch at the end renews nothing, and the key is looked up.
    """
    told = []

    def note(**_):
        told.append(1)

    session_merged.connect(note)
    browser.can_bind = False
    with record_statements() as seen:
        assert OFFER in browser.sign_in(user).headers
    session_merged.disconnect(note)
    statements = [sql.partition(" ")[0] for sql in seen.about("sessionstore_session")]
    assert (statements, told) == (["SELECT", "UPDATE", "UPDATE", "UPDATE", "SELECT"], [])
    assert Session.objects.get().bound_at is None


def test_a_login_that_is_rolled_back_ends_no_row(browser, clock):
    """The one that is withheld for the moment: the browser still has its key."""
    browser.client.cookies.pop("sessionid_device")
    browser.fault = lambda what, send: None
    response = browser.open("/failing-login/", "post", data={"username": "ann"})
    assert (response.status_code, browser.reads()) == (500, "")
    browser.fault = None
    assert browser.reads() == "ann"


def test_another_app_of_the_site_keeps_its_offer(user, clock):
    """The header is a list."""
    browser = Browser(clock, can_bind=False)
    response = browser.open("/another-app/", "post", data={"username": "ann"})
    assert response.headers[OFFER].startswith('(ES256);path="/theirs", (ES256);path="/account/')


@pytest.mark.parametrize(
    ("came_from", "dest", "is_offered"),
    [
        ("same-origin", "empty", True),
        ("none", "document", True),
        ("cross-site", "document", True),
        ("same-site", "empty", False),
        ("cross-site", "empty", False),
    ],
)
def test_nothing_is_offered_to_a_script_of_another_origin(user, clock, came_from, dest, is_offered):
    """Browsers do not refresh for it: its user would be a visitor ten minutes later."""
    browser = Browser(clock, can_bind=False)
    response = sign_in(browser, user, Sec_Fetch_Site=came_from, Sec_Fetch_Dest=dest)
    assert (OFFER in response.headers) is is_offered


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SESSION_COOKIE_DOMAIN", "testserver"),
        ("SESSION_COOKIE_SAMESITE", "None"),
        ("SESSION_COOKIE_SAMESITE", False),
    ],
)
def test_nothing_is_offered_that_browsers_do_not_keep_up(user, clock, settings, name, value):
    """To hosts that share the session, and to other sites, or at each request. A check tells."""
    setattr(settings, name, value)
    assert OFFER not in sign_in(Browser(clock, can_bind=False), user).headers


# --- cookies that others have set


@pytest.mark.parametrize(
    "line",
    [
        "sessionid={key}; sessionid_device={proof}; sessionid_device=planted",
        "sessionid={key}; sessionid_device=planted; sessionid_device={proof}",
        "sessionid={key}; sessionid_device={proof}; \u2000sessionid_device=planted",
    ],
)
def test_a_proof_counts_whatever_stands_beside_it(browser, line):
    """A sibling domain that sets another one signs nobody out."""
    names = {"key": browser.value("sessionid"), "proof": browser.value("sessionid_device")}
    browser.client.cookies.clear()
    header = line.format(**names).encode().decode("latin-1")
    response = browser.client.get("/plain/", secure=True, headers={"Cookie": header})
    assert response.content == b"ann"


def test_a_visitors_cookie_that_was_planted_opens_no_login(browser, user, clock):
    """The session that a withheld one's visitor has is given another key when somebody signs in."""
    thief = Browser(clock)
    thief.open("/remember/")
    planted = thief.value("sessionid")
    browser.bindings.clear()
    browser.client.cookies.pop("sessionid_device")
    browser.client.cookies["sessionid_visitor"] = planted
    browser.sign_in(user)
    assert browser.reads() == "ann"
    assert planted not in (browser.value("sessionid"), browser.value("sessionid_visitor"))
    assert thief.reads() == ""


def test_planted_proofs_alone_open_nothing(browser):
    """However many."""
    planted = "; ".join(f"sessionid_device={letter * 30}" for letter in "AB")
    line = f"sessionid={browser.value('sessionid')}; {planted}"
    browser.client.cookies.clear()
    response = browser.client.get("/plain/", secure=True, headers={"Cookie": line})
    assert response.content == b""


@pytest.mark.parametrize(
    ("header", "is_plain"),
    [
        ("id=1; id_device=2", True),
        ("id_device=2; a=b; id=1; id_visitor=3", True),
        ("id=1; id_device=2; id=3", False),
        ("id=1; id_device=2; \u2000id=3", False),
        ("id=1; x=id_device=", True),
        ("\u2000id=1; id_device=2", False),
        ("id =1; id_device=2", False),
    ],
)
def test_the_cookies_of_a_bound_session_are_plain(header, is_plain):
    """At a glance: what looks odd is read with care, which costs an async request a thread."""
    assert cookies.is_plain(header, "id", "id_device", "id_visitor") is is_plain
