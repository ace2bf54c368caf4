"""The stores that each fault is tried on: our engines, Django's, and two packages beside them.

Express is in `express_sites.py`: it answers through HTTP.
"""

from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.cache import caches
from django.db.models import Model
from django.test import AsyncClient, Client

DJANGO = "django.contrib.sessions.middleware.SessionMiddleware"
OWN = "sessionstore.middleware.SessionMiddleware"
REDIS = "django.core.cache.backends.redis.RedisCache"


@dataclass(frozen=True, slots=True)
class Site:
    """An engine under the middleware that belongs to it."""

    name: str
    engine: str
    middleware: str = DJANGO
    app: str | None = "sessions"
    cache: str | None = None
    keeps_users: bool = False
    """Its table has a foreign key to the user, so that one database has to have both."""

    is_ours: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_ours", self.engine.startswith("sessionstore."))

    @property
    def store(self) -> Any:
        """Its SessionStore class."""
        return import_module(self.engine).SessionStore

    @property
    def model(self) -> Any:
        """The model of its table."""
        assert self.app is not None, "it has no table"
        return apps.get_model(self.app, "session")

    @property
    def tables(self) -> list[Any]:
        """The models of the tables that it needs, in the order in which they can be made."""
        users = [ContentType, Permission, Group, User] if self.keeps_users else []
        return [*users, *([self.model] if self.app else [])]

    @property
    def table(self) -> str:
        """The name of its table."""
        name: str = self.model._meta.db_table
        return name

    def settings(self) -> dict[str, Any]:
        """What makes a Django site use it."""
        chain = [self.middleware, "django.contrib.auth.middleware.AuthenticationMiddleware"]
        return {
            "SESSION_ENGINE": self.engine,
            "MIDDLEWARE": chain,
            "ROOT_URLCONF": "tests.faults.urls",
            "DATABASE_ROUTERS": [
                "sessionstore.routers.SessionRouter",
                "tests.faults.sites.StockRouter",
            ],
        }

    def rows(self) -> Any:
        """All rows of its table."""
        return self.model.objects.all()

    def empty(self) -> None:
        """End all sessions."""
        if self.app:
            self.rows().delete()
        self.forget_cached()

    def forget_cached(self) -> None:
        """Empty its cache, so that the next request asks the table."""
        if self.cache:
            caches["default"].clear()

    def rows_of(self, user_id: Any) -> list[Any]:
        """The rows in which a user is signed in."""
        found = [row.get_decoded().get("_auth_user_id") for row in self.rows()]
        return [one for one in found if one == str(user_id)]

    def browser(self, *, key: str | None = None) -> Any:
        """A browser that gets error pages, with or without a cookie."""
        return browser(key=key)

    def key_of(self, client: Any) -> str | None:
        """The key that a browser holds."""
        return key_of(client)

    def user_of(self, key: str | None) -> str | None:
        """Who is signed in for who sends this key."""
        return user_of(key)

    def holds(self, key: str, name: str) -> bool:
        """Tell whether the session of a key has this name."""
        return name in self.store(key)


OURS = Site("ours", "sessionstore.backends.sql", OWN, app="sessionstore")
STOCK = Site("stock", "django.contrib.sessions.backends.db")
CACHED_SQL = Site(
    "cached_sql",
    "sessionstore.backends.cached_sql",
    OWN,
    app="sessionstore",
    cache="sessionstore.caches.RedisCache",
)
CACHED_DB = Site("cached_db", "django.contrib.sessions.backends.cached_db", cache=REDIS)
CACHE = Site("cache", "django.contrib.sessions.backends.cache", app=None, cache=REDIS)
QSESSIONS = Site(
    "qsessions",
    "qsessions.backends.db",
    "qsessions.middleware.SessionMiddleware",
    app="qsessions",
    keeps_users=True,
)
USER_SESSIONS = Site(
    "user-sessions",
    "user_sessions.backends.db",
    "user_sessions.middleware.SessionMiddleware",
    app="user_sessions",
    keeps_users=True,
)


def compared(*sites: Any) -> list[Any]:
    """Return parameters: ours runs always; the others with the long tests, for the comparison."""
    return [
        pytest.param(site, id=site.name, marks=[] if site is OURS else pytest.mark.soak)
        for site in sites
    ]


# Nothing is asserted of those that are not ours: they run for docs/reliability.md.
BOTH = compared(OURS, STOCK)
WITH_TABLE = compared(OURS, STOCK, CACHED_SQL, CACHED_DB, QSESSIONS, USER_SESSIONS)
EVERY = compared(OURS, STOCK, CACHED_SQL, CACHED_DB, CACHE, QSESSIONS, USER_SESSIONS)
# What Redis forgets in time it does by its own clock, which no test moves.
DATED = compared(OURS, STOCK, QSESSIONS, USER_SESSIONS)
CACHED = compared(CACHED_SQL, CACHED_DB, CACHE)


class StockRouter:
    """Sends the session tables of others where ours goes, and their users with them."""

    def db_for_read(self, model: type[Model], **_: Any) -> str | None:
        """Read where it is written."""
        return self.db_for_write(model)

    def db_for_write(self, model: type[Model], **_: Any) -> str | None:
        """One alias for all engines."""
        labels = {"sessions", "qsessions", "user_sessions"}
        if settings.SESSION_ENGINE in {QSESSIONS.engine, USER_SESSIONS.engine}:
            labels |= {"auth", "contenttypes"}
        if model._meta.app_label not in labels:
            return None
        return getattr(settings, "SESSIONSTORE_DATABASE", None)


def browser(*, key: str | None = None) -> Client:
    """A browser that gets error pages, with or without a cookie."""
    client = Client(raise_request_exception=False)
    if key is not None:
        client.cookies["sessionid"] = key
    return client


def ask(client: Client, server: str, url: str) -> Any:
    """Ask for a page under WSGI or under ASGI, with the cookies of `client`."""
    if server == "WSGI":
        return client.get(url)
    other = AsyncClient(raise_request_exception=False)
    other.cookies = client.cookies
    return async_to_sync(other.get)(url)


def key_of(client: Client) -> str | None:
    """The key that a browser holds."""
    cookie = client.cookies.get("sessionid")
    return cookie.value or None if cookie else None


def user_of(key: str | None) -> str | None:
    """Who is signed in for who sends this key."""
    return browser(key=key).get("/read/").json()["user"] if key else None
