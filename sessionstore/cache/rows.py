"""The session table with Django's cache in front of it. The table is the truth at each moment."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any

from sessionstore.core import expiry
from sessionstore.core.crypto import HiddenBytes
from sessionstore.core.record import Record
from sessionstore.table.retry import READ, attempt
from sessionstore.table.rows import SqlTable
from sessionstore.table.schemas import schema_of

from .entries import RowCache

# A change of key between the look and the DELETE sends a removal around once more.
_ROUNDS = 100


class CachedTable(SqlTable):
    """The verbs of ``SqlTable``: reads are spared where the cache knows, writes are told to it.

    The cache knows rows by the digest of their key, as a request does. So a row is deleted only
    under the digest that the cache was told of, and looked for again when its key has changed.
    Inside a caller's transaction a write is told by a hold, at once and again at the commit: what
    may yet be rolled back is not put into the cache.
    """

    def fetch(self, digest: bytes, now: int) -> Record | None:
        seen = self._cache.read(digest, now)
        if seen is not None and seen.row is not None:
            return seen.row
        read_at = time.monotonic()
        row = super().fetch(digest, now)
        # What a caller's transaction sees may be older than what others have been told.
        if row is not None and seen is not None and not self.in_transaction():
            self._cache.fill(row, seen, read_at=read_at, now=now)
        return row

    def insert(self, record: Record) -> None:
        super().insert(record)
        self._begin(record)

    def update(
        self,
        record: Record,
        expected_version: Any,
        now: int,
        *,
        replaces: bytes | None = None,
    ) -> bool:
        if replaces is not None:
            with self._held([replaces]):
                updated = super().update(record, expected_version, now, replaces=replaces)
            if updated:
                self._begin(record)
            return updated
        updated = False
        try:
            updated = super().update(record, expected_version, now)
        finally:
            if updated and not self.in_transaction():
                self._cache.write(record, expiry.now_ms())
            else:
                # Also when it did not match, or its answer was lost: the table may be newer.
                self._hold([record.digest])
        return updated

    def touch(self, record: Record, last_seen_at: int, expires_at: int) -> bool:
        touched = super().touch(record, last_seen_at, expires_at)
        if touched:
            self._cache.touch(record, last_seen_at, expires_at, expiry.now_ms())
        return touched

    def remove(self, row_id: bytes, *, digest: bytes | None = None) -> int:
        rows = self._endable(self.objects.filter(pk=row_id))
        for _ in range(_ROUNDS):
            if digest is None:
                found = self._digests_of(rows)
                if not found:
                    return 0
                digest = found[row_id]
            removed = self._remove_held(rows, [digest])
            if removed:
                return removed
            digest = None
        return 0

    def remove_key(self, digest: bytes) -> int:
        with self._held([digest]):
            return super().remove_key(digest)

    def remove_replaced(self, digest: bytes) -> int:
        found = self._digests_of(self.objects.filter(previous_digest=digest))
        return sum(self.remove(row_id, digest=now_has) for row_id, now_has in found.items())

    def start_imported(self, row_id: bytes, now: int) -> bool:
        started = super().start_imported(row_id, now)
        self._hold(self._digests_of(self.objects.filter(pk=row_id)).values())
        return started

    def bind(self, row_id: bytes, digest: bytes, device_key: bytes, now: int) -> bool:
        with self._held([digest]):
            return super().bind(row_id, digest, device_key, now)

    def unbind(self, row_id: bytes) -> None:
        with self._held(self._digests_of(self.objects.filter(pk=row_id)).values()):
            super().unbind(row_id)

    def pay_debts(self) -> bool:
        return self._cache.pay_debts()

    def _delete(self, rows: Any) -> int:
        removed, rows = 0, self._endable(rows)
        for _ in range(_ROUNDS):
            digests = self._digests_of(rows).values()
            if not digests:
                break
            removed += self._remove_held(rows, list(digests))
        return removed

    def _delete_expired(self, rows: Any) -> int:
        # An entry tells when its session ends, so the cleaner has nothing to tell.
        return super()._delete(rows)

    def _remove_held(self, rows: Any, digests: list[bytes]) -> int:
        with self._held(digests):
            return super()._delete(rows.filter(digest__in=sorted(digests)))

    def _endable(self, rows: Any) -> Any:
        return self._maybe_live(rows) if self._protecting else rows

    def _digests_of(self, rows: Any) -> dict[bytes, bytes]:
        """Return the digests of rows by their ids."""
        pairs = rows.values_list("pk", "digest")
        return attempt(
            self.alias, READ, lambda: {bytes(pk): HiddenBytes(digest) for pk, digest in pairs}
        )

    @contextmanager
    def _held(self, digests: Iterable[bytes]) -> Iterator[None]:
        """Keep others from believing the cache while these rows end, and after it.

        Also where the database does not tell whether they have.
        """
        digests = list(digests)
        self._hold(digests, insist=True)
        try:
            yield
        finally:
            self._hold(digests, insist=True)

    def _begin(self, record: Record) -> None:
        """Tell the cache of a row that has this key from the commit on."""
        # Until then the caller may drop its data, and the connection turn to another tenant.
        row, cache = replace(record), self._cache
        self.on_commit(lambda: cache.begin(row, expiry.now_ms()))

    def _hold(self, digests: Iterable[bytes], *, insist: bool = False) -> None:
        digests, cache = list(digests), self._cache
        cache.hold(digests, insist=insist)
        if self.in_transaction():
            self.on_commit(lambda: cache.hold(digests, insist=insist))

    @cached_property
    def _caches(self) -> dict[tuple[str, str], RowCache]:
        return {}

    @property
    def _cache(self) -> RowCache:
        """Security: each tenant has its own, or the entry of one would open another's session."""
        alias = self.alias
        place = alias, schema_of(alias, self.model)
        try:
            return self._caches[place]
        except KeyError:
            return self._caches.setdefault(place, RowCache(".".join((*place, self.table))))
