"""When the session of a request ends, and how old its cookie may get: the same minimum."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Any

from django.utils import timezone

from sessionstore.conf import conf
from sessionstore.conf.zones import aware, shown
from sessionstore.core import expiry
from sessionstore.core.expiry import Policy
from sessionstore.core.record import Data, Record

from .engine import DjangoSession, after_load

EXPIRY_KEY, IDLE_KEY = "_session_expiry", "_session_idle"
# A walk to the coffee machine; whoever leaves a public computer for longer has left it.
SHARED_IDLE_S = 15 * 60
_MILLISECOND = timedelta(milliseconds=1)
_FIRST, _LAST = expiry.to_datetime(expiry.FIRST_MS), expiry.to_datetime(expiry.LAST_MS)


class Lifetime(Enum):
    """How long a session lives on this computer: the choices of the login form."""

    BROWSER = auto()  # until the browser closes
    KEPT = auto()  # up to the site's absolute end
    SHARED = auto()  # like BROWSER, and only while it is used


def policy_of(data: Any) -> Policy:
    """Return the site's policy, with the shorter idle time that a session's data may ask for."""
    own = data.get(IDLE_KEY)
    return conf.policy.with_idle(int(own * 1000)) if own else conf.policy


@dataclass(slots=True)
class Came:
    """What a row said when the request came: the browser's cookie was made from that, or before."""

    row: Record
    own_end: tuple[Any, Any]


def own_end_in(data: Data) -> tuple[Any, Any]:
    """Return what a session's data say of its own end."""
    return data.get(EXPIRY_KEY), data.get(IDLE_KEY)


