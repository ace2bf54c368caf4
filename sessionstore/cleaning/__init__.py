"""Deletes expired rows of a live table without stalling it."""

from sessionstore.cleaning.batches import (
    GRACE_MS,
    Cleaned,
    Ending,
    Pace,
    clear_expired,
    in_batches,
)
from sessionstore.cleaning.clearable import Clearable

__all__ = [
    "GRACE_MS",
    "Cleaned",
    "Clearable",
    "Ending",
    "Pace",
    "clear_expired",
    "in_batches",
]
