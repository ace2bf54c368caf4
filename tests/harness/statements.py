"""Count the SQL statements of the whole process, by database alias."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as Django's cursor got it."""

    alias: str
    sql: str
    params: Any


class Statements(list[Statement]):
    """What was sent; transaction control and the set-up of a connection do not count."""

    def on(self, alias: str) -> list[str]:
        """The SQL that went to one database."""
        return [statement.sql for statement in self if statement.alias == alias]

    def about(self, table: str) -> list[str]:
        """The SQL that names `table`."""
        return [statement.sql for statement in self if table in statement.sql]


_CONTROL = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "SET TRANSACTION")
# Django's own questions to a new MySQL connection.
_CONNECT = ("SET SESSION TRANSACTION", "SET SQL_AUTO_IS_NULL", "SELECT VERSION(),")


@contextmanager
def record_statements() -> Iterator[Statements]:
    """Record each statement of any thread and connection, until the block ends.

    Unlike assertNumQueries this also sees the threads in which async calls end up.
    """
    seen = Statements()
    execute, executemany = CursorWrapper.execute, CursorWrapper.executemany

    def note(cursor: CursorWrapper, sql: Any, params: Any) -> None:
        if not str(sql).strip().upper().startswith(_CONTROL + _CONNECT):
            seen.append(Statement(cursor.db.alias, str(sql), params))

    def recorded(self: CursorWrapper, sql: Any, params: Any = None) -> Any:
        note(self, sql, params)
        return execute(self, sql, params)

    def recorded_many(self: CursorWrapper, sql: Any, param_list: Any) -> Any:
        note(self, sql, param_list)
        return executemany(self, sql, param_list)

    with (
        patch.object(CursorWrapper, "execute", recorded),
        patch.object(CursorWrapper, "executemany", recorded_many),
    ):
        yield seen


@contextmanager
def record_connects() -> Iterator[list[str]]:
    """Record the alias of each connection that is asked for, also in vain, until the block ends."""
    seen: list[str] = []
    connect = BaseDatabaseWrapper.connect

    def recorded(self: BaseDatabaseWrapper) -> None:
        seen.append(self.alias)
        connect(self)

    with patch.object(BaseDatabaseWrapper, "connect", recorded):
        yield seen
