"""One row of an Express table as the engine knows rows.

The table has neither a version nor a user: the stored text is the version, and what Django needs
beside it stands in the JSON, sealed, where Express keeps it like any other key.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured

from sessionstore.conf import conf
from sessionstore.conf.express import ExpressSettings
from sessionstore.core import expiry
from sessionstore.core.crypto import HiddenText
from sessionstore.core.express_format import LAST_DATE_MS, Stored, decode, lifetime_ms
from sessionstore.core.record import Record
from sessionstore.core.sign_ins.facts import SIGN_INS_KEY
from sessionstore.exceptions import SessionUnreadable, WrongSetting
from sessionstore.express import seal
from sessionstore.express.users import Said, said_in, stored_id
from sessionstore.session.expiring import EXPIRY_KEY, IDLE_KEY, policy_of

_SECOND_MS: Final = 1000
_HELD: Final = "held"


# Security: no repr, for error reporters record local variables by it.
@dataclass(frozen=True, slots=True, repr=False)
class TextVersion:
    """The stored text as a version; ``follows`` is the text that it was written over."""

    text: str
    follows: str | None = None

    def __gt__(self, other: "TextVersion") -> bool:
        """Tell whether somebody wrote after ``other`` had been tried, or in its stead."""
        return self.text not in (other.text, other.follows)


# Security: no repr, as above.
@dataclass(slots=True, repr=False)
class Held:
    """What a row holds beside its columns, as a session keeps it for its next write.

    ``derived_id`` is whom Express's login makes the user, where Django has none of its own.
    """

    cookie: dict[str, Any]
    said: Said
    derived_id: str | None = None


@dataclass(slots=True, repr=False)
class Contents(Held):
    """What a row holds that was just read; its data are None where the JSON is damaged.

    ``unreadable`` tells why Python cannot read them, and ``deep`` what marks in them stand for.
    """

    data: dict[str, Any] | None = None
    unreadable: SessionUnreadable | None = None
    deep: Mapping[str, str] = field(default_factory=dict)
    is_stale: bool = False
    is_stamped: bool = False


def keep(record: Record, held: Held) -> None:
    """Let a row know what it holds."""
    record.extra = {_HELD: held}


def held_in(record: Record) -> Held:
    """Return what a row holds, read or to be written."""
    held: Held = record.extra[_HELD]
    return held


def contents_of(record: Record) -> Contents:
    """Return what a row holds that the table has just read."""
    contents: Contents = record.extra[_HELD]
    return contents


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


class MissingSetting(WrongSetting, ImproperlyConfigured):
    """The Express engine has no SESSIONSTORE_EXPRESS; E050 tells so before a request does."""


def express_settings() -> ExpressSettings:
    """Return SESSIONSTORE_EXPRESS. Raises MissingSetting: the engine cannot do without."""
    if conf.express is None:
        message = 'The engine "express" needs SESSIONSTORE_EXPRESS = {"secrets": [...]}.'
        raise MissingSetting(message)
    return conf.express


def record_of(row_id: bytes, text: str, expires_at: int, now: int) -> Record | None:
    """Return the row as the engine knows rows; None when a deadline of Django's has passed.

    Express slides the column, so a moment that was fixed can hold only here.
    """
    stored, unreadable = _decoded(text)
    data, cookie = ({}, {}) if stored is None else (stored.data, stored.cookie)
    ours, own_end, said = data.pop(seal.OURS, None), _own_end(data), said_in(data)
    sealed = seal.opened(ours, row_id, data, said)
    _put_sign_ins(data, sealed.sign_ins)
    policy, lifetime = policy_of(data), lifetime_ms(cookie) or express_settings().expiration_ms
    record = Record(
        id=row_id,
        digest=row_id,
        data=text,
        version=TextVersion(text),
        user_id=stored_id(data) or said.user_id,
        created_at=now if sealed.created_at is None else sealed.created_at,
        authenticated_at=sealed.authenticated_at,
        # Django moves the column by the idle timeout at most.
        last_seen_at=min(expires_at - min(lifetime, policy.idle_ms or lifetime), now),
        expires_at=expires_at,
    )
    contents = Contents(
        cookie,
        said,
        data=None if stored is None else data,
        unreadable=unreadable,
        deep={} if stored is None else stored.deep,
        is_stale=sealed.is_stale,
        is_stamped=sealed.created_at is not None,
    )
    keep(record, contents)
    fixed_end = LAST_DATE_MS if own_end is None else own_end
    if policy.absolute_ms is not None:
        fixed_end = min(fixed_end, record.started_at + policy.absolute_ms)
    if fixed_end - expires_at < _SECOND_MS:
        # The column stands at that end and tells no last use; there is nothing left to renew.
        record.last_seen_at = now
    return None if fixed_end <= now else record


def _put_sign_ins(data: dict[str, Any], sealed: Any) -> None:
    """Put what Django has sealed of sign-ins where it stands in every session.

    Security: what Express has written there may say anything.
    """
    data.pop(SIGN_INS_KEY, None)
    if sealed is not None:
        data[SIGN_INS_KEY] = sealed


def _decoded(text: str) -> tuple[Stored | None, SessionUnreadable | None]:
    """Return what a row holds, or why it cannot be read."""
    try:
        return decode(text), None
    except SessionUnreadable as error:
        return None, error


def _own_end(data: dict[str, Any]) -> int | None:
    """Return the moment that set_expiry() fixed; what Django cannot have written is dropped."""
    if not _is_length(data.get(IDLE_KEY)):
        data.pop(IDLE_KEY, None)
    if EXPIRY_KEY not in data:
        return None
    try:
        return expiry.to_ms(datetime.fromisoformat(data[EXPIRY_KEY]))
    except (TypeError, ValueError):
        del data[EXPIRY_KEY]
        return None


def _is_length(value: Any) -> bool:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return is_number and 0 < value <= LAST_DATE_MS
