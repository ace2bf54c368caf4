"""The verbs of express-mysql-session by their names, for scripts, without their faults."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from sessionstore.cleaning import clear_expired
from sessionstore.core import expiry
from sessionstore.core.express_format import LAST_DATE_MS, decode, encode, iso_date
from sessionstore.core.record import Record
from sessionstore.exceptions import (
    SessionNotSerializable,
    SessionStoreUnavailable,
    SessionUnreadable,
    TakenId,
)
from sessionstore.express.record import TextVersion, contents_of, express_settings
from sessionstore.express.rows import SharedTable

_PAGE = 500
_TRIES = 5


class ExpressStore:
    """get, set, touch, destroy, length, all, clear and clearExpiredSessions.

    Sessions are dicts as Express has them, with their ``cookie``; ids are plain sids. Unlike
    Express's own store it never brings back what was logged out, never revives what has expired,
    never shortens a life by a touch, and answers ``all()`` whatever the columns are called.
    """

    def __init__(self, *, database: str | None = None) -> None:
        table = SharedTable()
        self.table = table.using(database) if database else table

    def get(self, sid: str) -> dict[str, Any] | None:
        """Return a live session, or None; None too for damaged JSON.

        Raises SessionUnreadable for JSON that is nested too deep.
        """
        record = self._fetch(sid)
        return None if record is None else _session(record.data)

    def set(self, sid: str, session: Mapping[str, Any]) -> bool:
        """Store a session, which may be new; False when it was logged out.

        It lives until its ``cookie.expires``: a datetime (a naive one is UTC), text as JavaScript
        writes it, or its milliseconds; without one for ``expiration``. Raises
        SessionNotSerializable for what Express could not read.
        """
        data = {name: value for name, value in session.items() if name != "cookie"}
        cookie, expires_at = _cookie(session)
        for _ in range(_TRIES):
            known = self._fetch(sid)
            text = encode(data, cookie, None if known is None else contents_of(known).deep)
            if known is None:
                if self.table.is_marked(sid.encode()):
                    return False
                if self._insert(sid, text, expires_at):
                    return True
            elif self.table.update(_row(sid, text, expires_at), known.version, expiry.now_ms()):
                return True
        message = "Others keep writing this session."
        raise SessionStoreUnavailable(message)

    def touch(self, sid: str, session: Mapping[str, Any]) -> bool:
        """Let a live session live until its ``cookie.expires``; False when nothing changed."""
        known = self._fetch(sid)
        if known is None:
            return False
        _, expires_at = _cookie(session)
        return self.table.touch(known, expiry.now_ms(), expires_at)

    def destroy(self, sid: str) -> bool:
        """Log a session out, finally where the table has the mark column."""
        return self.table.remove(sid.encode()) > 0

    def length(self) -> int:
        """Return how many sessions are live."""
        return self.table.count()

    def all(self) -> dict[str, dict[str, Any]]:
        """Return all live sessions by their ids; those that cannot be read are left out."""
        found: dict[str, dict[str, Any]] = {}
        last = ""
        while page := self.table.page(last, _PAGE):
            for sid, text in page:
                with suppress(SessionUnreadable):
                    session = _session(text)
                    if session is not None:
                        found[sid] = session
            last = page[-1][0]
        return found

    def clear(self) -> int:
        """Log everybody out; return how many sessions that ended."""
        ended = 0
        while ids := self.table.live_after(b"", _PAGE):
            ended += self.table.remove_many(ids)
        return ended

    def clearExpiredSessions(self) -> int:  # noqa: N802 - the name in express-mysql-session
        """Delete what expired more than ten minutes ago, in batches; return how many."""
        return clear_expired(self.table).removed

    def _fetch(self, sid: str) -> Record | None:
        return self.table.fetch(sid.encode(), expiry.now_ms())

    def _insert(self, sid: str, text: str, expires_at: int) -> bool:
        # A row that has expired is no session: it makes room.
        self.table.remove_many([sid.encode()], expired_before=expiry.now_ms())
        try:
            self.table.insert(_row(sid, text, expires_at))
        except TakenId:
            return False
        return True


def _session(text: str) -> dict[str, Any] | None:
    stored = decode(text)
    return None if stored is None else {"cookie": stored.cookie, **stored.data}


def _row(sid: str, text: str, expires_at: int) -> Record:
    return Record(
        id=sid.encode(),
        digest=sid.encode(),
        data=text,
        version=TextVersion(text),
        user_id=None,
        created_at=0,
        authenticated_at=None,
        last_seen_at=0,
        expires_at=expires_at,
    )


def _cookie(session: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """Return the cookie object as Express reads it, and when the session ends."""
    given = session.get("cookie") or {}
    if not isinstance(given, Mapping):
        message = f"session['cookie'] is a {type(given).__name__}; Express needs a dict there."
        raise SessionNotSerializable(message)
    cookie = dict(given)
    # What JavaScript takes for no date.
    if not cookie.get("expires"):
        return cookie, expiry.now_ms() + express_settings().expiration_ms
    try:
        expires_at = _milliseconds(cookie["expires"])
    except (TypeError, ValueError, OverflowError):
        message = f"session['cookie']['expires'] is no date: {cookie['expires']!r}."
        raise SessionNotSerializable(message) from None
    expires_at = max(-LAST_DATE_MS // 10, min(expires_at, LAST_DATE_MS))
    # Express takes text alone for a date.
    return cookie | {"expires": iso_date(expires_at)}, expires_at


def _milliseconds(date: Any) -> int:
    """Return the moment that a date means, in each form that JavaScript writes or reads."""
    if isinstance(date, str):
        if date.startswith(("+", "-")):  # years beyond 9999, and before 0
            return LAST_DATE_MS if date.startswith("+") else 0
        try:
            date = datetime.fromisoformat(date)
        except ValueError:
            date = parsedate_to_datetime(date)
    if isinstance(date, datetime):
        return expiry.to_ms(date if date.tzinfo else date.replace(tzinfo=UTC))
    if isinstance(date, bool) or not isinstance(date, int | float):
        raise TypeError
    return round(date)
