"""The engine that shares live sessions with an Express application, in both directions.

``SESSION_ENGINE = "sessionstore.backends.express"`` with ``SESSION_COOKIE_NAME = "connect.sid"``
and SESSIONSTORE_EXPRESS. What Express stores beside the session's data, its ``cookie`` object, is
kept and hidden; its ages and Django's ``set_expiry()`` are one and the same.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from sessionstore.conf import conf
from sessionstore.conf.express import passport_user
from sessionstore.core.express_format import cookie_that_expires, encode, lifetime_ms
from sessionstore.core.headers.set_cookie import CookieOptions
from sessionstore.core.keys import Key
from sessionstore.core.merge import USER_KEY
from sessionstore.core.record import Data, Record
from sessionstore.core.sign_ins.facts import SIGN_INS_KEY
from sessionstore.exceptions import SessionUnreadable
from sessionstore.express import seal
from sessionstore.express.cookies import cookie_with, options_in
from sessionstore.express.keys import SidKeyring, shown_id
from sessionstore.express.record import Held, contents_of, express_settings, held_in, keep
from sessionstore.express.rows import SharedTable
from sessionstore.express.users import (
    PASSPORT,
    Said,
    drop_login,
    login_of,
    said_in,
    stored_id,
)
from sessionstore.links.rows import links
from sessionstore.session.engine import Draft, Marks
from sessionstore.session.expiring import EXPIRY_KEY, policy_of
from sessionstore.session.known import UNSET, Stamp
from sessionstore.session.sealed import Opened, data_of, dumps, tell_damaged, tell_unreadable
from sessionstore.session.store import SessionBackend


class SessionStore(SessionBackend):
    """Sessions in the table of SESSIONSTORE_EXPRESS."""

    records_client = False
    # Of a mediumtext. Express has no other limit.
    column_bytes = 2**24 - 1

    # What the marks in all rows that were read stand for: a view may keep one through a logout, and
    # a merge may keep one that the row has no more.
    _deep: Mapping[str, str] = {}

    @classmethod
    def get_table(cls) -> SharedTable:
        return SharedTable()

    @property
    def keyring(self) -> SidKeyring:
        settings = express_settings()
        return _keyring(settings.secrets, settings.prefix)

    # --- reading

    def read_row(self, record: Record, key: Key) -> Opened | None:  # noqa: ARG002 - nothing is sealed
        held = contents_of(record)
        data, cookie, said = held.data, held.cookie, held.said
        if held.unreadable is not None:
            tell_unreadable(self.table.handle_of(record.id), held.unreadable)
            raise held.unreadable
        if data is None:
            tell_damaged(self.table.handle_of(record.id))
            return None
        if EXPIRY_KEY not in data and "originalMaxAge" in cookie:
            own = _seconds(lifetime_ms(cookie))
            if own != self._default_seconds(data):
                data[EXPIRY_KEY] = own
        derived = {} if USER_KEY in data else login_of(said.user_id)
        # The absolute timeout counts from the first time that Django stores a session.
        has_no_start = conf.policy.absolute_ms is not None and not held.is_stamped
        is_stale = held.is_stale or has_no_start
        if held.deep:
            self._deep = {**self._deep, **held.deep}
        keep(record, Held(cookie, said, derived.get(USER_KEY)))
        data |= derived
        return Opened(data, dumps(data), is_stale)

    def has_ended(self, record: Record, opened: Opened) -> bool:  # noqa: ARG002 - says the table
        """Return False: the column counts, which Express slides; the table has seen the rest."""
        return False

    # --- writing

    def seal(self, payload: bytes, record: Record, key: Key) -> Any:  # noqa: ARG002 - Express reads it
        return payload

    def draft(
        self,
        data: Data,
        key: Key,
        row: Record | None,
        marks: Marks,
        *,
        payload: bytes | None = None,
        changes_key: bool = False,
        inserts: bool = False,
    ) -> Draft:
        login = _Login.of(data, row, marks, is_merged=row is not self._known.record)
        if login.data is not data:
            payload = None
        marks = replace(marks, stamp=self._stamp(login, row, marks))
        drafted = super().draft(
            login.data, key, row, marks, payload=payload, changes_key=changes_key, inserts=inserts
        )
        record = drafted.record
        known = None if row is None else held_in(row).cookie
        cookie = self._cookie(login.data, known, record)
        record.id, record.user_id = key.digest, login.user_id
        record.data = encode(_in_json(login, record), cookie, self._deep)
        written_over = None if row is None or inserts else row.version
        record.version = self.table.next_version(written_over, record.data)
        keep(record, Held(cookie, login.said, login.derived_id))
        return drafted

    def cookie_options_of(self, row: Record | None) -> CookieOptions:
        """Return what the row says of its cookie, whoever wrote it; Django's settings for none."""
        return (
            conf.cookie_options
            if row is None
            else options_in(held_in(row).cookie, conf.cookie_options)
        )

    def cycle_key(self) -> None:
        """Change the key, and with it the row's id: what providers know the session by follows."""
        self._get_session()
        before = self.row_id
        super().cycle_key()
        after = self.row_id
        if conf.oidc and before is not None and after is not None and after != before:
            links.move(shown_id(before), shown_id(after))

    def flush(self) -> None:
        """End the session. Its row alone says where the browser holds the cookie: it is read."""
        with suppress(SessionUnreadable):
            self._get_session()
        super().flush()

    def _stamp(self, login: "_Login", row: Record | None, marks: Marks) -> Stamp:
        """Return when the user proved who they are, as far as this request knows better.

        Security: that was the user whom this request has seen. What it is merged with, or what a
        view has written where Express says who is signed in, may name another one.
        """
        if isinstance(marks.stamp, int):
            seen = self.__dict__.get("_session_cache", login.data)
            if stored_id(seen) == login.user_id:
                return marks.stamp
        return UNSET if row is None or row.user_id == login.user_id else None

    def note_login(self, user_id: str) -> None:
        """Remember the login, and end that of passport, unless it is of the same user.

        Two identities in one session would both count, each in its half.
        """
        super().note_login(user_id)
        if said_in(self._session).user_id != user_id:
            self.pop(PASSPORT, None)

    def _is_over(self) -> bool:
        """Tell also of a session with a user of passport: a new key would undo Express's logout."""
        return super()._is_over() or passport_user(data_of(self._known.payload)) is not None

    def _cookie(self, data: Data, known: dict[str, Any] | None, record: Record) -> dict[str, Any]:
        """Return Express's cookie object: its expiry is the session's, all else stays."""
        known = cookie_with(conf.cookie_options) if known is None else known
        if self._ends_with_browser(data):
            return cookie_that_expires(known, max_age_ms=None, expires_at_ms=None)
        own, age_ms = data.get(EXPIRY_KEY), lifetime_ms(known)
        if isinstance(own, str):
            age_ms = record.expires_at - record.last_seen_at
        else:
            seconds = _capped(own, data) if own else self._default_seconds(data)
            if age_ms is None or _seconds(age_ms) != seconds:
                age_ms = int(seconds * 1000)
        return cookie_that_expires(known, max_age_ms=age_ms, expires_at_ms=record.expires_at)

    # --- expiry

    def age_of(self, data: Data) -> int | None:
        if self._ends_with_browser(data):
            return express_settings().expiration_ms
        return super().age_of(data)

    def _ends_with_browser(self, data: Data) -> bool:
        own = data.get(EXPIRY_KEY)
        return conf.expires_at_browser_close if own is None else own == 0

    def _default_seconds(self, data: Data) -> float:
        """Return the age of a session that sets none; 0 for as long as the browser is open."""
        if conf.expires_at_browser_close:
            return 0
        return _capped(self.get_session_cookie_age(), data)


