"""How a session gets into its row, and what follows when somebody else wrote the row first.

Nothing here changes the session, but for what ``transact`` is handed to do so: what it holds and
what it knows of its row come in, and what the row holds now goes out. So a transaction around a
step may fail and run again.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from sessionstore import telemetry
from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.core.codec import is_encrypted
from sessionstore.core.keys import Key
from sessionstore.core.merge import Merged, is_same, merge
from sessionstore.core.record import Data, Record
from sessionstore.exceptions import TakenId
from sessionstore.signals import session_created, session_cycled, session_merged, session_secured
from sessionstore.table.retry import jitter, losses, unavailable
from sessionstore.table.verbs import Table

from .drafts import client_differs
from .ending import was_replaced_lately
from .engine import Draft, Engine, Marks
from .known import NO_PROOF, UNSET, Gone, Known, Replaced
from .sealed import checked_dumps, data_of, loads

T = TypeVar("T")
# Where several nodes write: full jitter of 5 ms x 2^n up to 100 ms, 2 s in all.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _TOTAL_S = 0.005, 0.100, 2.0
_OPTIMISTIC_TRANSACTS = 2
_TOO_BUSY = "Too many requests change this session at once."


@dataclass(slots=True)
class Saved:
    """What the row holds now, by which key this request opens it, and what was merged.

    ``is_late`` for a request whose key was replaced meanwhile: then it is what that request knew,
    and what it has written.
    """

    draft: Draft
    key: Key
    merged: Merged | None = None
    is_late: bool = False


def insert(engine: Engine, known: Known, data: Data, key: Key, marks: Marks) -> Saved | None:
    """Insert a row under ``key``, as old as the one known; None when the key is somebody else's.

    Raises Gone for a request whose own key was replaced a moment ago: the cookie of a new session
    would sign out the browser that has just signed in.
    """
    if known.missed is not None and was_replaced_lately(engine.table, known.missed):
        raise Gone
    saved = Saved(engine.draft(data, key, known.record, marks, inserts=True), key)
    record = saved.draft.record
    try:
        engine.table.insert(record)
    except TakenId:
        # After a lost connection the row may be our own: the nonce in the blob tells.
        theirs = engine.table.find(record.id, expiry.now_ms())
        if theirs is None or theirs.data != record.data:
            return None
    return saved


def write(
    engine: Engine,
    known: Known,
    data: Data,
    marks: Marks,
    *,
    payload: bytes | None = None,
    new_key: Key | None = None,
) -> Saved:
    """Write ``data`` into the row that is known, under ``new_key`` if one is given.

    ``payload`` are the serialised data, if the caller has them. Raises Gone when the row has
    ended, SessionStoreUnavailable when others keep writing it.
    """
    row, key = known.row, new_key or known.row_key
    replaces = None if new_key is None else row.digest
    base = known.payload
    saved = drafted(engine, row, key, data, marks, base=base, payload=payload, replaces=replaces)
    if put(engine, row, saved, replaces=replaces):
        return saved
    for lock in rounds(engine.table):
        step = partial(_merge_and_put, engine, known, saved, marks, new_key=new_key, lock=lock)
        merged = in_round(engine.table, step, lock=lock, row=row.id)
        if merged is not None:
            return _seen_by(known, saved, merged)
    raise unavailable(_TOO_BUSY)


def _seen_by(known: Known, tried: Saved, merged: Saved) -> Saved:
    """Return what a request goes on with after a merge.

    Security: one whose key was replaced has added its changes, and learns nothing of what stands
    in the row since: whoever planted the key before a login would act as the user who signed in.
    With the version that it knows, its next save merges again, and its key cannot be changed.
    """
    if merged.draft.record.digest == merged.key.digest:
        return merged
    own = Draft(known.row, tried.draft.payload, tried.draft.data)
    return Saved(own, merged.key, merged.merged, is_late=True)


def drafted(
    engine: Engine,
    row: Record,
    key: Key,
    data: Data,
    marks: Marks,
    *,
    base: bytes | None,
    payload: bytes | None = None,
    replaces: bytes | None = None,
) -> Saved:
    """Return what ``row``, which holds ``base``, is to hold.

    Its digest stays, unless the key ``replaces`` one.
    """
    changes_key = replaces is not None
    payload = payload or checked_dumps(data, stored=base)
    draft = engine.draft(data, key, row, marks, payload=payload, changes_key=changes_key)
    return Saved(draft, key)


def put(engine: Engine, row: Record, saved: Saved, *, replaces: bytes | None = None) -> bool:
    """Write over ``row``; False when it has moved, or ended."""
    record, now = saved.draft.record, expiry.now_ms()
    return engine.table.update(record, row.version, now, replaces=replaces)


def _merge_and_put(
    engine: Engine, known: Known, tried: Saved, marks: Marks, *, new_key: Key | None, lock: bool
) -> Saved | None:
    """Merge what was ``tried`` with the stored row and write that; None when it moved once more."""
    row, theirs = known.row, live_row(engine, known, new_key, lock=lock)
    if theirs.data == tried.draft.record.data:
        return tried
    has_moved = theirs.digest != row.digest
    has_arrived = new_key is not None and theirs.digest == new_key.digest
    key, replaces = tried.key, None
    if new_key is not None and not has_arrived:
        replaces = theirs.digest
        if has_moved:
            # Two logins at once, a double click: each answer has to leave a key that works.
            if row.user_id is None:
                raise Gone  # A visitor's goes on as a new session.
            key, replaces = known.row_key, None  # A user's has got a new key already.
    opened = engine.read_row(theirs, new_key if new_key and has_arrived else known.row_key)
    base = data_of(known.payload)
    stored = base if opened is None else opened.data
    # A late request that has not signed in keeps the login that did.
    keeps_login = has_moved and new_key is None
    signs_in = marks.signed_in_id is not None
    ours = as_stored(tried.draft)
    merged = merge(base, ours, stored, keeps_login=keeps_login, signs_in=signs_in)
    comes_from_elsewhere = client_differs(theirs, marks.client) and engine.is_behind(theirs, stored)
    is_marked = marks.stamp is not UNSET or comes_from_elsewhere
    is_due = is_marked or replaces is not None or opened is None or opened.is_stale
    if opened is not None and not is_due and is_same(merged.data, opened.data):
        return Saved(Draft(theirs, opened.payload, merged.data), key, merged)
    base_now = known.payload if opened is None else opened.payload
    saved = drafted(engine, theirs, key, merged.data, marks, base=base_now, replaces=replaces)
    saved.merged = merged
    return saved if put(engine, theirs, saved, replaces=replaces) else None


def live_row(engine: Engine, known: Known, new_key: Key | None = None, *, lock: bool) -> Record:
    """Return the row that is known, as it is now. Raises Gone when it has ended.

    So it has for a request whose old key cannot read what was encrypted under the new one.
    """
    theirs = engine.table.find(known.row.id, expiry.now_ms(), lock=lock)
    if theirs is None and new_key is not None:
        # Express: the answer to a change of key may have been lost, and with it the id.
        theirs = engine.table.fetch(new_key.digest, expiry.now_ms())
    if theirs is None:
        raise Gone
    ours = (known.row_key, new_key)
    is_ours = any(key is not None and key.digest == theirs.digest for key in ours)
    if not is_ours and (conf.encrypt or is_encrypted(theirs.data)):
        raise Replaced
    return theirs


def touch(engine: Engine, known: Known, data: Data) -> Known | None:
    """Move the time of last use on, and return what is known then; None when others just wrote."""
    row, now = known.row, expiry.now_ms()
    ends_at = engine.end_of(data, seen=now, started=row.started_at)
    return known.touched(now, ends_at) if engine.table.touch(row, now, ends_at) else None


def rounds(table: Table, *, optimistic: int = 1) -> Iterator[bool]:
    """Yield for each round whether it locks the row: first not, then once, then it is enough.

    Inside a caller's transaction there is one round, and it locks. Where several nodes write, and
    locks triple the failures, there are rounds without one until the time is up.
    """
    if table.in_transaction():
        yield True
        return
    yield from [False] * optimistic
    if table.can_lock:
        yield True
        return
    ends_at = time.monotonic() + _TOTAL_S
    tried = 1
    while time.monotonic() < ends_at:
        time.sleep(jitter(tried, first=_FIRST_PAUSE_S, longest=_LONGEST_PAUSE_S))
        yield False
        tried += 1


def in_round(table: Table, step: Callable[[], T], *, lock: bool, row: bytes | None = None) -> T:
    """Run a step, in a transaction of its own where it locks and there is none.

    ``row`` is the id that log records name.
    """
    if lock and not table.in_transaction():
        return table.under_lock(step, row=row)
    return step()


def as_stored(tried: Draft) -> Data:
    """Return the data as they come back: a tuple that returns as a list was not changed.

    The very objects where that is no difference, for the view may hold on to them.
    """
    back = loads(tried.payload)
    return tried.data if is_same(back, tried.data) else back


class Tries(Generic[T]):
    """What a transact has tried last: a lost connection does not tell whether it was done."""

    def __init__(self) -> None:
        self.last: tuple[Saved, T] | None = None
        self._losses = losses()

    def note(self, last: tuple[Saved, T]) -> None:
        self.last, self._losses = last, losses()

    def arrived(self, theirs: Record) -> bool:
        """Tell whether ``theirs`` is what was tried last.

        Raises SessionStoreUnavailable when a connection was lost and others wrote on top: nobody
        can know then, and running the change again might count it twice.
        """
        if self.last is None:
            return False
        tried = self.last[0].draft.record
        if theirs.data == tried.data:
            return True
        if losses() > self._losses and theirs.version > tried.version:
            message = "The connection broke, and whether the change was stored cannot be known."
            raise unavailable(message)
        return False


def transact(
    engine: Engine,
    known: Callable[[], Known],
    take: Callable[[Record], None],
    run: Callable[[], tuple[Saved, T]],
) -> tuple[Saved, T]:
    """Run a change on what the row holds, and again when somebody wrote it in between.

    ``known`` tells what is known of the row by now, ``take`` goes on with a row that was read, and
    ``run`` makes the change. Return what was stored, and what the change answered.
    """
    tries: Tries[T] = Tries()
    for lock in rounds(engine.table, optimistic=_OPTIMISTIC_TRANSACTS):
        step = partial(_try, engine, tries, known, take, run, lock=lock)
        done = in_round(engine.table, step, lock=lock, row=known().row.id)
        if done is not None:
            return done
    raise unavailable(_TOO_BUSY)


def _try(
    engine: Engine,
    tries: Tries[T],
    known: Callable[[], Known],
    take: Callable[[Record], None],
    run: Callable[[], tuple[Saved, T]],
    *,
    lock: bool,
) -> tuple[Saved, T] | None:
    """Run the change once; None when the row has moved."""
    if lock or tries.last is not None:
        theirs = live_row(engine, known(), lock=lock)
        if tries.arrived(theirs):
            return tries.last
        if theirs.digest != known().row_key.digest:
            raise Replaced  # Security: as in _seen_by(), and the change would be run on these data.
        take(theirs)
    last = run()
    tries.note(last)
    return last if put(engine, known().row, last[0]) else None


def tell_created(engine: Engine, saved: Saved) -> None:
    """Tell of a new row."""
    row = saved.draft.record
    handle = engine.table.handle_of(row.id)
    session_created.send(engine.sender, handle=handle, user_id=row.user_id)


def tell_cycled(engine: Engine, known: Known, before: Record | None) -> None:
    """Tell of a new key of the row that is known, and whose that was ``before``."""
    handle = None if known.record is None else engine.table.handle_of(known.record.id)
    user_id = None if before is None else before.user_id
    session_cycled.send(engine.sender, handle=handle, user_id=user_id)


def tell_secured(engine: Engine, before: Known, record: Record) -> None:
    """Tell of a row that has got a login, another proof, or another key."""
    proof, was = before.proof, before.record
    has_new_key = was is not None and was.digest != record.digest
    if proof is NO_PROOF and not has_new_key:
        return
    session_secured.send(
        engine.sender,
        handle=engine.table.handle_of(record.id),
        user_id=record.user_id,
        session=engine,
        is_login=proof.signed_in_id is not None,
        is_proof=isinstance(proof.at, int),
        has_new_key=has_new_key,
    )


def tell_merged(engine: Engine, saved: Saved) -> None:
    """Tell of a save that met another request's change."""
    if saved.merged is None:
        return
    row, conflicts = saved.draft.record, saved.merged.conflicts
    telemetry.merged(conflicts=len(conflicts))
    handle = engine.table.handle_of(row.id)
    session_merged.send(engine.sender, handle=handle, user_id=row.user_id, conflicts=conflicts)
