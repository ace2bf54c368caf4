"""Make a database fail for real: the server or the driver itself raises each error.

An execute wrapper waits for the statements on the session table and sends, in place of the first
ones, a statement that fails with the wanted code. So the error travels the way of every other:
server, driver, Django. Whoever injects asks `fired` afterwards.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connections

Code = int | str
TABLES = (
    *("sessionstore_session", "django_session"),
    *("qsessions_session", "user_sessions_session"),
)
ALWAYS = 10**9
FREE_AND_SIZE = ("freelist_count", "page_size")

TRANSIENT: dict[str, list[Code]] = {
    "mysql": [1020, 1205, 1213, 3572],
    "postgresql": ["40001", "40P01", "55P03"],
    "sqlite": [5, 6, 517],
}
LOST: dict[str, list[Code]] = {
    "mysql": [
        *(1047, 1053, 1290, 1792, 1836, 1927),
        *(2002, 2003, 2006, 2013, 2014, 2026, 2027, 2045, 2055, 4031),
    ],
    "postgresql": [
        *("57P01", "57P02", "57P03", "57P05", "25P03", "25006"),
        *("08000", "08001", "08003", "08006"),
    ],
    "sqlite": [],
}
FULL: dict[str, list[Code]] = {
    "mysql": [1040, 1203, 1226],
    "postgresql": ["53300"],
}
PERMANENT: dict[str, list[Code]] = {
    "mysql": [1021, 1030, 1114, 1153, 1406, 1142, 1317, 3024, 1969],
    "postgresql": ["53100", "22001", "42501", "57014", "XX000"],
    "sqlite": [8, 13, 11],
}


@dataclass(slots=True)
class Injection:
    """How often the fault shall fire, at which statements, and how often it has."""

    times: int
    writes_only: bool = False
    reads_only: bool = False
    fired: int = 0

    def is_due(self, sql: Any) -> bool:
        """Tell whether this statement is one to fail at, and count it."""
        due = self.fired < self.times and about_sessions(str(sql))
        is_read = str(sql).lstrip("( ").startswith("SELECT")
        due = due and not (self.writes_only if is_read else self.reads_only)
        self.fired += due
        return due


def about_sessions(sql: str) -> bool:
    """Tell whether a statement is about a session table."""
    return any(table in sql for table in TABLES)


@contextmanager
def first_statements_fail(
    alias: str, code: Code, times: int, *, writes_only: bool = False, reads_only: bool = False
) -> Iterator[Injection]:
    """Let the first `times` statements on the session table fail with `code`."""
    connection = connections[alias]
    injection = Injection(times, writes_only, reads_only)

    def wrapper(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        if injection.is_due(sql):
            fail(connection, code, lambda text: execute(text, None, False, context))
            raise AssertionError(f"{code} was not raised")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield injection


@contextmanager
def killed(
    alias: str, times: int, *, after: bool, writes_only: bool = False
) -> Iterator[Injection]:
    """Kill the connection before the first `times` statements on the session table, or after.

    After: the server has carried the statement out, and the answer to it is lost.
    """
    connection = connections[alias]
    injection = Injection(times, writes_only)

    def wrapper(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        if not injection.is_due(sql):
            return execute(sql, params, many, context)
        if not after:
            kill(connection)
            return execute(sql, params, many, context)
        execute(sql, params, many, context)
        kill(connection)
        execute("SELECT 1", None, False, context)
        raise AssertionError("the connection was not killed")

    try:
        with connection.execute_wrapper(wrapper):
            yield injection
    finally:
        connection.close()  # as the end of a request closes one that has failed


def kill(connection: Any) -> None:
    """Let the server end this connection, without a word to the client."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            if connection.vendor == "mysql":
                cursor.execute(f"KILL {connection.connection.thread_id()}")
            else:
                pid = connection.connection.info.backend_pid
                cursor.execute(f"SELECT pg_terminate_backend({pid}, 5000)")
    finally:
        other.close()


def fail(connection: Any, code: Code, execute: Callable[[str], Any]) -> None:
    """Let the database raise `code`."""
    if connection.vendor == "mysql" and int(code) in range(2000, 3000):
        # Codes of the client library: a server cannot send them, so the driver's own error it is.
        with connection.wrap_database_errors:
            raise connection.Database.OperationalError(code, "injected")
    elif connection.vendor == "mysql":
        execute(f"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {code}, MESSAGE_TEXT = 'injected'")
    elif connection.vendor == "postgresql":
        text = f"RAISE EXCEPTION USING ERRCODE = '{code}', MESSAGE = 'injected'"
        execute(f"DO $$ BEGIN {text}; END $$")
    else:
        SQLITE[code](connection, execute)


def _busy(connection: Any, execute: Callable[[str], Any]) -> None:
    execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        execute("BEGIN IMMEDIATE")
    finally:
        other.close()
        connection.connection.execute("PRAGMA busy_timeout = 20000")


def _locked(connection: Any, execute: Callable[[str], Any]) -> None:
    connection.connection.execute("CREATE TABLE IF NOT EXISTS locked (a)")
    reader = connection.connection.execute("SELECT 1 FROM sqlite_master")
    try:
        execute("DROP TABLE locked")  # while a cursor of the same connection still reads
    finally:
        reader.close()


def _busy_snapshot(connection: Any, execute: Callable[[str], Any]) -> None:
    connection.connection.execute("CREATE TABLE IF NOT EXISTS locked (a)")
    connection.connection.execute("BEGIN DEFERRED")
    connection.connection.execute("SELECT COUNT(*) FROM locked").fetchall()
    other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    try:
        other.execute("INSERT INTO locked VALUES (1)")
        execute("INSERT INTO locked VALUES (2)")  # on top of a snapshot that is old by now
    finally:
        other.close()
        connection.connection.execute("ROLLBACK")


def _read_only(connection: Any, execute: Callable[[str], Any]) -> None:
    execute("PRAGMA query_only = 1")
    try:
        execute("CREATE TABLE refused (a)")
    finally:
        connection.connection.execute("PRAGMA query_only = 0")


def _full(connection: Any, execute: Callable[[str], Any]) -> None:
    raw = connection.connection
    # What other tests have deleted is room: ask for more than that.
    [free], [size] = (raw.execute(f"PRAGMA {name}").fetchone() for name in FREE_AND_SIZE)
    execute("PRAGMA max_page_count = 1")  # which SQLite raises to the present size
    try:
        execute(f"CREATE TABLE refused AS SELECT zeroblob({(free + 10) * size})")
    finally:
        raw.execute("PRAGMA max_page_count = 1073741823")


def _corrupt(connection: Any, execute: Callable[[str], Any]) -> None:
    # A database whose second page, that of its only table, says nothing.
    with closing(sqlite3.connect(":memory:")) as whole:
        whole.execute("CREATE TABLE a (b)")
        [size] = whole.execute("PRAGMA page_size").fetchone()
        image = whole.serialize()[:size] + b"\xff" * size
    raw = connection.connection
    raw.execute("ATTACH ':memory:' AS broken")
    try:
        raw.deserialize(image, name="broken")
        execute("SELECT * FROM broken.a")
    finally:
        raw.execute("DETACH broken")


SQLITE: dict[Code, Callable[[Any, Callable[[str], Any]], None]] = {
    5: _busy,
    6: _locked,
    517: _busy_snapshot,
    8: _read_only,
    13: _full,
    11: _corrupt,
}
