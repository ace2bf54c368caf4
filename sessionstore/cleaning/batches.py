"""The loop of every clean-up: small batches, and pauses that leave live traffic its share."""

import enum
import time
from collections.abc import Callable
from dataclasses import dataclass

from sessionstore import expiry, telemetry

from .table import Table
from .turn import turn

# Web servers whose clocks are ten minutes apart must not delete what the other still accepts.
GRACE_MS = 10 * 60 * 1000
PAUSE_S = 0.020
_LONGEST_NAP_S = 0.1


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast, and how long, a clean-up works.

    ``batch_size`` rows make one transaction; None leaves it to the database. After each batch it
    waits ``pause_s``, or as long as the batch took if that was longer.
    """

    batch_size: int | None = None
    pause_s: float = PAUSE_S
    max_seconds: float | None = None
    limit: int | None = None


class Ending(enum.Enum):
    """Why a clean-up ended. DONE: nothing is left that had expired. BUSY: another one runs."""

    DONE = "done"
    LIMIT = "limit"
    TIME = "time"
    STOPPED = "stopped"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What a clean-up did."""

    removed: int
    batches: int
    seconds: float
    ending: Ending


def clear_expired(
    rows: Table,
    *,
    pace: Pace | None = None,
    stop: Callable[[], bool] = lambda: False,
    on_batch: Callable[[int], object] = lambda _: None,
) -> Cleaned:
    """Delete rows that expired more than ten minutes ago, from the oldest on.

    Each batch is a transaction of its own, found by the expiry
    index and deleted by primary key. ``stop`` is asked before each batch and in each pause;
    ``on_batch`` is told the number of rows that each batch deleted. Raises
    SessionStoreUnavailable when the database keeps failing; what was deleted stays deleted.
    """
    started = time.monotonic()
    with turn(rows.alias, rows.table) as is_ours:
        if not is_ours:
            return Cleaned(0, 0, time.monotonic() - started, Ending.BUSY)
        with telemetry.cleaning(rows.table) as tell:
            cleaned = _loop(rows, pace or Pace(), stop, on_batch, started)
            tell(cleaned.removed, cleaned.ending.value)
        return cleaned


def _loop(
    rows: Table,
    pace: Pace,
    stop: Callable[[], bool],
    on_batch: Callable[[int], object],
    started: float,
) -> Cleaned:
    removed = batches = 0
    while True:
        begun = time.monotonic()
        size, ending = next_batch(rows, pace, removed, elapsed=begun - started, stop=stop)
        if ending is None:
            cutoff = expiry.now_ms() - GRACE_MS
            ids = rows.expired(cutoff, size)
            deleted = rows.remove_many(ids, expired_before=cutoff) if ids else 0
            removed += deleted
            if ids:
                batches += 1
                on_batch(deleted)
            if len(ids) < size:
                ending = Ending.DONE
        if ending is not None:
            return Cleaned(removed, batches, time.monotonic() - started, ending)
        nap(max(pace.pause_s, time.monotonic() - begun), stop)


def next_batch(
    rows: Table, pace: Pace, removed: int, *, elapsed: float, stop: Callable[[], bool]
) -> tuple[int, Ending | None]:
    """Answer the size of the next batch, and why there is none."""
    size = pace.batch_size or rows.batch_size
    if stop():
        return size, Ending.STOPPED
    if pace.max_seconds is not None and elapsed >= pace.max_seconds:
        return size, Ending.TIME
    if pace.limit is None:
        return size, None
    left = pace.limit - removed
    return min(size, left), None if left > 0 else Ending.LIMIT


def nap(seconds: float, stop: Callable[[], bool]) -> None:
    """Sleep, but wake up soon after ``stop`` says so."""
    ends_at = time.monotonic() + seconds
    while (left := ends_at - time.monotonic()) > 0 and not stop():
        time.sleep(min(left, _LONGEST_NAP_S))
