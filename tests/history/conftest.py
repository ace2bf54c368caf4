"""What the tests of the history share."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessionstore.models import SessionEvent
from tests.web.conftest import PASSWORD


@pytest.fixture(autouse=True)
def history(settings):
    """A site that keeps it, with the pages of tests/web and a few of its own."""
    settings.SESSIONSTORE_HISTORY = timedelta(days=90)
    settings.ROOT_URLCONF = "tests.history.urls"
    settings.LOGIN_URL = "sessionstore:login"


@pytest.fixture
def ann(database) -> User:
    """Somebody with a password."""
    return User.objects.create_user("ann", password=PASSWORD)


@pytest.fixture
def browser() -> Client:
    """A browser that shows an error page instead of raising."""
    return Client(raise_request_exception=False, headers={"user-agent": "Firefox/140.0"})


@pytest.fixture
def told(database):
    """Return what the history has, the oldest first: what, why, by whom."""

    def told_(*columns):
        rows = SessionEvent.objects.using(database).order_by("pk")
        return list(rows.values_list(*(columns or ("what",)), flat=len(columns) < 2))

    return told_


def sign_in(browser: Client, name: str = "ann") -> Client:
    browser.post("/account/login/", {"username": name, "password": PASSWORD})
    return browser
