"""What shows a binding, and pages that do not open without one."""

import json
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command

from sessionstore.models import Session
from tests.binding.client import Browser
from tests.web.conftest import PASSWORD

pytestmark = pytest.mark.only_on("sqlite")
each_page = pytest.mark.parametrize("page", [f"/guarded/{number}/" for number in range(4)])


@pytest.fixture(autouse=True)
def guarded(settings):
    settings.ROOT_URLCONF = "tests.binding.urls"


@pytest.fixture
def unbound(clock, user):
    """A browser that cannot bind, some time after the login."""
    browser = Browser(clock, can_bind=False)
    browser.sign_in(user)
    return browser


@each_page
def test_a_bound_browser_sees_the_page(browser, page):
    """Sync and async, functions and classes."""
    assert browser.open(page).content == b"guarded"


@each_page
def test_a_thief_sees_none_of_it(browser, page):
    """A visitor is sent to sign in."""
    response = browser.copied("sessionid").open(page)
    assert (response.status_code, response.url) == (302, f"/account/login/?next={page}")


@each_page
def test_a_browser_that_is_asked_to_bind_comes_back_in_a_second(unbound, page):
    """The registration runs beside the page that follows the login."""
    response = unbound.open(page)
    assert (response.status_code, response.headers["Refresh"]) == (403, f"1; url={page}")
    assert b"comes in a moment" in response.content


@each_page
def test_a_browser_that_has_not_bound_is_told_what_to_do(unbound, clock, page):
    """Without a loop."""
    clock.advance(seconds=16)
    response = unbound.open(page)
    assert (response.status_code, "Refresh" in response.headers) == (403, False)
    assert f"/account/confirm/?next={page}" in response.content.decode()


def test_the_password_opens_the_page_to_a_browser_that_can(unbound, clock):
    """It is offered to bind once more."""
    clock.advance(minutes=5)
    unbound.can_bind = True
    data = {"password": PASSWORD, "next": "/guarded/0/"}
    unbound.open("/account/confirm/", "post", data=data)
    assert unbound.open("/guarded/0/").content == b"guarded"


def test_a_proof_is_asked_for_also_in_the_first_minute(clock, user):
    """There the session would open without."""
    browser = Browser(clock)
    browser.sign_in(user)
    thief = browser.copied("sessionid")
    assert thief.reads() == "ann"
    assert thief.open("/guarded/0/").status_code == 403


def test_turned_off_the_page_opens_to_nobody(browser, settings, rf):
    """An error that names the setting: letting everybody in would be worse."""
    settings.SESSIONSTORE_BIND_DEVICE = False
    browser.client.raise_request_exception = True
    with pytest.raises(ImproperlyConfigured, match="SESSIONSTORE_BIND_DEVICE"):
        browser.open("/guarded/0/")


def test_the_admin_opens_to_the_device_alone(browser, clock, user):
    """Its login stays open to all."""
    get_user_model().objects.update(is_staff=True, is_superuser=True)
    assert browser.open("/staff/").status_code == 200
    other = Browser(clock, can_bind=False)
    assert other.open("/staff/login/").status_code == 200
    other.sign_in(user)
    assert other.open("/staff/").status_code == 403


def test_the_devices_page_has_a_badge(browser, clock, user):
    """For each session that is bound, and for no other."""
    Browser(clock, can_bind=False).sign_in(user)
    assert browser.open("/account/devices/").content.decode().count("Bound to the device") == 1


def test_the_devices_page_has_none_when_nothing_is_bound(browser, settings):
    """Turned off, the column says nothing."""
    settings.SESSIONSTORE_BIND_DEVICE = False
    assert "Bound to the device" not in browser.open("/account/devices/").content.decode()


def test_the_admin_shows_since_when(browser):
    """And never the key."""
    get_user_model().objects.update(is_staff=True, is_superuser=True)
    row = Session.objects.get()
    page = browser.open(f"/admin/sessionstore/session/{row.handle}/").content.decode()
    assert page.count("<dt>Bound to the device</dt>") == 1
    assert row.bound_at.strftime("%Y-%m-%dT%H:%M:%S") in page


@pytest.mark.parametrize("options", [[], ["--exact"]])
def test_sessionstats_counts_them(browser, clock, user, options):
    """In words and as JSON."""
    Browser(clock, can_bind=False).sign_in(user)
    out = StringIO()
    call_command("sessionstats", "--json", *options, stdout=out)
    assert json.loads(out.getvalue())["counts"]["bound"] == {"value": 1, "is_exact": True}
    out = StringIO()
    call_command("sessionstats", *options, stdout=out)
    assert "      bound       1\n" in out.getvalue()
