"""The session of one request: its key and its data.

The layers of an engine, each a class on top of the other: ``loading`` (here), ``changing`` (whether
there is something to save), ``expiring`` (when the session ends), ``writing`` (what a save does),
``settling`` (after rollbacks), ``conflicts``, ``adopting`` (sessions of another engine),
``ending``, ``base`` (the verbs of a request, and the async names). What a table does is behind
``rows``, a few verbs.
"""

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.contrib.sessions.backends.base import SessionBase
from django.db import DatabaseError, InterfaceError
from django.db.transaction import TransactionManagementError

from sessionstore import telemetry
from sessionstore.conf import conf
from sessionstore.core import expiry, journal
from sessionstore.core.keys import Key
from sessionstore.core.record import Client, Record
from sessionstore.exceptions import SessionStoreUnavailable
from sessionstore.session.payload import loads
from sessionstore.session.refusing import tell_refused

security_log = logging.getLogger("sessionstore.security")

if TYPE_CHECKING:
    # Compat: django-stubs leaves out the protected members that every engine is built on.
    class _DjangoSession(SessionBase):
        _session_cache: dict[str, Any]
        _session: dict[str, Any]

        def _get_session(self, no_load: bool = False) -> dict[str, Any]: ...
        async def _aget_session(self, no_load: bool = False) -> dict[str, Any]: ...
else:
    _DjangoSession = SessionBase


class LoadedSession(_DjangoSession):
    """Key and data, as the row has them."""

    # Set by the middleware for the row that a signed-in user leaves.
    client: Client | None = None
    # A view under @does_not_touch sets this to False: its requests do not keep a session alive.
    slides = True

    # The row as it was last read or written, without its data; None means there is none yet.
    _row: Record | None = None
    # The serialised data of that row; None stands for no data at all.
    _base: bytes | None = None
    _opened: tuple[str | None, Key | None] = (None, None)
    _failure: Exception | None = None
    _key_is_new = _must_rewrite = _set = _stored = _declined = False
    # Whether this request's last write or touch found the row.
    _is_confirmed = False

    def __init__(self, session_key: str | None = None) -> None:
        # Optimization: what Django's __init__ does, but for its look-up of the serializer, which
        # takes as long as opening the key.
        self._session_key = session_key
        self.accessed = False
        self.serializer = conf.serializer

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.handle or 'without a key'}>"

    # --- the key

    @property
    def _key(self) -> Key | None:
        """The opened key; None for a key that is malformed or not ours."""
        text, key = self._opened
        if text != self._session_key:
            key = self.keyring.open(self._session_key)
            self._opened = (self._session_key, key)
            # Other apps put keys in: what is known of the row is known of another one.
            if self._row is not None or self._key_is_new:
                self._key_is_new, self._row, self._base = False, None, None
            if key is None and self._session_key and not self._old_key:
                telemetry.refused("key")
        return key

    def _take_key(self, key: Key, *, is_new: bool = False) -> None:
        self._session_key = key.text
        self._opened = (key.text, key)
        self._key_is_new = is_new

    @property
    def handle(self) -> str | None:
        """The name by which pages and logs may call this session; it opens nothing."""
        return self._key.handle if self._key else None

    def is_empty(self) -> bool:
        """Tell whether there is neither a key that could be ours nor any data."""
        if self._key is not None or getattr(self, "_session_cache", None):
            return False
        return not self._can_be_adopted()

    # The cookie of an engine that sessions are adopted from; see ``adopting``.
    _old_key: str | None = None

    def _can_be_adopted(self) -> bool:
        return False

    def _adopt(self, old_key: str) -> tuple[Key, Record] | None:  # noqa: ARG002 - see ``adopting``
        return None

    # --- loading

    @property
    def rows(self) -> Any:
        return rows_of(type(self))

    @classmethod
    def get_rows(cls) -> Any:
        raise NotImplementedError

    @telemetry.measured("load")
    def load(self) -> dict[str, Any]:
        """Read the row and answer its data; {} and no key without a live, undamaged row.

        A load that failed fails again at once for the rest of the request.
        """
        if self._failure is not None:
            raise self._failure
        try:
            found = self._find()
            if found is None and self._session_key:
                tell_refused(self, self._key)
        except TransactionManagementError:
            # The caller's transaction is broken, and nobody asked the database.
            raise
        except (DatabaseError, InterfaceError, SessionStoreUnavailable) as error:
            self._failure = error
            raise
        if found is None:
            self._session_key = None
            return {}
        key, row = found
        data, payload, stale = self._read(row, key)
        if payload is None:
            # Who could write to the table must not get a session that goes on under their key.
            self._session_key = None
        elif not self.is_loaded:
            self._row, self._base = row.without_data(), payload
            journal.note_loaded(self)
            self._must_rewrite = stale or key.stale
            if key is not self._key:
                self._take_key(key)
                self._stored = True  # The answer has to carry the new cookie.
            elif key.stale:
                self._take_key(self.keyring.renew(key))
        return data

    def _find(self) -> tuple[Key, Record] | None:
        """Answer the key and the live row that the cookie opens."""
        key = self._key
        if key is None:
            return self._adopt(self._old_key) if self._old_key else None
        row = self.rows.fetch(key.id, expiry.now_ms())
        return None if row is None else (key, row)

    def _read(self, row: Record, key: Key) -> tuple[dict[str, Any], bytes | None, bool]:
        """Answer a row's data, its payload (None when damaged), and whether to write it again."""
        decoded = self.codec.decode(row.data, key)
        data = None if decoded is None else loads(decoded.payload)
        if decoded is None or data is None:
            security_log.warning("Session %s is damaged; it counts as empty", key.handle)
            telemetry.refused("data")
            return {}, None, False
        return data, decoded.payload, decoded.stale

    @property
    def codec(self) -> Any:
        return conf.codec

    @property
    def keyring(self) -> Any:
        return conf.keyring

    @property
    def failed_to_load(self) -> bool:
        return self._failure is not None

    @property
    def is_loaded(self) -> bool:
        """Tell whether the data are in memory: read, or put there."""
        return "_session_cache" in self.__dict__

    def reload(self) -> None:
        """Read the session again and forget every unsaved change; one SELECT."""
        self._forget()
        self._get_session()

    def _forget(self) -> None:
        self.__dict__.pop("_session_cache", None)
        self._row = self._base = self._failure = None
        self._set = self._declined = self._must_rewrite = False


@lru_cache(maxsize=32)
def rows_of(engine: type[LoadedSession]) -> Any:
    """Answer the table of an engine; always the same object, which keeps what it has found out."""
    return engine.get_rows()
