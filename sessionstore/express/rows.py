"""The verbs on a table that Express writes too. Everything clever is above them."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.core.express_format import TOMBSTONE
from sessionstore.core.record import Record
from sessionstore.express.record import TextVersion, express_settings, record_of
from sessionstore.express.statements import ExpressStatements, compose
from sessionstore.table.retry import READ, WRITE, attempt
from sessionstore.table.rows import SqlRows

# A request of Express that was under way at the logout may last longer than its session would have.
_MARK_LIVES_AT_LEAST_MS: Final = 3_600_000


class ExpressRows(SqlRows):
    """The table of SESSIONSTORE_EXPRESS as a few verbs; one object serves all threads."""

    first_version: Any = None
    # There is no column of the user, so no session can be found by its user.
    knows_users = False

    def __init__(self) -> None:
        self._composed: dict[tuple[str, Any], ExpressStatements] = {}

    @property
    def alias(self) -> str:
        return self._fixed_alias or conf.database or DEFAULT_DB_ALIAS

    @property
    def table(self) -> str:
        return ".".join(express_settings().table)

    @staticmethod
    def digest_of(row_id: bytes) -> bytes:
        """Answer the start of the handle: the id itself opens the session."""
        return hashlib.sha256(row_id).digest()

    @staticmethod
    def next_version(version: Any, data: Any) -> TextVersion:
        return TextVersion(data, follows=version.text)

    # --- one row

    def update(self, record: Record, expected_version: TextVersion) -> bool:
        """Write a row whose text is as expected; False when no live row matched."""
        alias = self.alias
        values = [*self._changed(alias, record), record.id.decode(), expected_version.text]
        return self._write(alias, self._sql(alias).update, values) > 0

    def rename(self, old_id: bytes, record: Record, expected_version: TextVersion) -> bool:
        """Write a row and change its id; with the mark column, the old id stays as a mark.

        Else a request of Express that is under way would bring the old id back.
        """
        alias = self.alias
        sql, old = self._sql(alias), old_id.decode()
        changed = self._changed(alias, record)
        values = [record.id.decode(), *changed, old, expected_version.text]
        if not sql.has_mark:
            return self._write(alias, sql.rename, values) > 0
        until = max(changed[1], self._seconds(expiry.now_ms() + _MARK_LIVES_AT_LEAST_MS))

        def both() -> bool:
            with transaction.atomic(using=alias):
                renamed = self._execute(alias, sql.rename, values) > 0
                if renamed:
                    self._execute(alias, sql.leave_mark, [old, TOMBSTONE, until, self._now()])
                return renamed

        return attempt(alias, WRITE, both)

    def remove(self, row_id: bytes) -> int:
        """End a session without reading it: mark it where the table can, else delete it."""
        return self._write(self.alias, *self._removal(row_id.decode()))

    def is_marked(self, row_id: bytes) -> bool:
        """Tell whether a logout has left its mark under this id."""
        alias = self.alias
        sql = self._sql(alias)
        return bool(sql.has_mark) and bool(self._read_all(alias, sql.is_marked, [row_id.decode()]))

    # --- many rows

    def remove_many(self, ids: Iterable[bytes], *, expired_before: int | None = None) -> int:
        """End sessions, in the order of their ids; with a cutoff delete those that expired."""
        alias, sids = self.alias, sorted(one.decode() for one in ids)
        sql = self._sql(alias)
        if expired_before is None and sql.has_mark:
            return sum(self._write(alias, *self._removal(sid)) for sid in sids)
        if not sids:
            return 0
        text = sql.delete if expired_before is None else sql.delete_expired
        cutoff = [] if expired_before is None else [expired_before // 1000]
        return self._write(alias, text.format(sids=", ".join(["%s"] * len(sids))), sids + cutoff)

    def remove_of_user(self, user_id: str, *, but: bytes | None = None) -> int:
        """Refuse: the table has no column of the user."""
        message = "An Express table has no user column: sessions cannot be found by user."
        raise NotImplementedError(message)

    def remove_renamed(self, user_id: str, created_at: int) -> int:  # noqa: ARG002 - nothing to find them by
        """Answer 0: without a user column, a row that was renamed cannot be found."""
        return 0

    def expired(self, before: int, limit: int) -> list[bytes]:
        """Answer at most ``limit`` ids that expired before ``before``, marks included.

        Not in any order: Express's own table has no index on `expires`, and a sort of the whole
        table for each batch would be worse than no order.
        """
        alias = self.alias
        rows = self._read_all(alias, self._sql(alias).expired, [before // 1000, limit])
        return [sid.encode() for (sid,) in rows]

    def count_expired(self, before: int) -> int:
        """Answer how many rows expired before ``before``; without an index a scan."""
        alias = self.alias
        [(count,)] = self._read_all(alias, self._sql(alias).count_expired, [before // 1000])
        return int(count)

    def count(self) -> int:
        """Answer how many sessions are live."""
        alias = self.alias
        [(count,)] = self._read_all(alias, self._sql(alias).count, [self._now()])
        return int(count)

    def page(self, after: str, limit: int) -> list[tuple[str, str]]:
        """Answer the ids and texts of the next live sessions, in the order of their ids."""
        alias = self.alias
        return self._read_all(alias, self._sql(alias).page, [self._now(), after, limit])

    def live_after(self, after: bytes, limit: int) -> list[bytes]:
        """Answer the ids of the next live sessions, in their order."""
        alias = self.alias
        values = [self._now(), after.decode(), limit]
        return [sid.encode() for (sid,) in self._read_all(alias, self._sql(alias).ids, values)]

    # --- below the verbs

    def _sql(self, alias: str) -> Any:
        key = (alias, express_settings())
        try:
            return self._composed[key]
        except KeyError:
            return self._composed.setdefault(key, attempt(alias, READ, lambda: compose(*key)))

    def _seconds(self, milliseconds: int) -> int:
        return express_settings().seconds(milliseconds)

    def _now(self) -> int:
        return self._seconds(expiry.now_ms())

    def _read_all(self, alias: str, sql: str, values: Sequence[Any]) -> list[Any]:
        return attempt(alias, READ, lambda: self._select(alias, sql, values))

    def _select(self, alias: str, sql: str, values: Sequence[Any]) -> list[Any]:
        with connections[alias].cursor() as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall())

    def _removal(self, sid: str) -> tuple[str, list[Any]]:
        sql = self._sql(self.alias)
        if not sql.has_mark:
            return sql.remove, [sid]
        least = self._seconds(expiry.now_ms() + _MARK_LIVES_AT_LEAST_MS)
        return sql.remove, [self._now(), TOMBSTONE, least, least, sid]

    def _changed(self, alias: str, record: Record) -> list[Any]:  # noqa: ARG002 - no column needs the connection
        return [record.data, self._seconds(record.expires_at)]

    def _inserted(self, alias: str, record: Record) -> list[Any]:
        return [record.id.decode(), *self._changed(alias, record)]

    def _touched(
        self,
        row_id: bytes,
        last_seen_at: int,  # noqa: ARG002 - the expiry tells it
        expires_at: int,
        version: Any,
    ) -> list[Any]:
        until = self._seconds(expires_at)
        return [until, row_id.decode(), version.text, until, self._now()]

    def _fetch(self, alias: str, row_id: bytes, now: int, lock: bool) -> Record | None:
        sql, sid = self._sql(alias), row_id.decode()
        if lock and sql.before_lock:
            self._execute(alias, sql.before_lock, [sid])
        rows = self._select(alias, sql.lock if lock else sql.fetch, [sid, self._seconds(now)])
        # MySQL compares ids with trailing spaces ignored, and letter case in some collations.
        if not rows or rows[0][0] != sid or rows[0][1] in (None, TOMBSTONE):
            return None
        _, text, seconds = rows[0]
        return record_of(row_id, text, int(seconds) * 1000, now)
