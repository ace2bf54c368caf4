"""What the tests of bound sessions share."""

import pytest
from django.contrib.auth import get_user_model

from sessionstore.signals import session_refused
from tests.binding.client import Browser
from tests.web.conftest import PASSWORD


@pytest.fixture(autouse=True)
def site(settings):
    """A site over HTTPS that binds sessions, with the pages of tests/web."""
    settings.ROOT_URLCONF = "tests.web.urls"
    settings.LOGIN_URL = "sessionstore:login"
    settings.LOGIN_REDIRECT_URL = "/there/"
    settings.SESSION_COOKIE_SECURE = True
    settings.SESSIONSTORE_BIND_DEVICE = True


@pytest.fixture
def user(database):
    """Somebody with a password."""
    return get_user_model().objects.create_user("ann", password=PASSWORD)


@pytest.fixture
def browser(clock, user):
    """A browser that can bind, in which somebody has signed in, and the grace is over."""
    browser = Browser(clock)
    browser.sign_in(user)
    clock.advance(seconds=61)
    return browser


@pytest.fixture
def refusals():
    """What is told of refused cookies and proofs, each with the handle that it names."""
    told = []

    def note(reason, handle, **_):
        told.append((str(reason), handle))

    session_refused.connect(note)
    yield told
    session_refused.disconnect(note)
