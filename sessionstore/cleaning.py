"""Deletes expired rows of a live table without stalling it."""

import time
from typing import Any

from . import expiry

# A web server whose clock runs fast must not see a live session deleted by one that runs right.
GRACE_MS = 5 * 60 * 1000
BATCH_SIZE = 500
_SHORTEST_PAUSE_S = 0.020


def clear_expired(rows: Any, *, batch_size: int = BATCH_SIZE) -> int:
    """Delete rows that expired more than five minutes ago; answer how many.

    Each batch is a transaction of its own, found by the expiry index and deleted by primary key;
    after it, live traffic gets at least the time that the batch took.
    """
    removed = 0
    while True:
        started = time.monotonic()
        cutoff = expiry.now_ms() - GRACE_MS
        ids = rows.expired(cutoff, batch_size)
        removed += rows.remove_many(ids, expired_before=cutoff) if ids else 0
        if len(ids) < batch_size:
            return removed
        time.sleep(max(_SHORTEST_PAUSE_S, time.monotonic() - started))
