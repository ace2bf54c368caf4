"""Runs one statement: by Django's cursor, or without it where it would add nothing.

Optimization: Django's cursor asks in eleven calls what is asked here in one; that saves a quarter
of a load on SQLite, where the statement itself is cheap. Whoever watches statements sees each of
them: where anybody does, this is Django's cursor.
"""

import re
from asyncio import _get_running_loop
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import attrgetter
from os import sep
from pathlib import Path
from threading import get_ident
from types import FunctionType
from typing import Any

import django
from django.db.backends import utils
from django.db.backends.base.base import BaseDatabaseWrapper

# What a statement is given for its placeholders.
Values = Sequence[Any]
_placeholder = re.compile("(?<!%)%s")
_DJANGO = f"{Path(django.__file__).parent}{sep}"
# What a statement passes on its way, and what is patched by whoever wants to see it.
_of_connection: Callable[[type], tuple[object, ...]] = attrgetter(
    *("cursor", "_cursor", "_prepare_cursor", "ensure_connection", "make_cursor", "create_cursor")
)
_of_cursor: Callable[[type], tuple[object, ...]] = attrgetter(
    *("__init__", "execute", "_execute_with_wrappers", "_execute", "__getattr__")
)


def execute(connection: BaseDatabaseWrapper, sql: str, values: Values) -> int:
    """Run a statement and return how many rows it has met."""
    # Cursors end with their function, not by close().
    if not is_bare(connection):
        watched = connection.cursor()
        watched.execute(sql, values)
        return int(watched.rowcount)
    with connection.wrap_database_errors:
        return int(_run(connection, sql, values).rowcount)


def select(connection: BaseDatabaseWrapper, sql: str, values: Values) -> Any:
    """Run a SELECT and return its first row, or None."""
    if not is_bare(connection):
        watched = connection.cursor()
        watched.execute(sql, values)
        return watched.fetchone()
    with connection.wrap_database_errors:
        return _run(connection, sql, values).fetchone()


def is_bare(connection: Any) -> bool:
    """Tell whether Django's cursor would do no more than the driver's.

    It is connected and usable, this is its thread and no event loop; nothing wraps, logs or traces
    its statements, and no subclass or patch has another way for them.
    """
    return (
        connection.connection is not None
        and not connection.execute_wrappers
        and not connection.queries_logged
        and not connection.needs_rollback
        and (connection.health_check_done or not connection.health_check_enabled)
        and connection._thread_ident == get_ident()
        and _get_running_loop() is None
        # A function of the instance has come there by a patch; a test case of Django's leaves ours.
        and getattr(connection.cursor, "__func__", None) is type(connection).cursor
        and _are_djangos(_of_connection(type(connection)), _of_cursor(utils.CursorWrapper))
    )


@lru_cache(maxsize=64)
def _are_djangos(*groups: tuple[object, ...]) -> bool:
    """Tell whether these functions are Django's own. A tracer puts others into their place."""
    return all(
        type(function) is FunctionType and function.__code__.co_filename.startswith(_DJANGO)
        for group in groups
        for function in group
    )


def _run(connection: BaseDatabaseWrapper, sql: str, values: Values) -> Any:
    """Return the cursor that has run a statement."""
    if connection.vendor == "sqlite":
        # Django's would look for the placeholders in each text again.
        return connection.connection.cursor().execute(_with_question_marks(sql), values)
    cursor = connection.create_cursor()
    cursor.execute(sql, values)
    return cursor


@lru_cache(maxsize=256)
def _with_question_marks(sql: str) -> str:
    """Return a statement as SQLite's driver takes it: what Django's own cursor makes of it."""
    return _placeholder.sub("?", sql).replace("%%", "%")
