"""A clock that stands still until a test moves it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

from time_machine import Traveller


class Clock:
    """Moves what `time.time()`, `datetime.now()` and `timezone.now()` answer, in all threads.

    `time.monotonic()` goes on, so that retries and timeouts of drivers work as ever.
    """

    def __init__(self, traveller: Traveller) -> None:
        self._traveller = traveller

    @property
    def now(self) -> datetime:
        """The time it shows, aware, in UTC."""
        return datetime.now(UTC)

    @property
    def now_ms(self) -> int:
        """The time it shows, in milliseconds since 1970."""
        return round(self.now.timestamp() * 1000)

    def advance(self, **duration: float) -> None:
        """Move on: `clock.advance(minutes=5)`, in the words of timedelta; negative moves back."""
        self._traveller.shift(timedelta(**duration))

    def move_to(self, moment: datetime) -> None:
        """Show this moment."""
        self._traveller.move_to(moment)


@contextmanager
def pauses_skipped() -> Iterator[None]:
    """Let `time.sleep()` of this thread move `time.monotonic()` on instead of waiting.

    So who waits between two tries waits as often and is as near to giving up, in no time.
    """
    ours, sleep, monotonic = threading.get_ident(), time.sleep, time.monotonic
    skipped = 0.0

    def skip(seconds: float) -> None:
        nonlocal skipped
        if threading.get_ident() != ours:
            sleep(seconds)
        else:
            skipped += seconds

    with (
        patch.object(time, "sleep", skip),
        patch.object(time, "monotonic", lambda: monotonic() + skipped),
    ):
        yield
