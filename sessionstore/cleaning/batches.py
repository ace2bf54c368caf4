"""The loop of all work on many rows: small batches, and pauses that leave live traffic a share."""

import enum
import time
from collections.abc import Callable
from dataclasses import dataclass

from sessionstore import telemetry
from sessionstore.cleaning.clearable import Batched, Clearable
from sessionstore.cleaning.turn import turn
from sessionstore.core import expiry

# Nobody deletes what another web server still accepts.
GRACE_MS = expiry.CLOCKS_DIFFER_MS
_LONGEST_NAP_S = 0.1


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast, and how long, a clean-up or an import works.

    ``batch_size`` rows make one transaction. After each batch it waits ``pause_s``, or as long as
    the batch took if that was longer. None leaves either to the database.
    """

    batch_size: int | None = None
    pause_s: float | None = None
    max_seconds: float | None = None
    limit: int | None = None


class Ending(enum.Enum):
    """Why work in batches ended. DONE: nothing is left to do. BUSY: another clean-up runs."""

    DONE = "done"
    LIMIT = "limit"
    TIME = "time"
    STOPPED = "stopped"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What a clean-up did, or other work in batches: ``removed`` is what the limit counts.

    ``kept`` have expired too, and stay for now; only a dry run counts them.
    """

    removed: int
    batches: int
    seconds: float
    ending: Ending
    kept: int = 0


def clear_expired(
    rows: Clearable,
    *,
    pace: Pace | None = None,
    stop: Callable[[], bool] = lambda: False,
    on_batch: Callable[[int], object] = lambda _: None,
) -> Cleaned:
    """Delete rows that expired more than ten minutes ago, from the oldest on.

    Each batch is a transaction of its own, found by the expiry index and deleted by primary key.
    ``stop`` is asked before each batch and in each pause; ``on_batch`` is told the number of rows
    that each batch deleted. Raises SessionStoreUnavailable when the database keeps failing; what
    was deleted stays deleted.
    """
    pace = pace or Pace()

    def clear(size: int) -> tuple[int, int]:
        cutoff = expiry.now_ms() - GRACE_MS
        ids = rows.expired(cutoff, size)
        return len(ids), rows.remove_many(ids, expired_before=cutoff) if ids else 0

    with turn(rows.alias, rows.table) as is_ours:
        if not is_ours:
            return Cleaned(0, 0, 0.0, Ending.BUSY)
        with telemetry.cleaning(rows.table) as tell:
            cleaned = in_batches(clear, rows, pace=pace, stop=stop, on_batch=on_batch)
            tell(cleaned.removed, cleaned.ending.value)
        return cleaned


def in_batches(
    work: Callable[[int], tuple[int, int]],
    rows: Batched,
    *,
    pace: Pace,
    stop: Callable[[], bool],
    on_batch: Callable[[int], object],
) -> Cleaned:
    """Work until nothing is left, or until ``pace`` or ``stop`` end it.

    ``work`` does a batch of at most so many rows; it answers how many it found, and what counts of
    them. When it found fewer than it might have, nothing is left. ``rows`` is where it writes.
    """
    size = pace.batch_size or rows.batch_size
    pause_s = rows.pause_s if pace.pause_s is None else pace.pause_s
    started = time.monotonic()
    counted = batches = 0
    while True:
        begun = time.monotonic()
        ending = _ending(pace, counted, elapsed=begun - started, stop=stop)
        if ending is None:
            wanted = size if pace.limit is None else min(size, pace.limit - counted)
            found, counts = work(wanted)
            if found:
                counted += counts
                batches += 1
                on_batch(counts)
            if found < wanted:
                ending = Ending.DONE
        if ending is not None:
            return Cleaned(counted, batches, time.monotonic() - started, ending)
        nap(max(pause_s, time.monotonic() - begun), stop)


def _ending(pace: Pace, counted: int, *, elapsed: float, stop: Callable[[], bool]) -> Ending | None:
    """Return why no further batch begins, or None."""
    if stop():
        return Ending.STOPPED
    if pace.max_seconds is not None and elapsed >= pace.max_seconds:
        return Ending.TIME
    if pace.limit is not None and counted >= pace.limit:
        return Ending.LIMIT
    return None


def nap(seconds: float, stop: Callable[[], bool]) -> None:
    """Sleep, but wake up soon after ``stop`` says so."""
    ends_at = time.monotonic() + seconds
    while (left := ends_at - time.monotonic()) > 0 and not stop():
        time.sleep(min(left, _LONGEST_NAP_S))
