"""The two sites that each fault is tried on: ours, and Django with its stock engine."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.db.models import Model
from django.test import AsyncClient, Client


@dataclass(frozen=True, slots=True)
class Site:
    """An engine under the middleware that belongs to it."""

    name: str
    engine: str
    middleware: str

    @property
    def store(self) -> Any:
        """Its SessionStore class."""
        return import_module(self.engine).SessionStore

    @property
    def model(self) -> Any:
        """The model of its table."""
        return self.store.get_model_class()

    @property
    def table(self) -> str:
        """The name of its table."""
        return self.model._meta.db_table

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

    def rows_of(self, user_id: Any) -> list[Any]:
        """The rows in which a user is signed in."""
        found = [row.get_decoded().get("_auth_user_id") for row in self.rows()]
        return [one for one in found if one == str(user_id)]


OURS = Site("ours", "sessionstore.backends.sql", "sessionstore.middleware.SessionMiddleware")
STOCK = Site(
    "stock",
    "django.contrib.sessions.backends.db",
    "django.contrib.sessions.middleware.SessionMiddleware",
)
BOTH = [
    pytest.param(OURS, id="ours"),
    # Nothing is asserted of it: it runs for the comparison in docs/reliability.md.
    pytest.param(STOCK, id="stock", marks=pytest.mark.soak),
]


class StockRouter:
    """Sends Django's own session table where ours goes."""

    def db_for_read(self, model: type[Model], **_: Any) -> str | None:
        """Read where it is written."""
        return self.db_for_write(model)

    def db_for_write(self, model: type[Model], **_: Any) -> str | None:
        """One alias for both engines."""
        if model._meta.app_label != "sessions":
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
