"""A table on the database that the routers, or a command, name for it; and its transactions."""

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, Self, TypeVar

from django.db import DatabaseError, InterfaceError, connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from sessionstore.exceptions import TakenId

from .cursors import Values, execute
from .faults import Fault, classify, is_taken_id
from .receipts import at_commit
from .refusals import how_to_migrate
from .refusals.packets import refuse_too_large
from .retry import READ, WRITE, attempt, in_transaction, is_in_transaction, let_go

T = TypeVar("T")

# One statement takes so many ids: more would hold locks for too long.
BATCH = 500
# A write to SQLite holds up every other one.
BATCH_ON_SQLITE = 200
# Seconds between two batches, at least.
PAUSE_S = 0.020
# InnoDB's DELETE only marks rows. It takes them out and merges pages after it has answered, so how
# long a batch took does not tell how much work it made (docs/operations.md has the figures).
PAUSE_ON_INNODB_S = 0.080


def parts(keys: Sequence[T], size: int = BATCH) -> Iterator[Sequence[T]]:
    """Yield keys in parts of at most so many."""
    for start in range(0, len(keys), size):
        yield keys[start : start + size]


class PlacedTable:
    """A table on a database alias, which is asked for anew each time, unless it was told.

    No connection or cursor is kept.
    """

    _fixed_alias: str | None = None
    # What a row is, in words.
    holds = "session"
    _is_taken_id = staticmethod(is_taken_id)

    @property
    def alias(self) -> str:
        return self._fixed_alias or self._routed_alias()

    def _routed_alias(self) -> str:
        raise NotImplementedError

    def using(self, alias: str) -> Self:
        """Return the same table on the database ``alias``, whatever the routers say."""
        table = copy.copy(self)
        table._fixed_alias = alias
        return table

    @property
    def batch_size(self) -> int:
        """How many rows one transaction of a clean-up deletes."""
        return BATCH_ON_SQLITE if connections[self.alias].vendor == "sqlite" else BATCH

    @property
    def pause_s(self) -> float:
        """How long a clean-up waits between two transactions, at least."""
        return PAUSE_ON_INNODB_S if connections[self.alias].vendor == "mysql" else PAUSE_S

    # --- transactions

    def in_transaction(self) -> bool:
        return in_transaction(self.alias)

    def on_commit(self, callback: Callable[[], object]) -> None:
        at_commit(self.alias, callback)

    def under_lock(self, block: Callable[[], T], *, row: bytes | None = None) -> T:
        """Run ``block``, whose first statement locks a row, in a transaction of its own."""
        alias = self.alias

        def locked() -> T:
            with transaction.atomic(using=alias, durable=True):
                if connections[alias].vendor == "postgresql":
                    # Above READ COMMITTED a waiter fails instead of reading what it waited for.
                    self._execute(
                        connections[alias], "SET TRANSACTION ISOLATION LEVEL READ COMMITTED", []
                    )
                return block()

        return attempt(alias, WRITE, locked, row=row)

    @cached_property
    def _locking(self) -> dict[str, bool]:
        return {}

    @property
    def can_lock(self) -> bool:
        """Tell whether row locks help: where several nodes write they triple the failures."""
        alias = self.alias
        if alias not in self._locking:
            self._locking[alias] = not attempt(alias, READ, lambda: _several_write(alias))
        return self._locking[alias]

    # --- statements

    @staticmethod
    def _execute(connection: BaseDatabaseWrapper, sql: str, values: Values) -> int:
        try:
            return execute(connection, sql, values)
        except (DatabaseError, InterfaceError) as error:
            refuse_too_large(connection.alias, error, values)
            raise

    def _write(self, alias: str, sql: str, values: Values, *, row: bytes | None = None) -> int:
        return attempt(alias, WRITE, self._execute, connections[alias], sql, values, row=row)

    def _write_or_drop(
        self, alias: str, sql: str, values: Values, *, row: bytes | None = None
    ) -> int:
        """Write what is not worth a wait: 0 when the row is locked."""

        def once() -> int:
            try:
                return self._execute(connections[alias], sql, values)
            except (DatabaseError, InterfaceError) as error:
                if classify(error) is Fault.TRANSIENT:
                    return 0
                raise

        return attempt(alias, WRITE, once, row=row)

    def _insert(self, alias: str, sql: str, values: Values, *, row: bytes) -> None:
        """Insert a row. Raises TakenId when its id or digest exists."""

        def once() -> None:
            connection = connections[alias]
            if not is_in_transaction(connection):
                self._execute(connection, sql, values)
                return
            # A taken id must not spoil the caller's transaction.
            with transaction.atomic(using=alias):
                self._execute(connection, sql, values)

        try:
            attempt(alias, WRITE, once, row=row)
        except (DatabaseError, InterfaceError) as error:
            if self._is_taken_id(error):
                let_go(error)
                # Security: the driver's message holds the digest; only the fact goes up.
                raise TakenId from None
            raise


class RoutedTable(PlacedTable):
    """The table of a model, on its write database: a replica that lags loses logins."""

    model: type[Model]

    def _routed_alias(self) -> str:
        return router.db_for_write(self.model)

    @property
    def objects(self) -> Any:
        """All rows as a queryset where they are written."""
        return self.model._default_manager.using(self.alias)

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    @property
    def name_parts(self) -> tuple[str, ...]:
        return (self.table,)

    def how_to_make(self) -> str:
        """Return the command that makes the table, as a sentence."""
        return how_to_migrate(self.alias, self.model._meta.app_label)


# Galera; and Group Replication whose members all write.
_SEVERAL_WRITE = {"wsrep_on": "ON", "group_replication_single_primary_mode": "OFF"}


def _several_write(alias: str) -> bool:
    connection = connections[alias]
    if connection.vendor != "mysql":
        return False
    with connection.cursor() as cursor:
        cursor.execute("SHOW VARIABLES WHERE Variable_name IN (%s, %s)", list(_SEVERAL_WRITE))
        return any(_SEVERAL_WRITE.get(name) == value for name, value in cursor)
