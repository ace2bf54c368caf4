"""The verbs on a table that Express writes too. Everything clever is above them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from itertools import islice
from typing import Any, Final, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.core.crypto import HiddenBytes, HiddenText
from sessionstore.core.express_format import TOMBSTONE
from sessionstore.core.record import Record, Version
from sessionstore.express.keys import handle_of_sid, may_come_again, shown_id, sid_of
from sessionstore.express.people import (
    OwnedRow,
    PeopleStatements,
    compose_people,
    known_users,
    owned_row,
)
from sessionstore.express.record import JsonValue, TextVersion, express_settings, record_of
from sessionstore.express.statements import ExpressStatements, compose, for_each
from sessionstore.table.faults import is_taken
from sessionstore.table.retry import READ, WRITE, attempt, in_transaction
from sessionstore.table.routed import BATCH, PlacedTable, parts
from sessionstore.table.verbs import Knows

T = TypeVar("T")
# A request of Express that was under way at the logout may last longer than its session would have.
_MARK_LIVES_AT_LEAST_MS: Final = 3_600_000
# So many rows are read at once to see whose they are: each may hold a megabyte.
_ROWS_AT_ONCE: Final = 50
# A loop over the rows of one user ends when it finds none; a flood of logins must end it too.
_ROUNDS: Final = 100


class SharedTable(PlacedTable):
    """The table of SESSIONSTORE_EXPRESS as the verbs of ``table.verbs.Table``.

    One object serves all threads. None can be found by a former key: a change of key makes another
    id. Those of a user can where the table has been given columns for that (``people``).
    """

    # Others made the table, and named its key.
    _is_taken_id = staticmethod(is_taken)

    def __init__(self) -> None:
        self._composed: dict[tuple[str, Any], ExpressStatements] = {}
        self._people: dict[tuple[str, Any], PeopleStatements | None] = {}

    def _routed_alias(self) -> str:
        return conf.database or DEFAULT_DB_ALIAS

    @property
    def table(self) -> str:
        return express_settings().name

    @property
    def name_parts(self) -> tuple[str, ...]:
        return express_settings().table

    def how_to_make(self) -> str:
        """Return the command that makes the table, as a sentence."""
        usual = self.alias == self._routed_alias()
        return f"Run manage.py expresstable --create{'' if usual else f' --database {self.alias}'}."

    @staticmethod
    def handle_of(row_id: bytes) -> str:
        return handle_of_sid(row_id)

    @staticmethod
    def next_version(version: Version, data: Any) -> TextVersion:
        return TextVersion(data, follows=None if version is None else version.text)

    def under_lock(self, block: Callable[[], T], *, row: bytes | None = None) -> T:
        # Security: an id is what the cookie holds.
        return super().under_lock(block, row=row and shown_id(row))

    # --- one row

    def fetch(self, digest: bytes, now: int) -> Record | None:
        return self.find(digest, now)

    def find(self, row_id: bytes, now: int, *, lock: bool = False) -> Record | None:
        alias = self.alias
        return attempt(
            alias, READ, lambda: self._find(alias, row_id, now, lock=lock), row=shown_id(row_id)
        )

    def insert(self, record: Record) -> None:
        alias = self.alias
        values = [sid_of(record.id), *self._changed(record)]
        self._insert(alias, self._sql(alias).insert, values, row=shown_id(record.id))

    def update(
        self,
        record: Record,
        expected_version: Any,
        now: int,
        *,
        replaces: bytes | None = None,
    ) -> bool:
        """Write a live row whose text is as expected; False when no row matched.

        With ``replaces``, the id that it has, it gets the record's. Where a mark can stay under the
        old id it does: a request of Express that is under way would bring it back.
        """
        alias, row_id = self.alias, record.id if replaces is None else replaces
        sql, values = self._sql(alias), self._changed(record)
        values += [sid_of(row_id), expected_version.text, self._seconds(now)]
        if replaces is None:
            return self._write(alias, sql.update, values, row=shown_id(row_id)) > 0
        values, leaves_mark = [sid_of(record.id), *values], self._can_mark(alias, row_id)
        until = self._seconds(max(record.expires_at, now + _MARK_LIVES_AT_LEAST_MS))
        mark = [sid_of(row_id), TOMBSTONE, until, self._seconds(now)]

        def rename() -> bool:
            with transaction.atomic(using=alias) if leaves_mark else nullcontext():
                is_renamed = self._execute(connections[alias], sql.rename, values) > 0
                if is_renamed and leaves_mark:
                    self._execute(connections[alias], sql.leave_mark, mark)
                return is_renamed

        return attempt(alias, WRITE, rename, row=shown_id(row_id))

    def touch(self, record: Record, last_seen_at: int, expires_at: int) -> bool:  # noqa: ARG002 - the expiry tells it
        """Move the end on; dropped inside a caller's transaction, or when the row is locked."""
        alias = self.alias
        if in_transaction(alias):
            return False
        until = self._seconds(expires_at)
        values = [until, sid_of(record.id), record.version.text, until, self._now()]
        sql = self._sql(alias).touch
        return self._write_or_drop(alias, sql, values, row=shown_id(record.id)) > 0

    def remove_key(self, digest: bytes) -> int:
        return self.remove(digest)

    def remove_replaced(self, digest: bytes) -> int:  # noqa: ARG002 - nothing to find it by
        """Return 0: the table does not know former ids."""
        return 0

    def was_replaced(self, digest: bytes, since: int) -> bool:  # noqa: ARG002 - as above
        """Return False, as above."""
        return False

    def remove(self, row_id: bytes, *, digest: bytes | None = None) -> int:  # noqa: ARG002 - for caches
        """End a session without reading it: mark it where that can be, else delete it."""
        alias = self.alias
        sql, least = self._sql(alias), self._seconds(expiry.now_ms() + _MARK_LIVES_AT_LEAST_MS)
        text, mark = for_each(sql.delete, [row_id]), []
        if self._can_mark(alias, row_id):
            text, mark = sql.remove, [self._now(), TOMBSTONE, least, least]
        return self._write(alias, text, [*mark, sid_of(row_id)], row=shown_id(row_id))

    def pay_debts(self) -> bool:
        return True

    def is_marked(self, row_id: bytes) -> bool:
        """Tell whether a logout has left its mark under this id."""
        alias = self.alias
        sql = self._sql(alias)
        return sql.has_mark and bool(self._read_all(alias, sql.is_marked, [sid_of(row_id)]))

    # --- many rows

    def remove_many(self, ids: Iterable[bytes], *, expired_before: int | None = None) -> int:
        """End sessions, in the order of their ids; with a cutoff delete those that expired."""
        alias, ids = self.alias, sorted(ids)
        sql = self._sql(alias)
        if not ids:
            return 0
        if expired_before is None and sql.has_mark:
            return sum(map(self.remove, ids))
        text = sql.delete if expired_before is None else sql.delete_expired
        cutoff = [] if expired_before is None else [self._seconds(expired_before)]
        return self._write(alias, for_each(text, ids), [*cutoff, *map(sid_of, ids)])

    def expired(self, before: int, limit: int) -> list[bytes]:
        """Return at most ``limit`` ids that expired before ``before``, marks included.

        Not in any order: Express's own table has no index on `expires`, and a sort of the whole
        table for each batch would be worse than no order.
        """
        alias = self.alias
        rows = self._read_all(alias, self._sql(alias).expired, [self._seconds(before), limit])
        return [HiddenBytes(sid.encode()) for (sid,) in rows]

    def count_expired(self, before: int) -> int:
        """Return how many rows expired before ``before``; without an index a scan."""
        alias = self.alias
        [(count,)] = self._read_all(alias, self._sql(alias).count_expired, [self._seconds(before)])
        return int(count)

    def count(self) -> int:
        """Return how many sessions are live."""
        alias = self.alias
        sql = self._sql(alias)
        [(count,)] = self._read_all(alias, sql.count, [self._now(), *sql.mine])
        return int(count)

    def page(self, after: str, limit: int) -> list[tuple[str, str]]:
        """Return the ids and texts of the next live sessions, in the order of their ids."""
        alias = self.alias
        sql = self._sql(alias)
        return self._read_all(alias, sql.page, [self._now(), *sql.mine, after, limit])

    def live_after(self, after: bytes, limit: int) -> list[bytes]:
        """Return the ids of the next sessions that may be live by somebody's clock, in order."""
        alias = self.alias
        cutoff = self._seconds(expiry.now_ms() - expiry.CLOCKS_DIFFER_MS)
        sql = self._sql(alias)
        rows = self._read_all(alias, sql.ids, [cutoff, *sql.mine, sid_of(after), limit])
        return [HiddenBytes(sid.encode()) for (sid,) in rows]

    def with_handle(self, handle: str) -> list[bytes]:
        """Return the id of the session that a handle names, or none; reads the ids of all."""
        last = b""
        while ids := self.live_after(last, BATCH):
            found = [row_id for row_id in ids if handle_of_sid(row_id) == handle]
            if found:
                return found
            last = ids[-1]
        return []

    def shown_ids(self) -> Iterator[bytes]:
        """Yield what stands for the ids of all sessions that may be live."""
        last = b""
        while ids := self.live_after(last, BATCH):
            yield from map(shown_id, ids)
            last = ids[-1]

    # --- rows of a user

    @property
    def knows_users(self) -> Knows:
        return Knows.NONE if self._of_users(self.alias) is None else known_users(express_settings())

    def live_of(
        self, user_id: str, *, first: bytes | None = None, start: int = 0, most: int | None = None
    ) -> list[OwnedRow]:
        """Return live rows of a user, the row ``first`` before those that end last."""
        rows = self._owned(user_id, since=expiry.now_ms(), first=first)
        return list(islice(rows, start, None if most is None else start + most))

    def of_handle(self, user_id: str, handle: str, *, ending: bool = False) -> list[OwnedRow]:  # noqa: ARG002 - a row has its id
        return [row for row in self.live_of(user_id) if row.handle == handle]

    def remove_of_users(
        self, user_ids: Sequence[str], *, but: bytes | None = None
    ) -> list[OwnedRow]:
        """End all rows of some users apart from the id ``but``; return them as they were.

        What may be live by somebody's clock counts. A login may add a row meanwhile, so it looks
        again until a look ends nothing.
        """
        removed: list[OwnedRow] = []
        for user_id in user_ids:
            for _ in range(_ROUNDS):
                since = expiry.now_ms() - expiry.CLOCKS_DIFFER_MS
                found = [row for row in self._owned(user_id, since=since) if row.pk != but]
                ended = [row for row in found if self.remove(row.pk)]
                removed += ended
                if not ended:
                    break
        return removed

    def _owned(self, user_id: str, *, since: int, first: bytes | None = None) -> Iterator[OwnedRow]:
        alias = self.alias
        sql = self._of_users(alias)
        if sql is None:
            return
        ids = self._candidates(alias, sql, user_id, since)
        # A stable sort: all but the first keep their order.
        ids.sort(key=lambda sid: sid.encode() != first)
        for page in parts(ids, _ROWS_AT_ONCE):
            found = self._read_all(alias, for_each(sql.rows, page), page)
            rows = {sid: stored for sid, *stored in found}
            for sid in page:
                held, seconds = rows.get(sid, (None, 0))
                row = owned_row(HiddenBytes(sid.encode()), held, int(seconds) * 1000)
                if row is not None and row.user_id == user_id:
                    yield row

    def _candidates(
        self, alias: str, sql: PeopleStatements, user_id: str, since: int
    ) -> list[HiddenText]:
        found = self._read_all(
            alias, sql.ids, [user_id, self._seconds(since), *self._sql(alias).mine] * 2
        )
        return [HiddenText(sid) for sid, _ in found]

    # --- below the verbs

    def _of_users(self, alias: str) -> PeopleStatements | None:
        key = (alias, express_settings())
        if key not in self._people:
            self._people[key] = attempt(alias, READ, lambda: compose_people(*key))
        return self._people[key]

    def _sql(self, alias: str) -> ExpressStatements:
        key = (alias, express_settings())
        try:
            return self._composed[key]
        except KeyError:
            return self._composed.setdefault(key, attempt(alias, READ, lambda: compose(*key)))

    def _can_mark(self, alias: str, row_id: bytes) -> bool:
        """Tell whether a mark can stay under an id; it would hide a session that is to come."""
        settings = express_settings()
        own_part = HiddenBytes(row_id.removeprefix(settings.prefix.encode()))
        return self._sql(alias).has_mark and not may_come_again(own_part, settings.genid)

    def _seconds(self, milliseconds: int) -> int:
        return min(express_settings().seconds(milliseconds), self._sql(self.alias).last)

    def _now(self) -> int:
        return self._seconds(expiry.now_ms())

    def _read_all(self, alias: str, sql: str, values: Sequence[Any]) -> list[Any]:
        return attempt(alias, READ, lambda: self._select(alias, sql, values))

    def _select(self, alias: str, sql: str, values: Sequence[Any]) -> list[Any]:
        with connections[alias].cursor() as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall())

    def _changed(self, record: Record) -> list[Any]:
        return [record.data, self._seconds(record.expires_at)]

    def _find(self, alias: str, row_id: bytes, now: int, *, lock: bool) -> Record | None:
        sql, sid = self._sql(alias), sid_of(row_id)
        if lock and sql.before_lock:
            self._execute(connections[alias], sql.before_lock, [sid])
        looked_up = sql.lock if lock else sql.fetch
        # Security: an iterator, because a tuple that is recorded shows the sid.
        columns = iter(next(iter(self._select(alias, looked_up, [sid, self._seconds(now)])), ()))
        # MySQL compares ids with trailing spaces ignored, and letter case in some collations.
        if next(columns, None) != sid:
            return None
        text, seconds = columns
        if text in (None, TOMBSTONE):
            return None
        text = text if sql.keeps_text else JsonValue(text)
        return record_of(row_id, text, int(seconds) * 1000, now)