def _capped(seconds: float, data: Data) -> float:
    """Return an age within the idle timeout: Express slides a session by its cookie's age."""
    idle = policy_of(data).idle_ms
    return seconds if idle is None else min(seconds, idle / 1000)


@dataclass(slots=True, repr=False)
class _Login:
    """Whose login is written: Django's own, which is stored, or Express's, which never is.

    A derived login that is stored would outlive Express's. ``derived_id`` is its user, whatever has
    become of its hash since; another user is one whom Django has signed in.
    """

    data: Data
    said: Said
    user_id: str | None
    derived_id: str | None

    @classmethod
    def of(cls, data: Data, row: Record | None, marks: Marks, *, is_merged: bool) -> "_Login":
        """Return it for ``data`` on their way into ``row``, which others may have written since."""
        own, said = stored_id(data), said_in(data)
        is_real = own is not None and own == marks.signed_in_id
        if own is None or (row and own == held_in(row).derived_id and not is_real):
            return cls(data, said, said.user_id, own)
        is_new = is_merged if is_real else row and own != row.user_id
        # What a view has told passport itself stays.
        if is_new and row and own != said.user_id and said.state == held_in(row).said.state:
            data = {name: value for name, value in data.items() if name != PASSPORT}
            said = said_in(data)
        return cls(data, said, own, None)


def _in_json(login: _Login, record: Record) -> Data:
    """Return what stands in the JSON: without what the cookie or Express's login says."""
    kept = dict(login.data)
    if login.derived_id is not None:
        drop_login(kept)
    if not isinstance(kept.get(EXPIRY_KEY), str):
        kept.pop(EXPIRY_KEY, None)
    sealed = record.created_at, record.authenticated_at, kept.pop(SIGN_INS_KEY, None)
    kept[seal.OURS] = seal.seal(record.id, kept, login.said, *sealed)
    return kept


def _seconds(age_ms: int | None) -> int:
    """Return whole seconds, at least one; 0 for None. Express's ages drift by a millisecond."""
    return 0 if age_ms is None else max(1, round(age_ms / 1000))


@lru_cache(maxsize=8)
def _keyring(secrets: tuple[str | bytes, ...], prefix: str) -> SidKeyring:
    return SidKeyring(secrets, prefix)
