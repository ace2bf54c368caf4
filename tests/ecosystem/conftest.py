"""Neighbours that people install beside a session engine, each on three stacks.

Django's own engine proves that a test is right; ours has to pass the same test under Django's
middleware and under ours.
"""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as site
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.db import connections
from django.test import Client

SETTINGS = "tests.ecosystem.settings"
if os.environ.get("DJANGO_SETTINGS_MODULE") != SETTINGS:
    collect_ignore_glob = ["test_*.py"]  # these tests need the site with the neighbours' apps

STOCK = "django.contrib.sessions.backends.db"
OURS = "sessionstore.backends.sql"
DJANGO_MIDDLEWARE = "django.contrib.sessions.middleware.SessionMiddleware"
OUR_MIDDLEWARE = "sessionstore.middleware.SessionMiddleware"

STACKS = {
    "stock": (STOCK, DJANGO_MIDDLEWARE),
    "ours": (OURS, OUR_MIDDLEWARE),
    "ours-under-django": (OURS, DJANGO_MIDDLEWARE),
}
# For what Django's own engine does not know.
OUR_STACKS = ["ours", "ours-under-django"]


def give_a_code(browser: Client, settings: Any) -> None:
    """Let the user of a browser give a second factor, and open a page that wants one."""
    settings.SESSIONSTORE_REAUTH_URL = {2: "/strong-page/"}
    session: Any = browser.session
    session.mark_authenticated("otp")
    session.save()
    assert browser.get("/strong/").content == b"strong"


@dataclass
class Table:
    """The session table of the engine in use, as a test asks it."""

    engine: str

    def store(self, key: str | None = None) -> SessionBase:
        store: SessionBase = import_module(self.engine).SessionStore(key)
        return store

    def rows(self) -> int:
        """Count the stored sessions."""
        model: Any = self.store().get_model_class()
        return model.objects.count()

    def held(self, key: str) -> dict[str, Any]:
        """Return what is stored under a key, empty when nothing is."""
        return dict(self.store(key).items())

    def user(self, key: str) -> str | None:
        return self.held(key).get("_auth_user_id")


@pytest.fixture(params=STACKS)
def stack(request: pytest.FixtureRequest, settings: Any, transactional_db: None) -> str:
    """Put one engine and one session middleware under the whole site."""
    settings.SESSION_ENGINE, middleware = STACKS[request.param]
    settings.MIDDLEWARE = [middleware, *site.MIDDLEWARE[1:]]
    return str(request.param)


@pytest.fixture
def table(stack: str) -> Table:
    return Table(STACKS[stack][0])


@pytest.fixture
def client(stack: str) -> Client:
    """A browser, made after the stack was chosen."""
    return Client()


@pytest.fixture
def ann(stack: str) -> User:
    user: User = get_user_model().objects.create_user("ann", "ann@example.com", "secret")
    return user


@pytest.fixture
def boss(stack: str) -> User:
    user: User = get_user_model().objects.create_superuser("boss", "boss@example.com", "secret")
    return user


@pytest.fixture
async def close_other_threads(stack: str) -> AsyncIterator[None]:
    """Close the connections of the thread in which async code asks the database."""
    yield
    await sync_to_async(connections.close_all)()


def key_of(client: Client) -> str | None:
    """Return the key that the browser holds; a deleted cookie counts as none."""
    morsel = client.cookies.get(site.SESSION_COOKIE_NAME)
    return morsel.value or None if morsel else None


def sign_ins_of(client: Client) -> list[tuple[str, int]]:
    """Return how the user of a browser has signed in: method and level."""
    session: Any = client.session
    return [(fact.method, fact.level) for fact in session.sign_ins]
