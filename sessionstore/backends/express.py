"""The engine that shares live sessions with an Express application, in both directions.

``SESSION_ENGINE = "sessionstore.backends.express"`` with ``SESSION_COOKIE_NAME = "connect.sid"``
and SESSIONSTORE_EXPRESS. What Express stores beside the session's data, its ``cookie`` object, is
kept and hidden; its ages and Django's ``set_expiry()`` are one and the same.
"""

import secrets
from dataclasses import replace
from functools import lru_cache
from typing import Any

from sessionstore.backends.base import SessionBackend
from sessionstore.conf import conf
from sessionstore.core.express_format import cookie_that_expires, encode, lifetime_ms
from sessionstore.core.keys import Key
from sessionstore.core.record import Record
from sessionstore.express.keys import SidKeyring
from sessionstore.express.record import OURS, TextVersion, express_settings
from sessionstore.express.rows import ExpressRows
from sessionstore.express.users import drop_impossible_login, login_of
from sessionstore.session.expiring import EXPIRY_KEY
from sessionstore.session.lifetime import policy_of
from sessionstore.session.loading import security_log
from sessionstore.session.payload import dumps
from sessionstore.session.writing import UNSET, Writing


class SessionStore(SessionBackend):
    """Sessions in the table of SESSIONSTORE_EXPRESS."""

    # The login that was derived from Express's: it is not stored, or it would outlive that one.
    _mapped: dict[str, str] | None = None

    @classmethod
    def get_rows(cls) -> ExpressRows:
        return ExpressRows()

    @property
    def codec(self) -> Any:
        return _AsItIs

    @property
    def keyring(self) -> SidKeyring:
        return _keyring(express_settings().secrets)

    # --- reading

    def _read(self, row: Record, key: Key) -> tuple[dict[str, Any], bytes | None, bool]:
        data = row.extra["data"]
        if data is None:
            security_log.warning("Session %s is damaged; it counts as empty", key.handle)
            return {}, None, False
        if EXPIRY_KEY not in data and "originalMaxAge" in row.extra["cookie"]:
            own = _seconds(lifetime_ms(row.extra["cookie"]))
            if own != self._default_seconds(data):
                data[EXPIRY_KEY] = own
        drop_impossible_login(data)
        self._mapped = login_of(data)
        data |= self._mapped
        # The absolute timeout counts from the first time that Django stores a session.
        stale = conf.policy.absolute_ms is not None and not row.extra["is_stamped"]
        return data, dumps(data), stale

    def _client_changed(self) -> bool:
        """Say no: the table has no columns for the client."""
        return False

    # --- writing

    def _writing(
        self,
        data: dict[str, Any],
        key: Key,
        row: Record | None,
        *,
        payload: bytes | None = None,
        inserts: bool = False,
    ) -> Writing:
        written = super()._writing(data, key, row, payload=payload, inserts=inserts)
        cookie = self._cookie(data, {} if row is None else row.extra["cookie"], written.record)
        text = encode(self._in_json(data, written.record), cookie)
        follows = None if row is None or inserts else row.version.text
        record = replace(
            written.record,
            data=text,
            version=TextVersion(text, follows),
            extra={"cookie": cookie, "is_stamped": True},
        )
        return replace(written, record=record)

    def _in_json(self, data: dict[str, Any], record: Record) -> dict[str, Any]:
        """Answer what stands in the JSON: without what the cookie or Express's login says."""
        if self._authenticated_at is not UNSET:
            # Django's own login has taken the place of the derived one.
            self._mapped = None
        derived = self._mapped or {}
        if any(data.get(name) != value for name, value in derived.items()):
            derived = {}
        times = {"created_at": record.created_at, "authenticated_at": record.authenticated_at}
        kept = {name: value for name, value in data.items() if name not in derived}
        if not isinstance(kept.get(EXPIRY_KEY), str):
            kept.pop(EXPIRY_KEY, None)
        # The nonce makes each text unique: a writer recognises its own after a lost connection.
        kept[OURS] = {"nonce": secrets.token_urlsafe(6)}
        kept[OURS] |= {name: at for name, at in times.items() if at is not None}
        return kept

    def _cookie(
        self, data: dict[str, Any], known: dict[str, Any], record: Record
    ) -> dict[str, Any]:
        """Answer Express's cookie object: its expiry is the session's, all else stays."""
        known = known or _new_cookie()
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

    def _expires_at(self, data: dict[str, Any], *, seen: int, started: int) -> int:
        if not self._ends_with_browser(data):
            return super()._expires_at(data, seen=seen, started=started)
        end = seen + express_settings().expiration_ms
        return policy_of(data).deadline(end, last_seen_at=seen, started_at=started)

    def _ends_with_browser(self, data: dict[str, Any]) -> bool:
        own = data.get(EXPIRY_KEY)
        return conf.expires_at_browser_close if own is None else own == 0

    def _default_seconds(self, data: dict[str, Any]) -> float:
        """Answer the age of a session that sets none; 0 for as long as the browser is open."""
        if conf.expires_at_browser_close:
            return 0
        return _capped(self.get_session_cookie_age(), data)


def _capped(seconds: float, data: dict[str, Any]) -> float:
    """Answer an age within the idle timeout: Express slides a session by its cookie's age."""
    idle = policy_of(data).idle_ms
    return seconds if idle is None else min(seconds, idle / 1000)


class _AsItIs:
    """The codec: nothing is sealed, because Express has to read it."""

    @staticmethod
    def encode(payload: bytes, key: Key) -> bytes:  # noqa: ARG004 - other codecs need it
        return payload


def _seconds(age_ms: int | None) -> int:
    """Answer whole seconds, at least one; 0 for None. Express's ages drift by a millisecond."""
    return 0 if age_ms is None else max(1, round(age_ms / 1000))


def _new_cookie() -> dict[str, Any]:
    """Answer the cookie object of a session that begins in Django, from its cookie settings."""
    scope, flags = conf.cookie_scope(), conf.cookie_flags()
    cookie: dict[str, Any] = {"httpOnly": flags["httponly"], "path": scope["path"]}
    if flags["secure"]:
        cookie["secure"] = True
    if scope["domain"]:
        cookie["domain"] = scope["domain"]
    if scope["samesite"]:
        cookie["sameSite"] = scope["samesite"].lower()
    return cookie


@lru_cache(maxsize=8)
def _keyring(secrets: tuple[str, ...]) -> SidKeyring:
    return SidKeyring(secrets)