class Expiry(DjangoSession):
    """Django's expiry methods, under the site's idle and absolute timeouts.

    ``set_expiry()`` can only shorten what the site's policy allows.
    """

    def get_expiry_date(self, /, **given: Any) -> datetime:
        """Return the moment at which the session ends; naive when USE_TZ is False.

        ``modification`` is the moment of last use (now, when not given), ``expiry`` stands in for
        the session's own setting.
        """
        end = self._ends_at(*self._seen_and_own(given))
        return shown(end)

    def get_expiry_age(self, /, **given: Any) -> int:
        """Return the whole seconds until the session ends; the arguments as above."""
        seen, own = self._seen_and_own(given)
        # The row's times are cut to milliseconds, which must not cost the age a whole second.
        return (self._ends_at(seen, own) - seen + _MILLISECOND) // timedelta(seconds=1)

    aget_expiry_date = after_load(get_expiry_date)
    aget_expiry_age = after_load(get_expiry_age)

    def set_expiry(self, value: Any) -> None:
        """Set when the session ends: seconds from last use, a datetime, a timedelta from now.

        0 means when the browser closes, None the site's policy; negative seconds end it at once. A
        naive datetime counts in the current zone. A moment is stored in UTC, so that no clock
        change moves it. Raises ValueError for what makes no date.
        """
        if value is None:
            self.pop(EXPIRY_KEY, None)
            return
        self[EXPIRY_KEY] = _storable(value)

    aset_expiry = after_load(set_expiry)

    def set_lifetime(self, lifetime: Lifetime) -> None:
        """Let the session live on this computer as its user chose; a later choice counts."""
        absolute_ms = conf.policy.absolute_ms
        longest = absolute_ms // 1000 if absolute_ms else self.get_session_cookie_age()
        self.set_expiry(longest if lifetime is Lifetime.KEPT else 0)
        if lifetime is Lifetime.SHARED:
            self[IDLE_KEY] = SHARED_IDLE_S
        else:
            self.pop(IDLE_KEY, None)

    def cookie_is_due(self) -> bool:
        """Tell whether a browser that has the key already should get its cookie again.

        So it is when the session's own end has changed in this request, and at the first save in
        each interval of the session's life, to make the cookie live as long as the row. Not at each
        save: an answer that is on its way when somebody signs in would put the old key back.
        """
        came, data = self._came_with, self._session
        if came is None or came.own_end != own_end_in(data):
            return True
        if self.get_expire_at_browser_close():
            return False
        interval = policy_of(data).interval_ms(self.age_of(data))
        began = came.row.created_at
        lived, seen = expiry.now_ms() - began, came.row.last_seen_at - began
        return bool(lived // interval != seen // interval)

    @property
    def is_shared(self) -> bool:
        """Tell whether this is a computer that others use too."""
        return IDLE_KEY in self

    def _seen_and_own(self, given: Data) -> tuple[datetime, Any]:
        own = given["expiry"] if "expiry" in given else self.get(EXPIRY_KEY)
        seen = given.get("modification")
        return _aware_now() if seen is None else aware(seen), own

    def _ends_at(self, seen: datetime, own: Any) -> datetime:
        if isinstance(own, str | datetime):
            ends = [_moment(own)]
        else:
            ends = [_later(seen, 1000 * (own or self.get_session_cookie_age()))]
        # Compat: Django promises that a given expiry is answered without loading.
        policy = policy_of(self.__dict__.get("_session_cache", {}))
        idle, absolute = policy.idle_ms, policy.absolute_ms
        if idle is not None:
            ends.append(_later(seen, idle))
        if absolute is not None:
            row = self._known.record
            started = seen if row is None else _at(row.started_at)
            ends.append(_later(started, absolute))
        return max(_FIRST, min(_LAST, *ends))

    def end_of(self, data: Data, *, seen: int, started: int) -> int:
        """Return when the row of a session with these data ends, in milliseconds."""
        age_ms = self.age_of(data)
        end = expiry.to_ms(_moment(data[EXPIRY_KEY])) if age_ms is None else seen + age_ms
        return policy_of(data).deadline(end, last_seen_at=seen, started_at=started)

    def age_of(self, data: Data) -> int | None:
        """Return for how many milliseconds such a session lives from its last use.

        None when it ends at a moment that its data name, which nothing renews.
        """
        own = data.get(EXPIRY_KEY)
        if isinstance(own, str | datetime):
            return None
        return expiry.within_dates((own or self.get_session_cookie_age()) * 1000)

    def is_behind(self, row: Record, data: Data) -> bool:
        """Tell whether the row was last seen a touch interval ago."""
        seen, now, age_ms = row.last_seen_at, expiry.now_ms(), self.age_of(data)
        return policy_of(data).is_behind(last_seen_at=seen, now=now, age_ms=age_ms)


def _moment(own: str | datetime) -> datetime:
    """Return a moment that a session's data name, in UTC."""
    moment = datetime.fromisoformat(own) if isinstance(own, str) else own
    try:
        return aware(moment)
    except OverflowError:  # the first or the last day that there is, in another zone
        return _FIRST if moment.year < _FIRST.year else _LAST


def _at(milliseconds: float) -> datetime:
    return expiry.to_datetime(expiry.within_dates(milliseconds))


def _later(moment: datetime, milliseconds: float) -> datetime:
    try:
        return moment + timedelta(milliseconds=milliseconds)
    except (OverflowError, ValueError):
        return _at(expiry.to_ms(moment) + milliseconds)


def _storable(value: Any) -> Any:
    """Return what the data hold of such an end. Raises ValueError for what makes no date."""
    try:
        if isinstance(value, timedelta):
            value = _aware_now() + value
        if isinstance(value, datetime):
            return aware(value).isoformat()
        if isinstance(value, int | float):
            _aware_now() + timedelta(seconds=value)
    except (OverflowError, ValueError):
        message = (
            f"set_expiry({value!r}): such a session would end at no date, for years go from 1 to "
            f"9999. None is the site's policy, 0 the end of the browser."
        )
        raise ValueError(message) from None
    return value


def _aware_now() -> datetime:
    """Return Django's idea of now; a naive one that two moments share is the present one of them.

    With USE_TZ = False the hour of an autumn clock change comes twice.
    """
    now = timezone.now()
    if timezone.is_aware(now):
        return aware(now)
    present = datetime.now(UTC)
    return min((aware(now.replace(fold=fold)) for fold in (0, 1)), key=lambda it: abs(it - present))
