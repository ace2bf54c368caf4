"""The session of one request: Django's contract on top of a table.

What the request knows of its row is one value (``known``); this is the only file that replaces it.
"""

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Self, TypeVar

from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.db import DatabaseError, InterfaceError
from django.db.transaction import TransactionManagementError

from sessionstore import telemetry
from sessionstore.conf import conf
from sessionstore.core import journal
from sessionstore.core.keys import Key
from sessionstore.core.merge import USER_KEY, put_in_place
from sessionstore.core.record import Client, Data, Record
from sessionstore.exceptions import SessionStoreUnavailable
from sessionstore.signals import Reason

from . import ending, reading, saving
from .drafts import SealedEngine
from .engine import answer_of, in_thread
from .expiring import Came, Expiry, own_end_in
from .facts import Facts
from .known import Answer, Gone, Known, Replaced, Standing, Wish
from .named import ByHandle
from .sealed import Opened, checked_dumps, data_of, dumps

T = TypeVar("T")

# What a change notes for the next save, beside the data.
_NOTES = ("_wish", "_links", "proofs", "may_bind")
# Only a taken key is a reason to try another one, and 136 random bits do not collide twice.
_CREATE_TRIES = 5


class SessionBackend(ByHandle, Facts, Expiry, SealedEngine):
    """A session: a dict for the view, and a row in the engine's table."""

    # Set by the middleware for the row that a signed-in user leaves.
    client: Client | None = None
    # A view under @does_not_touch sets this to False: its requests do not keep a session alive.
    slides = True
    # Whether this request has given the session a new key: a login does it at most once.
    has_new_key = False
    # The reason that session_revoked tells when the session is flushed.
    ends_because = Reason.FLUSHED

    _known = Known.arriving(None)
    _wish = Wish.NOTHING
    _answer = Answer.NO_KEY
    _failure: Exception | None = None
    _came_with: Came | None = None
    _is_changing = False

    def __init__(self, session_key: str | None = None) -> None:
        # Optimization: what Django's __init__ does, but for its look-up of the serializer: that
        # saves 3 % of a load.
        self.accessed = False
        self.serializer = conf.serializer
        self._session_key = session_key

    # --- the key

    @property
    def session_key(self) -> str | None:
        """What the cookie has to hold; None when there is no session yet."""
        text = self._known.shown_text
        return None if text is None else str(text)  # Compat: as plain as Django's.

    @property
    def _session_key(self) -> str | None:
        return self._known.shown_text

    @_session_key.setter
    def _session_key(self, text: str | None) -> None:
        """Take a key that somebody puts in: what is known of a row is known of another one."""
        self._known = Known.arriving(text)

    def _opened(self) -> Known:
        """Return what is known, with the cookie opened."""
        known = self._known
        if not known.is_opened:
            key = self.keyring.open(known.text)
            if key is None and not self.adoption.takes(known.text):
                telemetry.refused("key")
            self._known = known = known.opened(key)
        return known

    def _settled(self) -> Known:
        """Return what is known by now: blocks of the caller may have ended."""
        if self._known.receipt is not None:
            self._known = self._known.settled()
        return self._known

    # --- loading

    @telemetry.measured("load")
    def load(self) -> Data:
        """Read the row and return its data; {} and no key without a live, undamaged row.

        A load that failed fails again at once for the rest of the request.
        """
        if self._failure is not None:
            raise self._failure
        try:
            opened = self._read()
        except TransactionManagementError:
            # The caller's transaction is broken, and nobody asked the database.
            raise
        except (DatabaseError, InterfaceError, SessionStoreUnavailable) as error:
            self._failure = error
            raise
        return {} if opened is None else opened.data

    def _read(self) -> Opened | None:
        """Look what the cookie opens. A second look at a loaded session changes nothing."""
        look = reading.read(self, self._opened())
        self.withheld = look.withheld or self.withheld
        if not self.is_loaded or look.opened is None:
            self._know_found(look.known)
        if self._came_with is None and look.opened is not None:
            self._came_with = Came(self._known.row, own_end_in(look.opened.data))
        return look.opened

    def _know_found(self, known: Known) -> None:
        is_adopted = known.adopted_from is not None and self._known.adopted_from is None
        self._known = known
        if known.standing is Standing.STORED and not self.is_named:
            journal.note_loaded(self)
        if is_adopted:
            self._answer = Answer.KEY  # The browser has to get its new cookie.
            if self.user_id is not None:
                self.has_signed_in(self.user_id, elsewhere=True)

    def reload(self) -> None:
        """Read the session again and forget every unsaved change; one SELECT."""
        self._known = self._settled().forgotten()
        self._forget()
        self._get_session()

    def _forget(self) -> None:
        self.__dict__.pop("_session_cache", None)
        self.__dict__.pop("_links", None)
        self._failure = None
        self._wish = Wish.NOTHING

    # --- whether there is something to save

    @property
    def modified(self) -> bool:
        """True when a key was set, when the data differ from what was loaded, or a touch is due.

        Reading it never loads and never raises. ``modified = False`` means "save nothing of this":
        the present data become the ones to compare with. ``modified = True`` with equal data is a
        touch. A save never clears it: the answer still has to carry the cookie.
        """
        if self._wish is Wish.TOUCH or self._answer is not Answer.NO_KEY:
            return True
        return self.is_loaded and (self._has_changed() or self._touch_due())

    @modified.setter
    def modified(self, value: bool) -> None:
        if value:
            self._wish = Wish.TOUCH
            return
        self._wish, self._answer = Wish.SAVE_NOTHING, Answer.NO_KEY
        known = self._settled()
        payload = known.payload
        if self.is_loaded and not self._is_changing and self._differs():
            with contextlib.suppress(TypeError, ValueError):
                payload = dumps(self._session_cache) if self._session_cache else None
        self._known = known.declined(payload)

    # --- saving

    @telemetry.measured("save")
    def save(self, must_create: bool = False) -> None:
        """Store what has changed, in as few statements as that takes; nothing changed takes none.

        With ``must_create`` insert a row or raise CreateError. Raises UpdateError when the row is
        gone, SessionTooLarge or SessionNotSerializable when nothing could be written.
        """
        if self._answer is Answer.KEY:
            # The key may have been changed since the last time that the row was seen under it.
            self._answer = Answer.IF_STORED
        try:
            if must_create:
                self._insert_or_fail()
            else:
                self._save()
        except UpdateError:
            ending.tell_interrupted(self, self._known, self.__dict__.get("_session_cache"))
            raise
        if self._known.adopted_from is not None:
            self.adoption.finish(self.table, self._known.adopted_from)
        self._keep_links()

    def _save(self) -> None:
        if self._opened().standing is Standing.UNREAD:
            self._get_session()
        known = self._settled()
        if known.standing is Standing.NEW:
            self._insert_new(known)
            return
        if known.standing is Standing.UNREAD:
            self._find_row()
            known = self._known
        # Optimization: serialised once, to compare and to write; that saves 8 % of a save.
        payload = checked_dumps(self._session_cache, stored=known.payload)
        if known.standing is Standing.GONE or self._has_changed(payload):
            self._write(payload=payload, new_key=known.promised)
        elif self._wish is Wish.TOUCH or self._touch_due():
            self.touch()

    def _write(self, *, payload: bytes | None = None, new_key: Key | None = None) -> None:
        known, data = self._known, self._session_cache
        try:
            saved = saving.write(self, known, data, self._marks, payload=payload, new_key=new_key)
        except Gone:
            # Inside a block that ended it too, a rollback brings the row back.
            self._known = known.ended(self._receipt(known))
            raise
        self._accept(saved)
        saving.tell_merged(self, saved)

    def _insert_new(self, known: Known) -> None:
        if known.promised is None or not self._insert(known.promised):
            self.create()

    def _insert_or_fail(self) -> None:
        key = self._opened().shown
        if key is None:
            self.create()
        elif not self._insert(key):
            raise CreateError

    def create(self) -> None:
        """Insert a row under a new key, with the data that the session holds in memory.

        Raises CreateError when five keys in a row are taken.
        """
        for _ in range(_CREATE_TRIES):
            if self._insert(self.keyring.mint()):
                self.has_new_key = True
                return
        raise CreateError

    def _insert(self, key: Key) -> bool:
        """Insert a row under ``key``; False when that is somebody else's."""
        known, data = self._settled(), self._get_session(no_load=True)
        saved = saving.insert(self, known, data, key, self._marks)
        if saved is None:
            return False
        if known.standing is not Standing.NEW:
            self._known = known.taking(key)
        self._accept(saved)
        saving.tell_created(self, saved)
        return True

    def _accept(self, saved: saving.Saved) -> None:
        """Take over what is in the row now."""
        known, record = self._known, saved.draft.record
        before = known.record
        receipt = self._receipt(known)
        self._known = known.written(record, saved.draft.payload, saved.key, receipt)
        put_in_place(self._session_cache, saved.draft.data)
        self._wish = Wish.NOTHING
        # A late request does not know the key that a login has given to the row.
        self._answer = Answer.IF_STORED if saved.is_late else Answer.KEY
        saving.tell_secured(self, known, record)
        user_id = record.user_id
        if user_id is not None and (before is None or before.user_id != user_id):
            self.has_signed_in(user_id)

    def _find_row(self) -> None:
        """Read the row of a session whose data somebody put there without loading it."""
        known = reading.find_row(self, self._opened())
        if known is None:
            raise Gone
        self._know_found(known)

    def touch(self) -> bool:
        """Move the time of last use on, whether or not that is due; one UPDATE.

        False when there was nothing to do: no row, an expired one, one that others just wrote.
        """
        data, known = self._get_session(), self._settled()
        if known.standing is not Standing.STORED:
            return False
        touched = saving.touch(self, known, data)
        self._known = touched or known
        self._wish = Wish.NOTHING
        self._answer = Answer.IF_STORED if touched is None else Answer.KEY
        return touched is not None

    # --- one change that must not be lost

    def transact(self, change: Callable[[Self], T]) -> T:
        """Run ``change(session)``, save, and run it again if somebody saved in between.

        For read-modify-write on one value, such as a counter. ``change`` may run several times,
        so it should do nothing but change the session; what it answers the last time is answered.
        What it raises goes up, and its changes are dropped, as they are whenever they are not
        stored. Raises UpdateError when the session is gone, SessionStoreUnavailable when it cannot
        be known whether a change was stored.
        """
        if self._is_changing:
            # Inside another change it is a part of that one: both are stored, or neither.
            return answer_of(change, self)
        self.save()
        notes = {name: getattr(self, name) for name in _NOTES}
        run = partial(self._run, change, notes)
        try:
            saved, answer = saving.transact(self, self._settled, self._take, run)
        except BaseException as error:
            # What the change itself raised may be about another session.
            ended = isinstance(error, Gone) and not isinstance(error, Replaced)
            self._drop_change(notes, ended=ended and not self._is_changing)
            raise
        finally:
            self._is_changing = False
        self._accept(saved)
        self._keep_links()
        return answer

    def _drop_change(self, notes: Data, *, ended: bool) -> None:
        """Leave nothing of a change that was not stored: whoever goes on saves at the end."""
        known, wish = self._settled().unproved(), self._wish
        if self.is_loaded:
            put_in_place(self._session_cache, data_of(known.payload))
        if "_links" in vars(self):  # Else the change has flushed the session, or read it again.
            vars(self).update(notes)
        if ended and known.standing is Standing.STORED:
            known, wish = known.ended(self._receipt(known)), Wish.TOUCH
        if known.standing is Standing.GONE:
            self._wish = wish  # The save at the end is to tell it.
        self._known = known

    def _take(self, theirs: Record) -> None:
        """Go on with what the row holds now; changes that have not been saved are dropped."""
        known, key = self._known, self._known.row_key
        opened = self.read_row(theirs, key)
        self._known = reading.known_of(self, known.unproved(), theirs, opened, key)
        put_in_place(self._session_cache, opened.data if opened else {})

    def _run(self, change: Callable[[Self], T], notes: Data) -> tuple[saving.Saved, T]:
        """Run ``change``; return what the row is to hold, and what it answers."""
        vars(self).update(notes)
        self._is_changing = True
        answer = answer_of(change, self)
        self._is_changing = False
        # Asked for only now: a change that saves on its own must not conflict with itself.
        known = self._settled()
        data, marks, base = self._session_cache, self._marks, known.payload
        return saving.drafted(self, known.row, known.row_key, data, marks, base=base), answer

    # --- keys and ends

    def cycle_key(self) -> None:
        """Change the key and keep the data: one statement, so that never two keys are valid.

        Without a row it only takes a new key. When the row is gone, an anonymous session goes on
        as a new one (a double click on "log in" is no error). One that had a user, or that has
        expired, raises UpdateError, or a new key would undo its end.
        """
        self._get_session()
        if self._settled().standing is Standing.UNREAD:
            # Data that were put in without loading must not leave a second valid key.
            with contextlib.suppress(UpdateError):
                self._find_row()
        old, new = self._known.record, self.keyring.mint()
        if self._known.standing in (Standing.STORED, Standing.GONE):
            try:
                self._write(new_key=new)
            except Gone:
                if self._is_over():
                    ending.tell_interrupted(self, self._known, self.__dict__.get("_session_cache"))
                    raise
        if self._known.standing is not Standing.STORED:
            self._known = self._known.taking(new)
            self._wish = Wish.TOUCH
        self.has_new_key = True
        if self._known.shown is new:  # else another request has changed it at the same time
            saving.tell_cycled(self, self._known, old)

    def delete(self, session_key: str | None = None) -> None:
        """Delete the row of a key (forged: ignored), or this session's; session_revoked follows."""
        known = self._endable()
        if session_key is not None and session_key != known.shown_text:
            known = Known.arriving(session_key)
            known = known.opened(self.keyring.open(session_key))
        del session_key  # Security: as in exists().
        ending.end(self, known, Reason.DELETED)
        if known is self._known:
            # The middleware repeats what a rollback takes back; without it the row is there again.
            is_final = journal.current() is not None
            if known.standing is Standing.STORED:
                self._known = known.ended(None if is_final else self._receipt(known))
            elif known.standing is Standing.UNREAD and is_final and not self.is_loaded:
                self._known = known.missing()

    def flush(self) -> None:
        """End the session: row, data and key go. Afterwards the object is a visitor's session."""
        if self.is_loaded:
            self.left_user_id = self._session_cache.get(USER_KEY, self.left_user_id)
        events, left = journal.current(), self.cookie_options_before
        ending.end(self, self._endable(), self.ends_because)
        if self.ends_because is Reason.LOGOUT:
            self.withheld = None  # The user wants this browser to forget it, whosever it is.
        self._forget()
        self._known, self._answer = Known.arriving(None), Answer.NO_KEY
        self._session_cache = {}
        self.accessed = self.modified = True
        self.has_new_key = True
        if events is not None:
            events.left = events.left or left

    def _endable(self) -> Known:
        """Return what is known of a row that may be ended: not of one that is withheld."""
        withheld = reading.withheld(self, self._opened())
        if withheld is not None:
            self.withheld, self._known = withheld, Known.arriving(None)
        return self._settled()

    def _stamp_at(self, at: int) -> None:
        self._known = self._settled().stamped(at)
        self.modified = True

    def note_login(self, user_id: str) -> None:
        """Remember that Django has signed this user in: the next save writes a login."""
        self._known = self._settled().signed_in(user_id)

    def unbind(self) -> None:
        """Take away the binding that this request has seen, and no newer one."""
        row = self._settled().record
        if row is None or row.bound_at is None or not self.table.unbind(row.id, row.bound_at):
            return
        self._known = self._known.unbound(self.table.next_version(row.version, b""))

    # The async names that Django does not hand over itself.
    acycle_key = in_thread(cycle_key)
    aflush = in_thread(flush)
    areload = in_thread(reload)
    atouch = in_thread(touch)
    atransact = in_thread(transact)
