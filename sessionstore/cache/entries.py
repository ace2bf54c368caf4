"""What Django's cache knows of the rows of one table, so that it is never believed wrongly.

The key of each row has two names in the cache: an entry with its columns, and a fence with the
version that the entry has to have. All rests on the fence:

- A writer counts it up by one after its UPDATE. Where the sum is not its own version, another
  writer came in between in another order, and it puts up a *hold*: for ten seconds everybody asks
  the table and nobody fills in.
- Whoever ends a session puts up a hold before and after the DELETE.
- A reader fills in what it has read, but never over a fence that is there, and not when its SELECT
  is a second old.

So an entry that is believed is the newest that any finished request has written. What a cache
forgets costs a SELECT. What it cannot be told (it is down, for us only) it gets to know first when
it is back; what an entry holds was in the table a minute ago at most, and so long lives the harm.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeVar

from django.core.cache import caches

from sessionstore.caches import with_kept_client
from sessionstore.conf import conf
from sessionstore.core.record import Record
from sessionstore.table.routed import parts
from sessionstore.table.statements import FETCHED

T = TypeVar("T")
logger = logging.getLogger("sessionstore")

# An entry is filled in so soon after its SELECT, and then lives so long: a minute in all, also in
# a cache that counts whole seconds.
FILL_WITHIN_S, ENTRY_S = 1.0, 58
FENCE_S, HOLD_S = 3600, 10
# No version is ever near it, and counting it up keeps it one; also memcached can store it.
HOLD = 1 << 62
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
# memcached refuses values of 1 MiB.
_MOST_BYTES = 1_000_000
_OUT_OF_REACH = {"ConnectionError", "TimeoutError", "OSError"}
_MOST_DEBTS, _PAID_AT_ONCE = 10_000, 1000
# An entry has the columns that a SELECT answers, without the digest, and the moment of its end.
_COLUMNS = tuple(name for name in FETCHED if name != "digest")
_columns_of = attrgetter(*_COLUMNS)
_VERSION, _EXPIRES_AT = _COLUMNS.index("version"), _COLUMNS.index("expires_at")


@dataclass(frozen=True, slots=True)
class Seen:
    """What the cache said: the fence, and the row if it is to be believed, and until when."""

    fence: int | None
    row: Record | None
    until: int


class RowCache:
    """Entries and fences of the rows of one table; ``scope`` tells tables apart.

    Security: a name is a hash of the row's digest and an entry holds the sealed data, so whoever
    reads the cache learns no more than whoever reads the table.
    """

    def __init__(self, scope: str) -> None:
        self._scope = scope.encode() + b"\0"
        self._breaker = Breaker()

    def read(self, digest: bytes, now: int) -> Seen | None:
        """Return what the cache knows of a row; None when it cannot be asked."""
        fence_name, name = self._names(digest)
        found = self._breaker.run(lambda cache: cache.get_many([fence_name, name]))
        if found is None:
            return None
        fence, entry = found.get(fence_name), found.get(name)
        row, until = None, 0
        if fence is not None and _is_entry(entry) and entry[_VERSION] == fence:
            row_id, *columns, until = entry
            row = Record(row_id, digest, *columns) if entry[_EXPIRES_AT] > now else None
        return Seen(fence, row, until)

    def fill(self, row: Record, seen: Seen, *, read_at: float, now: int) -> None:
        """Remember a row that was read from the table at ``read_at`` (monotonic seconds)."""
        if time.monotonic() - read_at > FILL_WITHIN_S:
            return
        fence_name, name = self._names(row.digest)
        if seen.fence is None:
            if not self._breaker.run(lambda cache: cache.add(fence_name, row.version, FENCE_S)):
                return
        elif seen.fence != row.version:
            return
        self._put(name, row, now)

    def begin(self, row: Record, now: int) -> None:
        """Remember a row that was inserted, or has got this key."""
        fence_name, name = self._names(row.digest)
        if self._breaker.run(lambda cache: cache.add(fence_name, row.version, FENCE_S)):
            self._put(name, row, now)

    def write(self, row: Record, now: int) -> None:
        """Remember what was written over a row; it was committed before."""
        fence_name, name = self._names(row.digest)

        def count_up(cache: Any) -> int:
            try:
                return int(cache.incr(fence_name))
            except ValueError:  # There is no fence.
                return HOLD

        if self._breaker.run(count_up) == row.version:
            self._put(name, row, now)
        else:
            self.hold([row.digest])

    def touch(self, row: Record, last_seen_at: int, expires_at: int, now: int) -> None:
        """Move the times of an entry on, where there is one of this version; not its own end."""
        known = self.read(row.digest, now)
        if known is not None and known.row is not None and known.row.version == row.version:
            seen = known.row.seen(last_seen_at, expires_at)
            self._put(self._names(row.digest)[1], seen, now, until=known.until)

    def hold(self, digests: Iterable[bytes], *, insist: bool = False) -> None:
        """Let everybody ask the table for these rows, for a while.

        ``insist`` tells it to a cache that has failed a moment ago too: it may be back, and others
        may have reached it all the time.
        """
        names = [self._names(digest)[0] for digest in digests]
        if not names:
            return
        failed = self._breaker.run(lambda cache: _hold(cache, names), insist=insist)
        self._breaker.owe(names if failed is None else failed)

    def pay_debts(self) -> bool:
        """Tell the cache what it could not be told; return whether it has heard of everything."""
        return self._breaker.pay_debts()

    def _put(self, name: str, row: Record, now: int, *, until: int | None = None) -> None:
        # No longer than that either where another host's clock, ahead of this one, has said until.
        longest = now + ENTRY_S * 1000
        until = longest if until is None else min(until, longest)
        seconds = (min(until, row.expires_at) - now) // 1000
        if seconds > 0 and len(row.data) < _MOST_BYTES:
            entry = (*_columns_of(row), until)
            self._breaker.run(lambda cache: cache.set(name, entry, seconds))

    def _names(self, digest: bytes) -> tuple[str, str]:
        # Short: Django looks at each character of a name, each time.
        name = hashlib.sha256(self._scope + digest).hexdigest()[:32]
        return f"ss.fence.{name}", f"ss.row.{name}"


class Breaker:
    """Keeps a cache that is down from costing time, and pays what it could not be told."""

    def __init__(self) -> None:
        self._closed_at = 0.0
        self._pause_s = _SHORTEST_PAUSE_S
        self._debts: dict[str, None] = {}
        self._has_written_off = False
        self._lock = threading.Lock()

    def owe(self, names: Iterable[str]) -> None:
        with self._lock:
            for name in names:
                self._debts[name] = None
            while len(self._debts) > _MOST_DEBTS:
                del self._debts[next(iter(self._debts))]
                self._has_written_off = True

    def pay_debts(self) -> bool:
        if self._debts:
            self.run(lambda _: None, insist=True)
        return not (self._debts or self._has_written_off)

    def run(self, question: Callable[[Any], T], *, insist: bool = False) -> T | None:
        """Return what the cache answers; None when it fails, or has failed a moment ago."""
        if time.monotonic() < self._closed_at and not insist:
            return None
        try:
            cache = with_kept_client(caches[conf.cache_alias])
            if self._debts:
                self._pay(cache)
            answer = question(cache)
        except Exception as error:  # noqa: BLE001 - each library has its own errors
            self._trip(error)
            return None
        self._closed_at, self._pause_s = 0.0, _SHORTEST_PAUSE_S
        return answer

    def _pay(self, cache: Any) -> None:
        """Void what the cache still believes of sessions that changed while it was away."""
        with self._lock:
            owed = list(self._debts)
        for names in parts(owed, _PAID_AT_ONCE):
            failed = _hold(cache, names)
            with self._lock:
                for name in set(names).difference(failed):
                    self._debts.pop(name, None)

    def _trip(self, error: Exception) -> None:
        with self._lock:
            now = time.monotonic()
            if now < self._closed_at:
                return
            self._closed_at = now + self._pause_s
            logger.warning(
                "The session cache fails (%s); sessions come from the table for %.0f s",
                type(error).__name__,
                self._pause_s,
            )
            self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)


def _hold(cache: Any, names: Sequence[str]) -> list[str]:
    """Put up holds; return the names of those that failed.

    A cache that is full may refuse to store (Redis with maxmemory and no eviction), and one in
    Cluster mode to store several at once, while it goes on to answer others with what it has. It
    lets us remove that: without a fence no entry is believed.
    """
    try:
        return list(cache.set_many(dict.fromkeys(names, HOLD), HOLD_S) or ())
    except Exception as error:
        if not _is_out_of_reach(error):
            for name in names:
                with suppress(Exception):
                    cache.delete(name)
        raise


def _is_out_of_reach(error: Exception) -> bool:
    """Tell whether the cache has not answered, by the names of redis-py and those of Python."""
    return any(one.__name__ in _OUT_OF_REACH for one in type(error).__mro__)


def _is_entry(value: Any) -> bool:
    return type(value) is tuple and len(value) == len(_COLUMNS) + 1
