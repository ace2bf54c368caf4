"""One cleaner at a time per table, by an advisory lock."""

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from django.db import DatabaseError, InterfaceError, connections

from sessionstore.table.faults import code_of

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

logger = logging.getLogger("sessionstore")
_A_WEEK_S = 7 * 24 * 3600


def turn(alias: str, table: str) -> AbstractContextManager[bool]:
    """Hold the turn to clean ``table``; False when another cleaner has it.

    Two cleaners at once do no harm, they only waste work. So where the lock cannot be had (a
    cluster that refuses GET_LOCK, no connection left) the work goes on without it.
    """
    connection: Any = connections[alias]
    if connection.vendor == "postgresql":
        return _by_connection(connection, table, _take_on_postgresql)
    if connection.vendor == "mysql":
        return _by_connection(connection, table, _take_on_mysql)
    # SQLite has no such locks, but all its users are on one machine.
    if fcntl is None or connection.is_in_memory_db():
        return nullcontext(True)
    return _by_file(str(connection.settings_dict["NAME"]), table)


def _another(connection: Any) -> Any:
    """Return a further connection to the same database, never one of Django's pool.

    The lock's waits in a transaction, in which no pool takes one back; and a pool of one has no
    second one to lend.
    """
    own = connection.copy()
    own.settings_dict["OPTIONS"].pop("pool", None)
    return own


@contextmanager
def _by_connection(
    connection: Any, table: str, take: Callable[[Any, bytes], bool]
) -> Iterator[bool]:
    """Hold a lock on a connection of its own, which ends it whatever happens."""
    own = _another(connection)
    try:
        try:
            taken = take(own, _name(_place(connection, table)))
        except (DatabaseError, InterfaceError) as error:
            logger.info("Cleaning without an advisory lock: database error %s", code_of(error))
            taken = True
        yield taken
    finally:
        _let_go(own)


def _let_go(own: Any) -> None:
    """Give the lock back and close; MySQL notices a closed connection only some moments later."""
    if own.vendor == "mysql" and own.connection is not None:
        with suppress(DatabaseError, InterfaceError), own.cursor() as cursor:
            cursor.execute("DO RELEASE_ALL_LOCKS()")
    own.close()


def _place(connection: Any, table: str) -> str:
    """Return what tells the table from others of its name, as far as a lock of its name goes.

    PostgreSQL: in one database, where each schema has its own. MySQL: on the whole server.
    """
    if connection.vendor == "mysql":
        return f"{connection.settings_dict['NAME']}.{table}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)::oid::text", [connection.ops.quote_name(table)])
        return str(cursor.fetchone()[0])


def _take_on_postgresql(own: Any, name: bytes) -> bool:
    """Lock in a transaction: a lock of the session would break under a transaction pooler."""
    number = int.from_bytes(name, "big", signed=True)
    own.set_autocommit(False)
    with own.cursor() as cursor:
        # Between its statements this transaction holds no snapshot, so it holds up no vacuum.
        cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        return bool(cursor.fetchone()[0])


def _take_on_mysql(own: Any, name: bytes) -> bool:
    with own.cursor() as cursor:
        cursor.execute("SET SESSION wait_timeout = %s", [_A_WEEK_S])
        cursor.execute("SELECT GET_LOCK(%s, 0)", [f"sessionstore.{name.hex()}"])
        return bool(cursor.fetchone()[0] == 1)


@contextmanager
def _by_file(database: str, table: str) -> Iterator[bool]:
    name = _name(f"{Path(database).resolve()}.{table}").hex()
    path = Path(tempfile.gettempdir()) / f"sessionstore-{name}.lock"
    try:
        # Security: the folder is everybody's, so never through somebody else's link.
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        logger.info("Cleaning without a lock: %s belongs to somebody else", path)
        yield True
        return
    try:
        yield _locked(file)
    finally:
        os.close(file)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _name(text: str) -> bytes:
    return hashlib.sha256(f"sessionstore.clearsessions.{text}".encode()).digest()[:8]
