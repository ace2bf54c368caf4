"""A session that code has got by its handle: a job, a command, the shell.

Its key is in a browser and nowhere else. So it can be read, written and ended here, and whatever
takes the key is refused: it would sign that browser out.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NoReturn, Self, TypeVar, cast

from asgiref.sync import sync_to_async

from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.core.codec import is_encrypted
from sessionstore.core.crypto import HiddenBytes, HiddenText
from sessionstore.core.keys import Key
from sessionstore.core.record import IMPORTED, Data, Record
from sessionstore.exceptions import KeyNeeded, NoSuchSession
from sessionstore.session import reading
from sessionstore.session.drafts import table_of
from sessionstore.session.engine import DjangoSession, Engine
from sessionstore.session.known import Gone, Known, Standing
from sessionstore.session.sealed import Opened
from sessionstore.table.retry import unavailable

T = TypeVar("T")
# Each time that the key has changed in between; nobody signs in so often.
_TRIES = 10


class ByHandle(DjangoSession):
    """The way to such a session, from its engine."""

    # Whether it was got by its handle: then it belongs to no request.
    is_named = False

    @property
    def sender(self) -> Any:
        """The engine, as signals name it."""
        return type(self)

    @classmethod
    def by_handle(cls, handle: str) -> Self:
        """Return the live session that a handle names, to read, write or end it from any code.

        One SELECT. It has no ``session_key``, makes no new one, and what is written by it keeps
        nobody signed in for longer. Raises NoSuchSession when there is none (any more), KeyNeeded
        when its data are encrypted, or wait under a cookie of another engine.
        """
        session: Any = _named(cls.sender if cls.is_named else cls)()
        session.named_by = handle
        session._get_session()
        return cast("Self", session)

    @classmethod
    async def aby_handle(cls, handle: str) -> Self:
        """Return what ``by_handle`` does."""
        return await sync_to_async(cls.by_handle)(handle)


class _Named(DjangoSession):
    """What such a session does otherwise than one of a request: stands before its engine."""

    is_named = True
    slides = False
    named_by: str
    sender: Any

    @property
    def table(self) -> Any:
        return table_of(self.sender)

    @property
    def session_key(self) -> None:
        """None: the key is in a browser, and nowhere else."""
        return None

    # --- reading

    def _get_session(self, no_load: bool = False) -> Data:  # noqa: ARG002 - Django's name
        if not self.is_loaded:
            self._session_cache = self.load()
        return self._session_cache

    def _read(self) -> Opened:
        """Look for the row by its handle, whatever key it has by now."""
        row_ids = self.table.with_handle(self.named_by)
        record = self.table.find(row_ids[0], expiry.now_ms()) if row_ids else None
        if record is None:
            self._refuse_ended()
        if record.version == IMPORTED:
            # Its old cookie opens it as long as nobody has written it.
            self._refuse("has been imported, and its browser has not come since: wait until then")
        key = Key(HiddenText(), HiddenBytes(record.digest), HiddenBytes())
        opened = self.read_row(record, key)
        if opened is None or self.has_ended(record, opened):
            self._refuse_ended()
        known, engine = Known(Standing.UNREAD, is_opened=True, key=key), cast("Engine", self)
        self._know_found(reading.known_of(engine, known, record, opened, key))
        return opened

    def read_row(self, record: Record, key: Key) -> Opened | None:
        """Return what a row holds. Raises KeyNeeded for what only the cookie can open, or seal."""
        if conf.encrypt or is_encrypted(record.data):
            self._refuse("is encrypted (SESSIONSTORE_ENCRYPT), and only its cookie opens it")
        return super().read_row(record, key)

    def withholds(self, record: Record) -> bool:  # noqa: ARG002 - whatever it is bound to
        """Return False: that a session is bound to a device keeps other browsers out."""
        return False

    # --- writing

    def transact(self, change: Callable[[Self], T]) -> T:
        """Run a change as ever; once more where the key was changed meanwhile, as by a login."""
        for _ in range(_TRIES):
            try:
                return super().transact(change)
            except Gone:
                self.reload()
        message = "Its key is changed again and again."
        raise unavailable(message)

    def save(self, must_create: bool = False) -> None:
        """Store what has changed. Raises NoSuchSession when it has ended meanwhile."""
        try:
            super().save(must_create)
        except Gone:
            self._refuse_ended()

    def _insert(self, key: Key) -> NoReturn:  # noqa: ARG002 - none is made
        self._refuse_ended()

    def create(self) -> NoReturn:
        """Raise KeyNeeded: a new session is made under a key, which goes to a browser."""
        self._refuse("was got by its handle, and makes no new session")

    def cycle_key(self) -> NoReturn:
        """Raise KeyNeeded: nobody could tell the browser the new key."""
        self._refuse("keeps its key: with another one its browser would be signed out")

    def flush(self) -> None:
        """End it, as ``delete()`` does."""
        self.delete()

    # --- words

    def _refuse(self, why: str) -> NoReturn:
        message = (
            f"The session {self.named_by} {why}. It can be ended: "
            f"sessionstore.users.end_session({self.named_by!r})."
        )
        raise KeyNeeded(message)

    def _refuse_ended(self) -> NoReturn:
        message = f"No live session has the handle {self.named_by!r}: it has ended, or never was."
        raise NoSuchSession(message)


@lru_cache(maxsize=32)
def _named(engine: Any) -> Any:
    """Return an engine's class for its sessions by handle; what is told names the engine."""
    return type(engine.__name__, (_Named, engine), {"sender": engine})
