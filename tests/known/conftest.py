"""What the tests of known devices share: a site that knows them, and browsers."""

import pytest
from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.test import Client

from sessionstore.models import KnownDevice
from tests.web.conftest import PASSWORD, pages, press, sign_in  # noqa: F401 - fixtures

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:131.0) Gecko/20100101 Firefox/131.0"
COOKIE = "known_device"


@pytest.fixture(autouse=True)
def knows(pages, settings):  # noqa: F811 - the fixture
    """The site knows devices, and has pages of its own for what the tests need."""
    settings.SESSIONSTORE_KNOWN_DEVICES = True
    settings.ROOT_URLCONF = "tests.known.urls"


@pytest.fixture
def user(database):
    """Somebody with a password and an address, who has signed in before."""
    made = get_user_model().objects.create_user("ann", "ann@shop.example", PASSWORD)
    made.last_login = made.date_joined
    made.save()
    return made


@pytest.fixture
def browser():
    """A browser of somebody."""
    return Client(enforce_csrf_checks=True, headers={"user-agent": FIREFOX})


@pytest.fixture
def another():
    """Another one."""
    return Client(enforce_csrf_checks=True)


def token_of(browser: Client) -> str:
    """The cookie by which it is known."""
    return browser.cookies[COOKIE].value if COOKIE in browser.cookies else ""


def leave(browser: Client) -> None:
    """Sign out by losing the session's cookie: the site is told nothing."""
    del browser.cookies["sessionid"]


def again(browser: Client, user) -> HttpResponse:
    """Sign in once more, as if the browser had been closed."""
    if "sessionid" in browser.cookies:
        leave(browser)
    return sign_in(browser, user)


def rows() -> list[KnownDevice]:
    """What is known, the last to sign in first."""
    return list(KnownDevice.objects.order_by("-signed_in_at", "-pk"))
