"""When a session ends, and when a touch is due: pure arithmetic in milliseconds since 1970 UTC."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from .record import Record

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# Before any row ends, to find also those that have.
LONG_AGO_MS = 0
# The moments that a datetime can show in every zone, with a year to spare: nothing is stored, or
# shown, as one beyond them.
FIRST_MS = (datetime(2, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND
LAST_MS = (datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND - 1
# Clients that change are written at most this often, also where sessions do not slide.
DEFAULT_TOUCH_INTERVAL_MS = 60_000

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
# By so much the clocks of a site's hosts may differ, and nothing is lost or left alive by it.
CLOCKS_DIFFER_MS = 10 * MINUTE_MS
# NIST SP 800-63B-4, section 2: idle and overall time of a session at each assurance level.
PRESETS: Mapping[str, tuple[int | None, int]] = {
    "AAL1": (None, 30 * DAY_MS),
    "AAL2": (HOUR_MS, 24 * HOUR_MS),
    "AAL3": (15 * MINUTE_MS, 12 * HOUR_MS),
}


def now_ms() -> int:
    """Return the present moment. Everything in the package that asks for the time asks here."""
    return time.time_ns() // 1_000_000


def to_ms(moment: datetime) -> int:
    """Return an aware datetime as milliseconds, rounded down; exact in any zone and year."""
    return (moment - _EPOCH) // _MILLISECOND


def to_datetime(milliseconds: int) -> datetime:
    """Return milliseconds as an aware datetime in UTC."""
    return _EPOCH + milliseconds * _MILLISECOND


def within_dates(milliseconds: float) -> int:
    """Return the moment, or the first or the last one of those that can be shown."""
    return int(max(FIRST_MS, min(LAST_MS, milliseconds)))


@dataclass(frozen=True, slots=True)
class Policy:
    """What the site allows. None means without limit; a touch interval of None means never."""

    idle_ms: int | None = None
    absolute_ms: int | None = None
    touch_interval_ms: int | None = DEFAULT_TOUCH_INTERVAL_MS
    slides: bool = False

    def deadline(self, own: int, *, last_seen_at: int, started_at: int) -> int:
        """Return the smallest of the session's own end, the idle end and the absolute end.

        It is always one that can be stored and shown.
        """
        if self.idle_ms is None and self.absolute_ms is None:
            return within_dates(own)
        ends = [own]
        if self.idle_ms is not None:
            ends.append(last_seen_at + self.idle_ms)
        if self.absolute_ms is not None:
            ends.append(started_at + self.absolute_ms)
        return within_dates(min(ends))

    def is_young(self, record: Record, *, age_ms: int, now: int) -> bool:
        """Tell whether neither timeout, nor the site's age, can have ended a row by now.

        An end that the session has set itself is in the row, and no policy makes it another one.
        """
        unused = now - record.last_seen_at
        if unused >= age_ms or (self.idle_ms is not None and unused >= self.idle_ms):
            return False
        return self.absolute_ms is None or now - record.started_at < self.absolute_ms

    def interval_ms(self, age_ms: int | None) -> int:
        """Return after how long a touch is due, and with it the browser's cookie.

        At the latest after a quarter of what it renews: the idle time, and ``age_ms``, for which
        the session lives from its last use. None for one that ends at a fixed moment.
        """
        longest = self.touch_interval_ms or DEFAULT_TOUCH_INTERVAL_MS
        if self.idle_ms is not None:
            longest = min(longest, self.idle_ms // 4)
        return max(1, longest if age_ms is None else min(longest, age_ms // 4))

    def with_idle(self, idle_ms: int) -> "Policy":
        """Return the policy of a session that slides and has an idle time of its own."""
        idle_ms = idle_ms if self.idle_ms is None else min(idle_ms, self.idle_ms)
        interval = self.touch_interval_ms
        if interval is not None:
            interval = min(interval, default_touch_interval_ms(idle_ms))
        return replace(self, idle_ms=idle_ms, touch_interval_ms=interval, slides=True)

    def is_behind(self, *, last_seen_at: int, now: int, age_ms: int | None) -> bool:
        """Tell whether the last use was an interval ago; ``age_ms`` as above."""
        return now - last_seen_at >= self.interval_ms(age_ms)

    @property
    def renews(self) -> bool:
        """Tell whether a read ever moves ``last_seen_at`` on."""
        return self.slides and self.touch_interval_ms is not None


def default_touch_interval_ms(idle_ms: int | None) -> int:
    """Return the longer of 60 s and a thousandth of the idle time."""
    return max(DEFAULT_TOUCH_INTERVAL_MS, (idle_ms or 0) // 1000)
