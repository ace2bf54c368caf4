"""Finds the engine and the table that a command works on."""

from importlib import import_module
from typing import Any

from django.core.management.base import CommandError

from sessionstore.conf import conf
from sessionstore.exceptions import SessionStoreUnavailable
from sessionstore.faults import code_of, is_missing_table

SHORT_NAMES = ("sql", "cached_sql", "express", "leaving")


def engine_named(name: str | None) -> Any:
    """Answer the SessionStore of an engine: a dotted path, a short name, or None for the site's.

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


def table_of(store: Any, *, database: str | None) -> Any:
    """Answer the rows of an engine of ours, on ``database`` when given.

    Raises CommandError for an engine of somebody else's.
    """
    get_rows = getattr(store, "get_rows", None)
    if get_rows is None:
        message = (
            f"{store.__module__} is not an engine of sessionstore. Name one with --engine, for "
            f"instance --engine=sql."
        )
        raise CommandError(message)
    rows = get_rows()
    return rows.using(database) if database else rows


def failure(error: Exception, tables: list[Any]) -> str:
    """Say what the database refused, in words for an operator."""
    if isinstance(error, SessionStoreUnavailable):
        return f"{error} What was done stays done; run it again."
    if is_missing_table(error):
        names = " or ".join(f"{rows.table} in database {rows.alias!r}" for rows in tables)
        return f"There is no table {names}. Has manage.py migrate run there?"
    # Security: the driver's own message may hold data of a row.
    return f"The database refused (error {code_of(error)})."
