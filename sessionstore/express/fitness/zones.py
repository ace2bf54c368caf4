"""In which zone Express writes a column without one: what the rows tell. Pure.

Express stores the end of a session twice: in `cookie.expires`, which is a moment, and in the
column, in the zone of its connection. A touch moves the column alone, to the cookie's age from
then. So the column is never before the one, and never beyond that age from now.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sessionstore.core.express_format import decode, lifetime_ms, rounded_up
from sessionstore.exceptions import SessionUnreadable
from sessionstore.express.seal import OURS

# Zones are quarters of an hour apart, and the clocks of two hosts some seconds.
_QUARTER_S: Final = 900
_CLOCKS_S: Final = 10
# What is farther off is no zone: a session was given another length.
_FARTHEST_S: Final = 14 * 3600


def shift_of(rows: Iterable[tuple[int, str]], now: int) -> int | None:
    """Return by how many seconds the column is off what Express wrote beside it, as zones are.

    ``rows`` are the column, in seconds, and the JSON. None: no row tells.
    """
    spans = list(_spans(rows, now))
    behind = [one.after_cookie for one in spans if one.is_behind]
    ahead = [one.after_touch for one in spans if one.is_ahead]
    exact = [one for one in spans if abs(one.after_cookie) <= 1]
    # A length that was changed without another change of the session makes a few look so too.
    if len(behind) + len(ahead) > len(exact):
        nearest = min(behind) if len(behind) > len(ahead) else max(ahead)
        return round(nearest / _QUARTER_S) * _QUARTER_S
    if exact:
        return 0
    fitting = [one for one in spans if one.is_fitting]
    least = max((one.after_touch for one in fitting), default=-_FARTHEST_S)
    most = min((one.after_cookie for one in fitting), default=_FARTHEST_S)
    # The shift is between the two, and of the quarters only none at all may be.
    is_none = least > -_QUARTER_S + _CLOCKS_S and most < _QUARTER_S - _CLOCKS_S
    return 0 if is_none else None


@dataclass(frozen=True, slots=True)
class _Span:
    """How far a column is after the two moments between which it has to be, in seconds."""

    after_cookie: int
    after_touch: int

    @property
    def is_behind(self) -> bool:
        return -_FARTHEST_S <= self.after_cookie < -_QUARTER_S + _CLOCKS_S

    @property
    def is_ahead(self) -> bool:
        return _QUARTER_S < self.after_touch <= _FARTHEST_S

    @property
    def is_fitting(self) -> bool:
        return self.after_cookie >= -_CLOCKS_S and self.after_touch <= _CLOCKS_S


def _spans(rows: Iterable[tuple[int, str]], now: int) -> Iterator[_Span]:
    """Yield those of the sessions that Express alone has written, and that have an age."""
    for seconds, text in rows:
        try:
            stored = decode(text)
        except SessionUnreadable:
            continue
        # Django writes in the zone that it takes for Express's.
        if stored is None or OURS in stored.data:
            continue
        ends, age = _moment_ms(stored.cookie.get("expires")), lifetime_ms(stored.cookie)
        if ends is not None and age is not None:
            yield _Span(seconds - rounded_up(ends), seconds - rounded_up(now + age))


def _moment_ms(date: object) -> int | None:
    try:
        at = datetime.fromisoformat(str(date))
        return None if at.tzinfo is None else round(at.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
