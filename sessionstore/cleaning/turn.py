"""One cleaner at a time per table, by an advisory lock of the database."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError, InterfaceError, connections

from sessionstore.faults import code_of

logger = logging.getLogger("sessionstore")
_A_WEEK_S = 7 * 24 * 3600


@contextmanager
def turn(alias: str, table: str) -> Iterator[bool]:
    """Hold the turn to clean ``table``; False when another cleaner has it.

    The lock lives on a connection of its own, in PostgreSQL as a transaction that does nothing
    else: a lock of the session would break under a transaction pooler. SQLite has no such locks.
    Two cleaners at once do no harm, they only waste work; so where the lock cannot be had (a
    cluster that refuses GET_LOCK, no connection left) the work goes on without it.
    """
    connection: Any = connections[alias]
    take = {"postgresql": _take_on_postgresql, "mysql": _take_on_mysql}.get(connection.vendor)
    if take is None:
        yield True
        return
    own = connection.copy()
    try:
        yield _taken(take, own, table)
    finally:
        own.close()


def _taken(take: Any, own: Any, table: str) -> bool:
    try:
        return bool(take(own, table))
    except (DatabaseError, InterfaceError) as error:
        logger.info("Cleaning without an advisory lock: database error %s", code_of(error))
        return True


def _take_on_postgresql(own: Any, table: str) -> bool:
    number = int.from_bytes(_name(table), "big", signed=True)
    own.set_autocommit(False)
    with own.cursor() as cursor:
        # Between its statements this transaction holds no snapshot, so it holds up no vacuum.
        cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        return bool(cursor.fetchone()[0])


def _take_on_mysql(own: Any, table: str) -> bool:
    # The name counts for the whole server, so it tells the database too.
    name = f"sessionstore.{_name(own.settings_dict['NAME'] + '.' + table).hex()}"
    with own.cursor() as cursor:
        cursor.execute("SET SESSION wait_timeout = %s", [_A_WEEK_S])
        cursor.execute("SELECT GET_LOCK(%s, 0)", [name])
        return bool(cursor.fetchone()[0] == 1)


def _name(text: str) -> bytes:
    return hashlib.sha256(f"sessionstore.clearsessions.{text}".encode()).digest()[:8]
