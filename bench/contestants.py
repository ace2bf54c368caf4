"""The engines that are measured, all behind the same five operations."""

from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Any, Protocol

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase

from bench import shopper

DJANGO_MIDDLEWARE = "django.contrib.sessions.middleware.SessionMiddleware"
CLIENT = {"ip": "127.0.0.1", "user_agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}


class Contestant(Protocol):
    """Five operations on the shopper's session, each as one request needs it."""

    name: str

    def activate(self) -> None: ...
    def create(self, number: int) -> Any: ...
    def load(self, key: Any) -> Any: ...
    def load_and_save(self, key: Any, number: int) -> None: ...
    def cycle(self, key: Any) -> Any: ...
    def delete(self, key: Any) -> None: ...


@dataclass
class Engine:
    """A Django session engine, used as the session middleware and a view use it."""

    name: str
    module: str
    middleware: str = DJANGO_MIDDLEWARE
    arguments: dict[str, str] = field(default_factory=dict)
    loses_data_at_cycle: bool = False

    @cached_property
    def store(self) -> type[SessionBase]:
        found: type[SessionBase] = import_module(self.module).SessionStore
        return found

    def activate(self) -> None:
        # Not override_settings: its signal makes engines forget what they have cached.
        settings.SESSION_ENGINE = self.module

    def session(self, key: str | None = None) -> SessionBase:
        return self.store(key, **self.arguments)

    def create(self, number: int) -> str | None:
        session = self.session()
        session.update(shopper.data(number))
        session.save()
        return session.session_key

    def load(self, key: str) -> Any:
        return self.session(key)["cart"]

    def load_and_save(self, key: str, number: int) -> None:
        session = self.session(key)
        session["cart"] = shopper.cart(number)
        session.save()

    def cycle(self, key: str) -> str | None:
        session = self.session(key)
        session.get("cart")
        session.cycle_key()
        if self.loses_data_at_cycle:
            session.save()
        return session.session_key

    def delete(self, key: str) -> None:
        self.session(key).delete(key)

    @property
    def is_ours(self) -> bool:
        return self.module.startswith("sessionstore.")


ENGINES = [
    Engine(
        "sessionstore", "sessionstore.backends.sql", "sessionstore.middleware.SessionMiddleware"
    ),
    Engine(
        "sessionstore cached_sql",
        "sessionstore.backends.cached_sql",
        "sessionstore.middleware.SessionMiddleware",
    ),
    Engine("Django db", "django.contrib.sessions.backends.db"),
    Engine("Django cached_db", "django.contrib.sessions.backends.cached_db"),
    Engine("Django cache (Redis)", "django.contrib.sessions.backends.cache"),
    Engine(
        "django-qsessions",
        "qsessions.backends.db",
        "qsessions.middleware.SessionMiddleware",
        CLIENT,
    ),
    Engine(
        "django-user-sessions",
        "user_sessions.backends.db",
        "user_sessions.middleware.SessionMiddleware",
        CLIENT,
        loses_data_at_cycle=True,
    ),
]
