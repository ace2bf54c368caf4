"""The engine that the checks are about, and where its table is."""

from collections.abc import Sequence
from typing import Any

from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.db import DatabaseError, InterfaceError, connections
from django.utils.module_loading import import_string

from sessionstore.answers.places import url_of
from sessionstore.conf import conf
from sessionstore.middleware import SessionMiddleware


def site_engine() -> Any:
    """Return the SessionStore of SESSION_ENGINE; None when it cannot be imported (E005 tells)."""
    try:
        return import_string(f"{conf.engine_path}.SessionStore")
    except ImportError:
        return None


def runs_on(base: type[Any]) -> bool:
    """Tell whether SESSION_ENGINE is this engine or built on it."""
    engine = site_engine()
    return engine is not None and issubclass(engine, base)


def middleware_of_type(*bases: type[Any]) -> list[tuple[str, type[Any]]]:
    """Return what MIDDLEWARE has of these classes and of what is built on them, in its order."""
    found = []
    for path in conf.middleware:
        try:
            one = import_string(path)
        except ImportError:  # Django tells.
            continue
        if isinstance(one, type) and issubclass(one, bases):
            found.append((path, one))
    return found


def session_middleware() -> list[tuple[str, type[Any]]]:
    """Return what MIDDLEWARE has of session middleware: Django's, ours, and what is built on it."""
    return middleware_of_type(DjangoSessionMiddleware)


def has_our_middleware() -> bool:
    """Tell whether the site uses our middleware, or one that is built on it."""
    return any(issubclass(one, SessionMiddleware) for _, one in session_middleware())


def address_of(name: str) -> str | None:
    """Return the address of a URL by its name; None when the site has none, or no URLs at all."""
    return None if conf.urlconf is None else url_of((name,))


def site_table() -> Any:
    """Return the session table; None when SESSION_ENGINE has none of ours.

    The engine `leaving` has one, though it is Django's and not a SessionBackend.
    """
    get_table = getattr(site_engine(), "get_table", None)
    return None if get_table is None else get_table()


def why_unreachable(alias: str) -> Exception | None:
    """Return what connecting to a database raises; None when it is there."""
    try:
        connections[alias].ensure_connection()
    except (DatabaseError, InterfaceError) as error:
        return error
    return None


def table_on(databases: Sequence[str] | None) -> Any:
    """Return the session table if it lies on one of ``databases``, else None."""
    table = site_table() if databases else None
    return table if table is not None and table.alias in (databases or ()) else None


def open_table_on(databases: Sequence[str] | None) -> Any:
    """Return the same, and None where the database cannot be reached.

    E041 tells; the table would try again, and log that it gave up.
    """
    table = table_on(databases)
    return table if table is not None and why_unreachable(table.alias) is None else None
