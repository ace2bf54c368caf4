"""The session table with Django's cache in front of it. The table is the truth at each moment."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from sessionstore.cache.entries import RowCache
from sessionstore.core import expiry
from sessionstore.core.record import Record
from sessionstore.table.rows import SqlRows


class CachedRows(SqlRows):
    """The verbs of ``SqlRows``: reads are spared where the cache knows, writes are told to it.

    Inside a caller's transaction a write is told by a hold, at once and again at the commit:
    what may yet be rolled back is not put into the cache.
    """

    def fetch(self, digest: bytes, now: int, *, lock: bool = False) -> Record | None:
        if lock:
            return super().fetch(digest, now, lock=True)
        seen = self._cache.read(digest, now)
        if seen is not None and seen.row is not None:
            return seen.row
        read_at = time.monotonic()
        row = super().fetch(digest, now)
        if row is not None and seen is not None:
            self.on_commit(lambda: self._cache.fill(row, seen, read_at=read_at, now=now))
        return row

    def insert(self, record: Record) -> None:
        super().insert(record)
        self.on_commit(lambda: self._cache.begin(record, expiry.now_ms()))

    def update(self, record: Record, expected_version: Any) -> bool:
        updated = False
        try:
            updated = super().update(record, expected_version)
        finally:
            if updated and not self.in_transaction():
                self._cache.write(record, expiry.now_ms())
            else:
                # Also when it did not match, or its answer was lost: the table may be newer.
                self._hold([record.id])
        return updated

    def rename(self, old_digest: bytes, record: Record, expected_version: Any) -> bool:
        with self._held([old_digest]):
            renamed = super().rename(old_digest, record, expected_version)
        if renamed:
            self.on_commit(lambda: self._cache.begin(record, expiry.now_ms()))
        return renamed

    def begin(self, digest: bytes, now: int) -> bool:
        begun = super().begin(digest, now)
        self._hold([digest])
        return begun

    def touch(
        self, digest: bytes, last_seen_at: int, expires_at: int, expected_version: Any
    ) -> bool:
        touched = super().touch(digest, last_seen_at, expires_at, expected_version)
        if touched:
            now = expiry.now_ms()
            self._cache.touch(digest, expected_version, last_seen_at, expires_at, now)
        return touched

    def remove(self, digest: bytes) -> int:
        with self._held([digest]):
            return super().remove(digest)

    def remove_many(self, digests: Iterable[bytes], *, expired_before: int | None = None) -> int:
        digests = list(digests)
        if expired_before is not None:
            # An entry tells when its session ends, so the cleaner has nothing to tell.
            return super().remove_many(digests, expired_before=expired_before)
        with self._held(digests):
            return super().remove_many(digests)

    def pay_debts(self) -> bool:
        return self._cache.pay_debts()

    def _remove_of(self, user_id: str, digests: list[bytes]) -> int:
        digests = [bytes(digest) for digest in digests]
        with self._held(digests):
            return super()._remove_of(user_id, digests)

    @contextmanager
    def _held(self, digests: list[bytes]) -> Iterator[None]:
        """Keep others from believing the cache while these rows end, and after it.

        Also where the database does not tell whether they have.
        """
        self._hold(digests, insist=True)
        try:
            yield
        finally:
            self._hold(digests, insist=True)

    def _hold(self, digests: list[bytes], *, insist: bool = False) -> None:
        self._cache.hold(digests, insist=insist)
        if self.in_transaction():
            self.on_commit(lambda: self._cache.hold(digests, insist=insist))

    @cached_property
    def _caches(self) -> dict[str, RowCache]:
        return {}

    @property
    def _cache(self) -> RowCache:
        alias = self.alias
        try:
            return self._caches[alias]
        except KeyError:
            return self._caches.setdefault(alias, RowCache(f"{alias}.{self.table}"))
