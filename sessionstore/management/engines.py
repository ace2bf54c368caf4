"""Finds the engine and the table that a command works on."""

from importlib import import_module
from typing import Any

from django.core.management.base import CommandError
from django.db import connections

from sessionstore.backends.base import SessionBackend
from sessionstore.conf import conf

SHORT_NAMES = ("sql", "cached_sql", "express", "leaving")


def engine_named(name: str | None) -> Any:
    """Return the SessionStore of an engine: a dotted path, a short name, or None for the site's.

    Raises CommandError when there is none.
    """
    path = name or conf.engine_path
    if path in SHORT_NAMES:
        path = f"sessionstore.backends.{path}"
    try:
        return import_module(path).SessionStore
    except (ImportError, AttributeError, ValueError) as error:
        names = ", ".join(SHORT_NAMES)
        message = (
            f"{path!r} is no session engine ({error}). Give the dotted path of its module, or one "
            f"of {names}."
        )
        raise CommandError(message) from None


def session_engine() -> type[SessionBackend]:
    """Return the site's engine, for a command that needs its sessions and not only their table.

    Raises CommandError when that is not an engine of ours, or leaves for Django's.
    """
    store: type[object] = engine_named(None)
    if not issubclass(store, SessionBackend):
        message = (
            f"Not on the engine {store.__module__}: set SESSION_ENGINE to sql, cached_sql or "
            f"express of sessionstore.backends."
        )
        raise CommandError(message)
    known_database(store.get_table().alias)
    return store


def table_of(store: Any, *, database: str | None = None) -> Any:
    """Return the rows of an engine of ours, on ``database`` when given.

    Raises CommandError for an engine of somebody else's.
    """
    get_table = getattr(store, "get_table", None)
    if get_table is None:
        message = (
            f"{store.__module__} is not an engine of sessionstore. Name one with --engine, for "
            f"instance --engine=sql."
        )
        raise CommandError(message)
    if database is not None:
        return get_table().using(known_database(database))
    table = get_table()
    known_database(table.alias)
    return table


def known_database(alias: str) -> str:
    """Return the alias. Raises CommandError when DATABASES does not have it."""
    if alias not in connections:
        message = f"There is no database {alias!r} in DATABASES, only {', '.join(connections)}."
        raise CommandError(message)
    return alias
