"""What follows when somebody else wrote the row first: merge, or run the change again."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar, cast

from django.contrib.sessions.backends.base import UpdateError

from sessionstore import telemetry
from sessionstore.core import expiry
from sessionstore.core.keys import Key
from sessionstore.core.merge import Merged, is_same, merge
from sessionstore.core.record import Record
from sessionstore.session.payload import loads
from sessionstore.session.settling import SettlingSession
from sessionstore.session.writing import Writing
from sessionstore.signals import session_merged
from sessionstore.table.retry import jitter, losses, unavailable

T = TypeVar("T")
# On Galera: full jitter of 5 ms x 2^n up to 100 ms, 2 s in all.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _TOTAL_S = 0.005, 0.100, 2.0
_TOO_BUSY = "Too many requests change this session at once."
_OPTIMISTIC_TRANSACTS = 2


class Gone(UpdateError):  # noqa: N818 - it says what is
    """The row is not there any more: somebody logged out, and that is final."""


class ConflictingSession(SettlingSession):
    """Writes so that of any number of concurrent changes none is lost."""

    _is_changing = False

    def _write(self, key: Key, payload: bytes | None = None) -> None:
        """Write the session into its row, under ``key``, which may be a new one.

        ``payload`` are its serialised data, if known. Raises Gone when there is no row.
        """
        row = self._known_row()
        written = self._writing(self._session_cache, key, row, payload=payload)
        if self._put(row, written):
            self._accept(written, key)
            return
        for lock in self._rounds():
            step = partial(self._merge_and_put, key, written.payload, lock=lock)
            outcome = self._in_round(step, lock=lock)
            if outcome is not None:
                written, merged = outcome
                self._accept(written, key)
                self._tell_merged(merged)
                return
        raise unavailable(_TOO_BUSY)

    def _merge_and_put(
        self, key: Key, payload: bytes, *, lock: bool
    ) -> tuple[Writing, Merged | None] | None:
        """Merge ``payload`` with the stored row and write that; None when it moved once more.

        Changes nothing on the session: the transaction around it may yet fail and run again.
        """
        row = self._known_row()
        theirs = self.rows.fetch(row.id, expiry.now_ms(), lock=lock)
        if theirs is None:
            return self._arrived(key), None
        base = self._base_data()
        their_data, their_payload, stale = self._read(theirs, self._key_of_row())
        if their_payload is None:
            their_data = base
        merged = merge(base, self._as_stored(payload), their_data)
        settled = key.id == theirs.id and not stale and not self._is_marked
        if settled and their_payload is not None and is_same(merged.data, their_data):
            return Writing(theirs, their_payload, merged.data), merged
        written = self._writing(merged.data, key, theirs)
        return (written, merged) if self._put(theirs, written) else None

    def _arrived(self, key: Key) -> Writing:
        """Answer what a rename left under its new id: the answer to it may have been lost."""
        row = self._known_row()
        theirs = None if key.id == row.id else self.rows.fetch(key.id, expiry.now_ms())
        if theirs is None:
            raise Gone
        data, payload, _ = self._read(theirs, key)
        return Writing(theirs, payload or b"", data)

    def transact(self, change: Callable[[Any], T]) -> T:
        """Run ``change(session)``, save, and run it again if somebody saved in between.

        For read-modify-write on one value, such as a counter. ``change`` may run several times,
        so it should do nothing but change the session; what it answers the last time is answered.
        What it raises goes up, and its changes are dropped. Raises UpdateError when the session
        is gone, SessionStoreUnavailable when it cannot be known whether a change was stored.
        """
        if self._is_changing:
            # Inside another change it is a part of that one: both are stored, or neither.
            return change(self)
        self.save()
        tries = _Tries()
        for lock in self._rounds(optimistic=_OPTIMISTIC_TRANSACTS):
            outcome = self._in_round(partial(self._try, change, tries, lock=lock), lock=lock)
            if outcome is not None:
                written, answer = outcome
                self._accept(written, self._key_of_row())
                return answer
        raise unavailable(_TOO_BUSY)

    def _try(
        self, change: Callable[[Any], T], tries: "_Tries", *, lock: bool
    ) -> tuple[Writing, T] | None:
        """Run ``change`` once on the stored data and write them; None when the row has moved."""
        key = self._key_of_row()
        if lock or tries.written is not None:
            theirs = self.rows.fetch(self._known_row().id, expiry.now_ms(), lock=lock)
            if theirs is None:
                raise Gone
            if tries.arrived(theirs):
                return tries.written, tries.answer
            self._take_row(theirs, key)
        self._is_changing = True
        try:
            answer = change(self)
        except BaseException:
            self._session_cache = self._base_data()
            raise
        finally:
            self._is_changing = False
        # Asked for only now: a change that saves on its own must not conflict with itself.
        row, key = self._known_row(), self._key_of_row()
        written = self._writing(self._session_cache, key, row)
        tries.note(written, answer)
        return (written, answer) if self._put(row, written) else None

    def _rounds(self, *, optimistic: int = 1) -> Iterator[bool]:
        """Answer for each round whether it locks the row: first not, then once, then it is enough.

        Inside a caller's transaction there is one round, and it locks. On Galera, where locks
        triple the failures, there are rounds without one until the time is up.
        """
        if self.rows.in_transaction():
            yield True
            return
        yield from [False] * optimistic
        if self.rows.can_lock:
            yield True
            return
        ends_at = time.monotonic() + _TOTAL_S
        tried = 1
        while time.monotonic() < ends_at:
            time.sleep(jitter(tried, first=_FIRST_PAUSE_S, longest=_LONGEST_PAUSE_S))
            yield False
            tried += 1

    def _in_round(self, step: Callable[[], T], *, lock: bool) -> T:
        if lock and not self.rows.in_transaction():
            return cast("T", self.rows.under_lock(step))
        return step()

    def _take_row(self, row: Record, key: Key) -> None:
        data, payload, _ = self._read(row, key)
        self._row, self._base, self._session_cache = row.without_data(), payload, data

    def _known_row(self) -> Record:
        if self._row is None:
            raise Gone
        return self._row

    def _key_of_row(self) -> Key:
        if self._key is None:
            raise Gone
        return self._key

    def _as_stored(self, payload: bytes) -> dict[str, Any]:
        """Answer the data as they come back: a tuple that returns as a list was not changed.

        The very objects where that is no difference, for the view may hold on to them.
        """
        back = loads(payload)
        ours = self._session_cache
        return ours if back is None or is_same(back, ours) else back

    def _base_data(self) -> dict[str, Any]:
        return (loads(self._base) or {}) if self._base else {}

    def _tell_merged(self, merged: Merged | None) -> None:
        if merged is not None:
            row = self._known_row()
            telemetry.merged(conflicts=len(merged.conflicts))
            session_merged.send(
                type(self), handle=self.handle, user_id=row.user_id, conflicts=merged.conflicts
            )


class _Tries:
    """What a transact has tried, to know after a lost connection whether it was carried out."""

    def __init__(self) -> None:
        self.written: Any = None
        self.answer: Any = None
        self.losses = losses()

    def note(self, written: Writing, answer: Any) -> None:
        self.written, self.answer, self.losses = written, answer, losses()

    def arrived(self, theirs: Record) -> bool:
        """Tell whether ``theirs`` is what was tried last.

        Raises SessionStoreUnavailable when a connection was lost and others wrote on top: nobody
        can know then, and running the change again might count it twice.
        """
        if self.written is None:
            return False
        tried = self.written.record
        if theirs.data == tried.data:
            return True
        if losses() > self.losses and theirs.version > tried.version:
            message = "The connection broke, and whether the change was stored cannot be known."
            raise unavailable(message)
        return False
