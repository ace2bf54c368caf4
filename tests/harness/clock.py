"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta

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
