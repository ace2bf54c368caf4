"""The verbs of a request: save, create, cycle_key, delete, flush, touch, and their async names."""

import contextlib
from collections.abc import Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.base import CreateError, UpdateError

from sessionstore import telemetry
from sessionstore.cleaning import clear_expired
from sessionstore.core import expiry
from sessionstore.session.conflicts import Gone
from sessionstore.session.ending import EndingSession
from sessionstore.session.payload import checked_dumps
from sessionstore.session.writing import UNSET
from sessionstore.signals import session_created, session_cycled

# Only a taken id is a reason to try another one, and 136 random bits do not collide twice.
_CREATE_TRIES = 5


class SessionBackend(EndingSession):
    """Django's contract on top of rows."""

    @telemetry.measured("save")
    def save(self, must_create: bool = False) -> None:
        """Store what has changed, in as few statements as that takes; nothing changed takes none.

        With ``must_create`` insert a row or raise CreateError. Raises UpdateError when the row is
        gone, SessionTooLarge or SessionNotSerializable when nothing could be written.
        """
        try:
            self._save(must_create=must_create)
        except UpdateError:
            self._tell_interrupted()
            raise

    def _save(self, *, must_create: bool) -> None:
        if (self._key is not None or self._old_key) and not must_create:
            self._get_session()
            self._settle()
        key = self._key
        if key is None:
            self.create()
        elif must_create or (self._row is None and self._key_is_new):
            self._create_under(key, or_fail=must_create)
        else:
            self._find_row()
            # Optimization: serialised once, to compare and to write.
            payload = checked_dumps(self._session_cache)
            if self._is_marked or self._has_changed(payload):
                self._write(key, payload)
            elif self._set or self._touch_due():
                self.touch()

    def create(self) -> None:
        """Insert a row under a new key, with the data that the session holds in memory.

        Raises CreateError when five keys in a row are taken.
        """
        for _ in range(_CREATE_TRIES):
            if self._insert(self.keyring.mint()):
                self.has_new_key = True
                self._tell_created()
                return
        raise CreateError

    def cycle_key(self) -> None:
        """Change the key and keep the data: one statement, so that never two keys are valid.

        Without a row it only takes a new key. When the row is gone, an anonymous session goes on
        as a new one (a double click on "log in" is no error); one that had a user raises
        UpdateError, or a new key would undo a logout.
        """
        self._get_session()
        old_key = self._key
        self._settle()
        if old_key is not None and not self._key_is_new:
            # Data that were put in without loading must not leave a second valid key.
            with contextlib.suppress(UpdateError):
                self._find_row()
        old, new = self._row, self.keyring.mint()
        if old is not None:
            try:
                self._write(new)
            except Gone:
                if old.user_id is not None:
                    self._tell_interrupted()
                    raise
                self._row = self._base = None
        if self._row is None:
            self._take_key(new, is_new=True)
            self._set = True
        self.has_new_key = True
        session_cycled.send(
            type(self),
            handle=self.handle,
            old_handle=None if old_key is None else old_key.handle,
            user_id=None if old is None else old.user_id,
        )

    def touch(self) -> bool:
        """Move the time of last use on, whether or not that is due; one UPDATE.

        False when there was nothing to do: no row, an expired one, one that others just wrote.
        """
        self._get_session()
        row = self._row
        if row is None:
            return False
        now = expiry.now_ms()
        expires = self._expires_at(self._session_cache, seen=now, started=row.started_at)
        touched = bool(self.rows.touch(row.id, now, expires, row.version))
        if touched:
            self._row = row.seen(now, expires)
        self._set = False
        self._stored, self._is_confirmed = True, touched
        return touched

    def is_stored(self) -> bool:
        """Tell whether this session's row really is in the table: one SELECT when it should be."""
        return self._row is not None and self.exists(self.session_key)

    def may_send_key(self, sent: str | None) -> bool:
        """Tell whether the browser may get the key again; ``sent`` is the one it came with.

        Security: a request that wrote nothing knows its row from the beginning. The key may have
        changed since, and a late answer must not wipe the cookie of that login.
        """
        return self._is_confirmed or self.session_key != sent or self.is_stored()

    def exists(self, session_key: str | None) -> bool:
        """Tell whether a key has a live row; a malformed or forged one costs no SQL."""
        key = self.keyring.open(session_key)
        return key is not None and self.rows.fetch(key.id, expiry.now_ms()) is not None

    def mark_authenticated(self) -> None:
        """Stamp this moment as the one at which the user proved who they are."""
        self._authenticated_at = expiry.now_ms()
        self.modified = True

    def unmark_authenticated(self) -> None:
        """Take the stamp away: whoever acts here has not proved to be this user."""
        self._authenticated_at = None
        self.modified = True

    @property
    def authenticated_at_ms(self) -> int | None:
        """When the user proved who they are, in milliseconds; None when never or not known."""
        self._get_session()
        if self._authenticated_at is not UNSET:
            return self._authenticated_at
        return None if self._row is None else self._row.authenticated_at

    @classmethod
    def clear_expired(cls) -> int:  # type: ignore[override]
        """Delete expired rows in batches; answer how many."""
        return clear_expired(cls.get_rows()).removed

    # --- the async names: one body for both worlds cannot drift apart

    async def acycle_key(self) -> None:
        await sync_to_async(self.cycle_key)()

    async def aflush(self) -> None:
        await sync_to_async(self.flush)()

    async def areload(self) -> None:
        await sync_to_async(self.reload)()

    async def atouch(self) -> bool:
        return await sync_to_async(self.touch)()

    async def atransact(self, change: Callable[[Any], Any]) -> Any:
        """See transact(); ``change`` is an ordinary function and runs in the thread."""
        return await sync_to_async(self.transact)(change)

    async def apop(self, key: str, *default: Any, **named: Any) -> Any:
        await self._aget_session()
        return self.pop(key, *default, **named)

    # --- below

    def _create_under(self, key: Any, *, or_fail: bool) -> None:
        if self._insert(key):
            self._tell_created()
        elif or_fail:
            raise CreateError
        else:
            self.create()

    def _tell_created(self) -> None:
        row = self._known_row()
        session_created.send(type(self), handle=self.handle, user_id=row.user_id)

    def _find_row(self) -> None:
        """Read the row of a session whose data somebody put there without loading it."""
        if self._row is not None:
            return
        row = self.rows.fetch(self._key_of_row().id, expiry.now_ms())
        if row is None:
            raise UpdateError
        data = self._session_cache
        self._take_row(row, self._key_of_row())
        self._session_cache = data
