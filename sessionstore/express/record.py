"""One row of an Express table as the engine knows rows.

The table has neither a version nor a user: the stored text is the version, and what Django needs
beside it stands in the JSON under ``OURS``, where Express keeps it like any other key.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured

from sessionstore.conf import conf
from sessionstore.conf.express import ExpressSettings
from sessionstore.core import expiry
from sessionstore.core.crypto import HiddenText
from sessionstore.core.express_format import LAST_DATE_MS, Stored, decode, lifetime_ms
from sessionstore.core.record import Record
from sessionstore.exceptions import SessionUnreadable
from sessionstore.express.users import user_id_of
from sessionstore.session.expiring import EXPIRY_KEY, IDLE_KEY, policy_of

OURS: Final = "_sessionstore"
_SECOND_MS: Final = 1000


# Security: no repr, for error reporters record local variables by it.
@dataclass(frozen=True, slots=True, repr=False)
class TextVersion:
    """The stored text as a version; ``follows`` is the text that it was written over."""

    text: str
    follows: str | None = None

    def __gt__(self, other: "TextVersion") -> bool:
        """Tell whether somebody wrote after ``other`` had been tried, or in its stead."""
        return self.text not in (other.text, other.follows)


class JsonValue(HiddenText):
    """The text of a column that keeps values and no text: it equals each other spelling."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if str.__eq__(self, other) is True:
            return True
        return isinstance(other, str) and decode(str(self)) == decode(str(other)) is not None

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = HiddenText.__hash__


def express_settings() -> ExpressSettings:
    """Return SESSIONSTORE_EXPRESS, which the engine cannot do without."""
    if conf.express is None:
        message = 'The engine "express" needs SESSIONSTORE_EXPRESS = {"secrets": [...]}.'
        raise ImproperlyConfigured(message)
    return conf.express


def record_of(row_id: bytes, text: str, expires_at: int, now: int) -> Record | None:
    """Return the row as the engine knows rows; None when a deadline of Django's has passed.

    Express slides the column, so a moment that was fixed can hold only here.
    """
    stored, unreadable = _decoded(text)
    data, cookie = ({}, {}) if stored is None else (stored.data, stored.cookie)
    ours, own_end = data.pop(OURS, None), _own_end(data)
    times = ours if isinstance(ours, dict) else {}
    if not _time(data.get(IDLE_KEY)):
        data.pop(IDLE_KEY, None)
    created, authenticated = map(_time, (times.get("created_at"), times.get("authenticated_at")))
    policy, lifetime = policy_of(data), lifetime_ms(cookie) or express_settings().expiration_ms
    record = Record(
        id=row_id,
        digest=row_id,
        data=text,
        version=TextVersion(text),
        user_id=user_id_of(data),
        created_at=now if created is None else created,
        authenticated_at=authenticated,
        # Django moves the column by the idle timeout at most.
        last_seen_at=min(expires_at - min(lifetime, policy.idle_ms or lifetime), now),
        expires_at=expires_at,
        extra={
            "data": None if stored is None else data,
            "unreadable": unreadable,
            "cookie": cookie,
            "deep": {} if stored is None else stored.deep,
            "is_stamped": created is not None,
        },
    )
    fixed_end = LAST_DATE_MS if own_end is None else own_end
    if policy.absolute_ms is not None:
        fixed_end = min(fixed_end, record.started_at + policy.absolute_ms)
    if fixed_end - expires_at < _SECOND_MS:
        # The column stands at that end and tells no last use; there is nothing left to renew.
        record.last_seen_at = now
    return None if fixed_end <= now else record


def _decoded(text: str) -> tuple[Stored | None, SessionUnreadable | None]:
    """Return what a row holds, or why it cannot be read."""
    try:
        return decode(text), None
    except SessionUnreadable as error:
        return None, error


def _own_end(data: dict[str, Any]) -> int | None:
    """Return the moment that set_expiry() fixed; what Express cannot have meant is dropped."""
    if EXPIRY_KEY not in data:
        return None
    try:
        return expiry.to_ms(datetime.fromisoformat(data[EXPIRY_KEY]))
    except (TypeError, ValueError):
        del data[EXPIRY_KEY]
        return None


def _time(value: Any) -> int | None:
    is_time = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LAST_DATE_MS
    return value if is_time else None
