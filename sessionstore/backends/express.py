"""The engine that shares live sessions with an Express application, in both directions.

``SESSION_ENGINE = "sessionstore.backends.express"`` with ``SESSION_COOKIE_NAME = "connect.sid"``
and SESSIONSTORE_EXPRESS. What Express stores beside the session's data, its ``cookie`` object, is
kept and hidden; its ages and Django's ``set_expiry()`` are one and the same.
"""

from functools import lru_cache
from secrets import token_urlsafe
from typing import Any

from sessionstore.conf import conf
from sessionstore.core.express_format import cookie_that_expires, encode, lifetime_ms
from sessionstore.core.headers.set_cookie import CookieOptions
from sessionstore.core.keys import Key
from sessionstore.core.record import Data, Record
from sessionstore.express.cookies import cookie_with, options_in
from sessionstore.express.keys import SidKeyring
from sessionstore.express.record import OURS, express_settings
from sessionstore.express.rows import SharedTable
from sessionstore.express.users import drop_impossible_login, login_of, user_id_of
from sessionstore.session.engine import Draft, Marks
from sessionstore.session.expiring import EXPIRY_KEY, policy_of
from sessionstore.session.known import UNSET
from sessionstore.session.sealed import Opened, dumps, tell_damaged, tell_unreadable
from sessionstore.session.store import SessionBackend


class SessionStore(SessionBackend):
    """Sessions in the table of SESSIONSTORE_EXPRESS."""

    records_client = False

    @classmethod
    def get_table(cls) -> SharedTable:
        return SharedTable()

    @property
    def keyring(self) -> SidKeyring:
        settings = express_settings()
        return _keyring(settings.secrets, settings.prefix)

    # --- reading

    def read_row(self, record: Record, key: Key) -> Opened | None:  # noqa: ARG002 - nothing is sealed
        data, cookie = record.extra["data"], record.extra["cookie"]
        if record.extra["unreadable"] is not None:
            tell_unreadable(self.table.handle_of(record.id), record.extra["unreadable"])
            raise record.extra["unreadable"]
        if data is None:
            tell_damaged(self.table.handle_of(record.id))
            return None
        # The absolute timeout counts from the first time that Django stores a session.
        is_stale = conf.policy.absolute_ms is not None and not record.extra["is_stamped"]
        if EXPIRY_KEY not in data and "originalMaxAge" in cookie:
            own = _seconds(lifetime_ms(cookie))
            if own != self._default_seconds(data):
                data[EXPIRY_KEY] = own
        drop_impossible_login(data)
        derived = login_of(data)
        # What the next draft has to know.
        record.extra = {"cookie": cookie, "derived": derived, "deep": record.extra["deep"]}
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
        drafted = super().draft(
            data, key, row, marks, payload=payload, changes_key=changes_key, inserts=inserts
        )
        record, known = drafted.record, {} if row is None else row.extra
        cookie = self._cookie(data, known.get("cookie"), record)
        # The derived login is not stored: it would outlive Express's. Django's own takes its place.
        derived = known.get("derived", {}) if marks.stamp is UNSET else {}
        if any(data.get(name) != value for name, value in derived.items()):
            derived = {}
        record.id, record.user_id = key.digest, user_id_of(data)
        deep = known.get("deep", {})
        record.data = encode(_in_json(data, derived, record), cookie, deep)
        written_over = None if row is None or inserts else row.version
        record.version = self.table.next_version(written_over, record.data)
        record.extra = {"cookie": cookie, "derived": derived, "deep": deep}
        return drafted

    def cookie_options_of(self, row: Record | None) -> CookieOptions:
        """Return what the row says of its cookie, whoever wrote it; Django's settings for none."""
        return (
            conf.cookie_options
            if row is None
            else options_in(row.extra["cookie"], conf.cookie_options)
        )

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


def _in_json(data: Data, derived: dict[str, str], record: Record) -> Data:
    """Return what stands in the JSON: without what the cookie or Express's login says."""
    times = {"created_at": record.created_at, "authenticated_at": record.authenticated_at}
    kept = {name: value for name, value in data.items() if name not in derived}
    if not isinstance(kept.get(EXPIRY_KEY), str):
        kept.pop(EXPIRY_KEY, None)
    # The nonce makes each text unique: a writer recognises its own after a lost connection.
    kept[OURS] = {"nonce": token_urlsafe(6)}
    kept[OURS] |= {name: at for name, at in times.items() if at is not None}
    return kept


def _seconds(age_ms: int | None) -> int:
    """Return whole seconds, at least one; 0 for None. Express's ages drift by a millisecond."""
    return 0 if age_ms is None else max(1, round(age_ms / 1000))


@lru_cache(maxsize=8)
def _keyring(secrets: tuple[str | bytes, ...], prefix: str) -> SidKeyring:
    return SidKeyring(secrets, prefix)
