"""The verbs on the session table. Everything clever is above them.

Reads and writes both use the write database of the routers: a replica that lags loses logins and
revives logouts. No connection or cursor is kept.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import cached_property
from operator import attrgetter
from typing import Any, TypeVar

from django.db import DatabaseError, InterfaceError, connections, transaction
from django.db.models import Model

from sessionstore.core import expiry
from sessionstore.core.record import IMPORTED, Record
from sessionstore.exceptions import TakenId
from sessionstore.table.faults import Fault, classify, is_taken_id
from sessionstore.table.many_rows import ManyRows
from sessionstore.table.retry import READ, WRITE, attempt, in_transaction, let_go
from sessionstore.table.statements import CHANGED, Statements, compose

T = TypeVar("T")
_changed_of = attrgetter(*CHANGED)


class SqlRows(ManyRows):
    """The session table as a few verbs; one object serves all threads."""

    first_version = 1
    # Whether rows can be found by their user.
    knows_users = True

    def __init__(self, model: type[Model], extra: Sequence[str] = ()) -> None:
        self.model = model
        self.extra = tuple(extra)
        self._statements: dict[str, Statements] = {}

    @staticmethod
    def digest_of(row_id: bytes) -> bytes:
        """Answer what log records may name a row by."""
        return row_id

    @staticmethod
    def next_version(version: Any, data: Any) -> Any:  # noqa: ARG004 - elsewhere the data are the version
        """Answer the version that a row has after ``data`` were written over ``version``."""
        return version + 1

    # --- one row

    def fetch(self, digest: bytes, now: int, *, lock: bool = False) -> Record | None:
        """Answer the live row, or None. ``lock`` (inside a transaction) keeps others out of it."""
        alias = self.alias
        return attempt(
            alias,
            READ,
            lambda: self._fetch(alias, digest, now, lock),
            digest=self.digest_of(digest),
        )

    def insert(self, record: Record) -> None:
        """Insert a row. Raises TakenId when its digest exists; never an upsert."""
        alias = self.alias
        values = self._inserted(alias, record)
        try:
            attempt(
                alias, WRITE, lambda: self._insert(alias, values), digest=self.digest_of(record.id)
            )
        except (DatabaseError, InterfaceError) as error:
            if is_taken_id(error):
                let_go(error)
                # Security: the driver's message holds the digest; only the fact goes up.
                raise TakenId from None
            raise

    def update(self, record: Record, expected_version: Any) -> bool:
        """Write a row whose version is as expected; False when no row matched."""
        alias = self.alias
        values = [*self._changed(alias, record), record.id, expected_version]
        return self._write(alias, self._sql(alias).update, values, self.digest_of(record.id)) > 0

    def rename(self, old_digest: bytes, record: Record, expected_version: Any) -> bool:
        """Write a row and change its primary key in one statement; False when no row matched."""
        alias = self.alias
        values = [record.id, *self._changed(alias, record), old_digest, expected_version]
        return self._write(alias, self._sql(alias).rename, values, self.digest_of(old_digest)) > 0

    def begin(self, digest: bytes, now: int) -> bool:
        """Give an imported row its first version, and let it be created now."""
        rows = self.objects.filter(pk=digest, version=IMPORTED)
        begun = {"version": self.first_version, "created_at": now}
        return bool(attempt(self.alias, WRITE, lambda: rows.update(**begun)))

    def touch(
        self, digest: bytes, last_seen_at: int, expires_at: int, expected_version: Any
    ) -> bool:
        """Move a live, unchanged row's times on, never back; False when there was none.

        Inside a caller's transaction, or when the row is locked, the touch is dropped: it is not
        worth a wait.
        """
        alias = self.alias
        if in_transaction(alias):
            return False
        values = self._touched(digest, last_seen_at, expires_at, expected_version)

        def once() -> int:
            try:
                return self._execute(alias, self._sql(alias).touch, values)
            except (DatabaseError, InterfaceError) as error:
                if classify(error) is Fault.TRANSIENT:
                    return 0
                raise

        return attempt(alias, WRITE, once, digest=self.digest_of(digest)) > 0

    def remove(self, digest: bytes) -> int:
        """Delete a row without reading it; answer 1 or 0."""
        alias = self.alias
        return self._write(alias, self._sql(alias).remove, [digest], self.digest_of(digest))

    # --- transactions

    def in_transaction(self) -> bool:
        return in_transaction(self.alias)

    def on_commit(self, callback: Callable[[], Any]) -> None:
        alias = self.alias
        if in_transaction(alias) and not connections[alias].in_atomic_block:
            # Who commits by hand has no hook for it: Django would raise.
            callback()
        else:
            transaction.on_commit(callback, using=alias)

    def scope(self) -> Any:
        """Answer a value that differs once the innermost atomic block of now has ended."""
        connection = connections[self.alias]
        return (*connection.atomic_blocks, *connection.savepoint_ids)

    def under_lock(self, block: Callable[[], T]) -> T:
        """Run ``block``, whose first statement locks a row, in a transaction of its own."""
        alias = self.alias

        def locked() -> T:
            with transaction.atomic(using=alias, durable=True):
                begin = self._sql(alias).begin_lock
                if begin:
                    self._execute(alias, begin, [])
                return block()

        return attempt(alias, WRITE, locked)

    @cached_property
    def _locking(self) -> dict[str, bool]:
        return {}

    @property
    def can_lock(self) -> bool:
        """Tell whether row locks help: on Galera they triple the failures."""
        alias = self.alias
        if alias not in self._locking:
            self._locking[alias] = not attempt(alias, READ, lambda: _is_galera(alias))
        return self._locking[alias]

    # --- below the verbs

    def _sql(self, alias: str) -> Statements:
        try:
            return self._statements[alias]
        except KeyError:
            return self._statements.setdefault(alias, compose(alias, self.model, self.extra))

    def _execute(self, alias: str, sql: str, values: Sequence[Any]) -> int:
        # Optimization: this cursor and the one of _fetch end with their function, not by close().
        cursor = connections[alias].cursor()
        cursor.execute(sql, values)
        return int(cursor.rowcount)

    def _write(
        self, alias: str, sql: str, values: Sequence[Any], digest: bytes | None = None
    ) -> int:
        return attempt(alias, WRITE, lambda: self._execute(alias, sql, values), digest=digest)

    def _fetch(self, alias: str, digest: bytes, now: int, lock: bool) -> Record | None:
        sql = self._sql(alias)
        cursor = connections[alias].cursor()
        if lock and sql.before_lock:
            cursor.execute(sql.before_lock, [digest])
        cursor.execute(sql.lock if lock else sql.fetch, [digest, now])
        row = cursor.fetchone()
        return None if row is None else Record(digest, bytes(row[0]), *row[1:])

    def _insert(self, alias: str, values: Sequence[Any]) -> None:
        # Inside a transaction a taken id must not spoil it, so the INSERT gets a savepoint.
        inside = in_transaction(alias)
        with transaction.atomic(using=alias) if inside else nullcontext():
            self._execute(alias, self._sql(alias).insert, values)

    def _touched(
        self, digest: bytes, last_seen_at: int, expires_at: int, version: Any
    ) -> list[Any]:
        return [last_seen_at, expires_at, digest, version, last_seen_at, expiry.now_ms()]

    def _inserted(self, alias: str, record: Record) -> list[Any]:
        return [record.id, record.created_at, *self._changed(alias, record)]

    def _changed(self, alias: str, record: Record) -> list[Any]:
        values = list(_changed_of(record))
        if self.extra:
            connection = connections[alias]
            for name in self.extra:
                field: Any = self.model._meta.get_field(name)
                values.append(field.get_db_prep_save(record.extra.get(name), connection))
        return values


def _is_galera(alias: str) -> bool:
    connection = connections[alias]
    if connection.vendor != "mysql":
        return False
    with connection.cursor() as cursor:
        cursor.execute("SHOW VARIABLES LIKE 'wsrep_on'")
        row = cursor.fetchone()
    return bool(row) and row[1] == "ON"
