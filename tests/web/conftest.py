"""What the tests of pages share."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.utils import translation

PASSWORD = "correct horse"
LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"


@pytest.fixture(autouse=True)
def pages(settings):
    """The pages of urls.py beside this file; sign in on ours."""
    settings.ROOT_URLCONF = "tests.web.urls"
    settings.LOGIN_URL = "sessionstore:login"
    settings.LOGIN_REDIRECT_URL = "/there/"
    yield
    # LocaleMiddleware leaves the language of the last request to its thread.
    translation.deactivate()


@pytest.fixture
def user(db) -> User:
    """Somebody with a password."""
    return get_user_model().objects.create_user("ann", password=PASSWORD)


@pytest.fixture
def browser() -> Client:
    """A browser that nobody has signed in with; forms need their token, as in real life."""
    return Client(enforce_csrf_checks=True)


def press(browser: Client, url: str, /, **fields: str) -> HttpResponse:
    """Send the form of a page: get it for the token, then post."""
    browser.get(url)
    token = browser.cookies["csrftoken"].value if "csrftoken" in browser.cookies else ""
    return browser.post(url, {"csrfmiddlewaretoken": token, **fields})


def sign_in(browser: Client, user: User, **fields: str) -> HttpResponse:
    """Sign in on the login page."""
    names = {"username": user.get_username(), "password": PASSWORD}
    return press(browser, "/account/login/", **names, **fields)


def key_of(browser: Client) -> str:
    """The session key that the browser holds, or nothing."""
    cookie = browser.cookies.get("sessionid")
    return cookie.value if cookie else ""
