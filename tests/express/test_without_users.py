"""Pages, ends and commands on a table that does not tell whose its sessions are."""

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.core.management import CommandError
from django.test import Client

from sessionstore.backends.express import SessionStore
from sessionstore.models import Session
from sessionstore.users import devices
from tests.express.peer import NAME
from tests.express.test_settings import ids
from tests.harness.commands import run
from tests.web.conftest import PASSWORD

pytestmark = pytest.mark.only_on("sqlite", "mariadb", "postgresql", "mysql")
SENTENCE = "This site shares its sessions with another application"


@pytest.fixture(params=["plain", "mark"])
def site(request, database, shared_table, settings) -> None:
    """A site with all pages, on a table with and without the mark column."""
    settings.ROOT_URLCONF = "tests.express.people_urls"
    shared_table(mark=request.param == "mark")


@pytest.fixture
def ann(site) -> User:
    """Somebody with a password."""
    return User.objects.create_superuser("ann", password=PASSWORD)


@pytest.fixture
def browser(ann) -> Client:
    """A browser that she has signed in with."""
    browser = Client()
    browser.post("/account/login/", {"username": "ann", "password": PASSWORD})
    return browser


def test_the_devices_page_says_why_it_lists_nothing(browser):
    """It is a page like others, and no error."""
    response = browser.get("/account/devices/")
    assert response.status_code == 200
    assert SENTENCE in response.content.decode()
    assert 'name="handle"' not in response.content.decode()


def test_it_says_so_in_korean_too(browser, settings):
    """As everything on the pages."""
    settings.LANGUAGE_CODE = "ko"
    html = browser.get("/account/devices/").content.decode()
    assert SENTENCE not in html
    assert "다른 애플리케이션" in html


@pytest.mark.parametrize("what", ["revoke", "revoke-others"])
def test_nothing_can_be_ended_there_and_that_is_said(browser, what):
    """No count of zero, which would look like an answer."""
    response = browser.post(f"/account/devices/{what}/", {"handle": "x" * 22})
    assert response.url == "/account/devices/"
    assert [SENTENCE in str(one) for one in get_messages(response.wsgi_request)] == [True]


def test_the_session_that_asks_can_be_ended_there(browser):
    """It is known without a list."""
    handle = SessionStore(browser.cookies[NAME].value).handle
    browser.post("/account/devices/revoke/", {"handle": handle})
    assert SessionStore.get_table().count() == 0


def test_the_list_is_empty_for_a_caller_of_its_functions_too(ann, browser):
    """And tells why."""
    session = SessionStore(browser.cookies[NAME].value)
    page = devices.list_devices(ann, session)
    assert (page.devices, page.is_blind, page.has_others) == ([], True, False)
    assert devices.revoke(ann, session, "x" * 22) is False
    assert devices.revoke_others(ann, session) == 0


def test_a_new_password_a_disabled_and_a_deleted_account_are_no_error(ann, browser):
    """Their sessions end at the next request, as far as Django has signed them in."""
    ann.set_password("another one")
    ann.save()
    ann.is_active = False
    ann.save()
    ann.delete()
    assert browser.get("/account/devices/").status_code == 302


@pytest.mark.parametrize("which", [["--user=ann"], ["--user-id=1"]], ids=str)
def test_a_command_that_needs_the_user_names_the_way_out(ann, which):
    """In one line."""
    with pytest.raises(CommandError, match=r"^[^\n]*expresstable --add-user[^\n]*$"):
        run("revokesessions", *which, "--no-input")


@pytest.mark.parametrize("which", ["--inactive", "--anonymous", "--older-than=1d"])
def test_what_no_column_tells_is_an_error_that_names_what_does(site, which):
    """In one line."""
    with pytest.raises(CommandError, match=r"^[^\n]*--handle, --link and --all choose there\.$"):
        run("revokesessions", which, "--no-input")


def test_one_session_can_be_ended_by_its_handle(site):
    """The handle is a digest of the id, which each row has."""
    sessions = [SessionStore() for _ in range(3)]
    for session in sessions:
        session.save()
    handle = sessions[1].handle
    assert run("revokesessions", f"--handle={handle}", "--no-input") == (
        f"Ended 1 session with the handle {handle}.\n"
    )
    live = [SessionStore().exists(one.session_key) for one in sessions]
    assert live == [True, False, True]
    with pytest.raises(CommandError, match="There is no session"):
        run("revokesessions", f"--handle={handle}", "--no-input")


def test_the_check_that_asks_the_database_tells_of_the_pages(site, database, settings):
    """W050: only that one can know whether the columns are there."""
    assert "sessionstore.W050" in ids(databases=[database])
    assert "sessionstore.W050" not in ids()
    settings.ROOT_URLCONF = "tests.express.urls"
    assert "sessionstore.W050" not in ids(databases=[database])


@pytest.mark.parametrize("action", ["end_selected", "end_all_of_users"])
def test_the_admin_says_that_the_sessions_are_elsewhere(ann, browser, action):
    """Rows that another engine has left are no sessions of this site, and stay."""
    left = Session.objects.create(
        id=b"\xff" * 16,
        digest=b"\xff" * 32,
        data=b"",
        version=1,
        user_id="1",
        created_at=0,
        last_seen_at=0,
        expires_at=2**42,
    )
    url = "/admin/sessionstore/session/"
    assert "they are not in this table" in browser.get(url).content.decode()
    response = browser.post(url, {"action": action, "_selected_action": left.handle}, follow=True)
    assert response.status_code == 200
    assert "they are not in this table" in response.content.decode()
    assert Session.objects.count() == 1


def test_a_limit_that_is_set_all_the_same_stops_no_login(browser, ann, settings):
    """E052 tells that it does nothing."""
    settings.SESSIONSTORE_MAX_PER_USER = 1
    other = Client()
    other.post("/account/login/", {"username": "ann", "password": PASSWORD})
    assert SessionStore.get_table().count() == 2
