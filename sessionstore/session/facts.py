"""What can be asked of a session: its names, its user, and whether there is something to save.

Questions, and two notes that the next save writes: what the session is linked to, and how its user
has proved who they are. What says that it loads may cost a SELECT. And Django's ``pop`` and
``clear``, which are not to ask that.
"""

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

from django.core.exceptions import SynchronousOnlyOperation

from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.core.binding import tokens
from sessionstore.core.headers.set_cookie import CookieOptions
from sessionstore.core.keys import Key, as_text, id_of
from sessionstore.core.merge import USER_KEY
from sessionstore.core.record import Data, Record
from sessionstore.core.sign_ins import facts as sign_in_facts
from sessionstore.core.sign_ins.facts import SignIn
from sessionstore.core.sign_ins.methods import IMPERSONATION
from sessionstore.links.names import SID, Name
from sessionstore.links.pending import NO_LINKS
from sessionstore.table.receipts import Receipt, receipt_for

from .drafts import client_differs
from .engine import DjangoSession, Marks, after_load, in_thread
from .expiring import policy_of
from .known import NO_PROOF, UNSET, Answer, Known, Standing, Wish
from .sealed import data_of, differs, dumps

_not_given: Any = object()
# Requests that were under way while the browser was bound have no proof yet, for so long.
_UNDER_WAY_MS = 60_000
# To compare so many bytes takes half a millisecond.
_LARGE = 64 * 1024


class Facts(DjangoSession):
    """The questions of ``store.SessionBackend``."""

    # Set by the middleware: what else the browser holds, as far as it does. Of several proofs one
    # may be right: a sibling domain can set what comes beside the browser's own.
    device_cookies: Sequence[str] = ()
    visitor_cookie: str | None = None
    # Whether the answer may ask the browser to bind the session: somebody has just signed in.
    may_bind = False
    # Whose login this request has left by a flush: who signs in then has not come from nowhere.
    left_user_id: object = None
    # The row that the key opens and this request is not given, without its data.
    withheld: Record | None = None
    # How users have proved in this request who they are, each with whose that is.
    proofs: tuple[tuple[str, SignIn], ...] = ()
    # What this request has linked it to.
    _links = NO_LINKS

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.known_handle or 'without a row'}>"

    @property
    def handle(self) -> str | None:
        """The name by which pages and logs may call this session; it opens nothing.

        The same before and after a login. None for one that has no row; loads.
        """
        self._get_session()
        return self.known_handle

    @property
    def known_handle(self) -> str | None:
        """The handle as far as the row has been read; never loads."""
        row = self._known.record
        return None if row is None else self.table.handle_of(row.id)

    def link(self, issuer: str, sid: str, *, kind: str = SID) -> None:
        """Link this session to the name that ``issuer`` knows it by, when it is saved.

        The name then finds the session whatever its key is by that time. Several sessions may have
        one name, and one session several. Costs one INSERT at the save, and loads nothing. A
        visitor's session that holds nothing is not saved, and so not linked.
        """
        self._links = self._links.adding(Name(issuer, sid, kind))
        self.accessed = self.modified = True

    alink = in_thread(link)

    def _keep_links(self) -> None:
        """Store the links that the row, where it is there, does not have yet."""
        known = self._settled()
        if self._links and known.standing is Standing.STORED:
            session_id = id_of(self.table.handle_of(known.row.id))
            self._links = self._links.kept(session_id, known.row.user_id)

    @property
    def user_id(self) -> str | None:
        """Whose row this is, as far as it has been read; None for nobody's. Never loads."""
        row = self._known.record
        return None if row is None else row.user_id

    @property
    def row_id(self) -> bytes | None:
        """The row's primary key, as far as it has been read; it never changes. Never loads."""
        row = self._known.record
        return None if row is None else row.id

    @property
    def ended_key(self) -> Key | None:
        """The key that the request came with, where its session has ended; loads."""
        self._get_session()
        known = self._known
        return known.key if known.standing is Standing.GONE else known.missed

    @property
    def bound_at_ms(self) -> int | None:
        """Since when the row is bound to a device, in milliseconds; None when it is not. Loads."""
        self._get_session()
        row = self._settled().record
        return None if row is None or conf.device_age_ms is None else row.bound_at

    @property
    def proved_at_ms(self) -> int | None:
        """When the browser has proved lately to be the device that the row is bound to. Loads."""
        self._get_session()
        row = self._settled().record
        return None if row is None else self._proved_at(row)

    @property
    def cookie_name(self) -> str:
        """The name of the cookie that the key belongs into.

        Whoever is a visitor because a session is withheld has a cookie of another name: the own one
        has to be there when the browser proves that it may have the session.
        """
        stands_in = self.withheld is not None and self.user_id is None
        return conf.visitor_cookie_name if stands_in else conf.cookie_name

    @property
    def authenticated_at_ms(self) -> int | None:
        """When the user proved who they are, in milliseconds; None when never or not known.

        Loads.
        """
        self._get_session()
        known = self._settled()
        if known.proof.at is not UNSET:
            return known.proof.at
        return None if known.record is None else known.record.authenticated_at

    @property
    def is_proof_stored(self) -> bool:
        """Tell whether the row has all that was proved in this request, as far as it is known."""
        return self._settled().proof == NO_PROOF

    # --- how the user has proved who they are

    @property
    def sign_ins(self) -> tuple[SignIn, ...]:
        """How and when the user of this session has proved who they are, the oldest first. Loads.

        Empty for nobody's session, and where that is not known.
        """
        data = self._get_session()
        user_id = data.get(USER_KEY)
        owner = None if user_id is None else str(user_id)
        return sign_in_facts.sign_ins_in(data, owner, self.authenticated_at_ms)

    def mark_authenticated(
        self, method: str = "", *, level: int | None = None, provider: str = ""
    ) -> None:
        """Stamp this moment as the one at which the user proved who they are, and note how.

        ``method`` is a word such as "password", "otp", "webauthn" or "oidc"; "" is not known.
        ``level`` is 1 for one factor and 2 for two, or for one that is two, such as a passkey with
        a PIN: without it "otp", "webauthn" and "recovery_code" make 2 on top of another method,
        and all else 1. ``provider`` is who vouches for the user. Loads. Raises ValueError for a
        level that is none.
        """
        at, known = expiry.now_ms(), self.sign_ins
        if self.left_user_id is not None:
            # Another user was signed in a moment ago, and by now it is known that this is no play.
            known = tuple(one for one in known if one.level > 0)
        how = sign_in_facts.fact_of(method, at, level=level, provider=provider, known=known)
        self._note_sign_in(how, known)
        self.may_bind = True
        self._stamp_at(at)

    amark_authenticated = after_load(mark_authenticated)

    def note_impersonation(self, by: object) -> None:
        """Note that somebody else acts as the user of this session, and that nothing is proved."""
        how = sign_in_facts.fact_of(IMPERSONATION, expiry.now_ms(), by=str(by))
        self._note_sign_in(how, ())

    def _note_sign_in(self, how: SignIn, known: Iterable[SignIn]) -> None:
        user_id = self._session.get(USER_KEY)
        if user_id is not None:
            sign_in_facts.add(self._session, str(user_id), how, known=known)
            self.proofs = (*self.proofs, (str(user_id), how))

    @property
    def expires_at_ms(self) -> int | None:
        """When the row ends, if nobody uses it; None when there is no row. Loads."""
        self._get_session()
        row = self._known.record
        return None if row is None else row.expires_at

    @property
    def is_loaded(self) -> bool:
        """Tell whether the data are in memory: read, or put there."""
        return "_session_cache" in self.__dict__

    @property
    def stored_data(self) -> Data:
        """What the row holds, as far as it was last read or written; a copy. Never loads."""
        return data_of(self._known.payload)

    @property
    def failed_to_load(self) -> bool:
        """Tell whether the database failed when the session was to be read."""
        return self._failure is not None

    @property
    def is_large(self) -> bool:
        """Tell whether comparing the data takes long enough to hold up an event loop."""
        return len(self._known.payload or b"") > _LARGE

    def is_stored(self) -> bool:
        """Tell whether this session's key really opens a row: one SELECT when it should."""
        known = self._settled()
        return known.standing is Standing.STORED and self.exists(self.session_key or "")

    def may_send_key(self) -> bool:
        """Tell whether the browser may get the key: whether it opens the row, one SELECT at most.

        Security: a request that wrote nothing in its last save knows its row from before. The key
        may have changed since, and a late answer must not wipe the cookie of that login.
        """
        return self._answer is Answer.KEY or self.is_stored()

    @property
    def cookie_options(self) -> CookieOptions:
        """Where and how the browser is to hold the key. Never loads."""
        return self.cookie_options_of(self._settled().record)

    @property
    def cookie_options_before(self) -> CookieOptions:
        """Where and how it holds the key that it came with, as far as its row has been read."""
        came = self._came_with
        return self.cookie_options if came is None else self.cookie_options_of(came.row)

    def is_empty(self) -> bool:
        """Tell whether there is neither a key that could be ours nor any data."""
        if self.__dict__.get("_session_cache"):
            return False
        known = self._opened()
        if known.shown is not None:
            return False
        return known.text is None or not (
            self.adoption.takes(known.text) and self.adoption.may_hold(self.table, known.text)
        )

    def exists(self, session_key: str | None) -> bool:
        """Tell whether a key has a live row; a malformed or forged one costs no SQL."""
        key = self.keyring.open(as_text(session_key))
        del session_key  # Security: the frame is recorded when the database fails.
        record = None if key is None else self.table.fetch(key.digest, expiry.now_ms())
        if key is None or record is None:
            return False
        opened = self.read_row(record, key)
        return opened is not None and not self.has_ended(record, opened)

    # --- whether the browser may have the session

    def withholds(self, record: Record) -> bool:
        """Tell whether a row is bound to a device, and nobody has shown that it is this one."""
        if record.bound_at is None or conf.device_age_ms is None:
            return False
        is_under_way = expiry.now_ms() - record.bound_at <= _UNDER_WAY_MS
        return not is_under_way and self._proved_at(record) is None

    def _proved_at(self, row: Record) -> int | None:
        bound_at, age_ms = row.bound_at, conf.device_age_ms
        if bound_at is None or age_ms is None:
            return None
        now, about = expiry.now_ms(), (row.id, bound_at)
        for shown in self.device_cookies:
            at = tokens.proved_at(conf.secrets, shown, *about, age_ms=age_ms, now=now)
            if at is not None:
                return at
        return None

    # --- whether there is something to save

    def pop(self, key: str, default: Any = _not_given) -> Any:
        """Remove a key and return its value; KeyError without a default, as `dict.pop`."""
        data = self._session
        # Optimization: Django's asks ``modified``, which here would serialise at each call; that is
        # a sixth of a load.
        if key in data:
            self._wish = Wish.TOUCH
        return data.pop(key) if default is _not_given else data.pop(key, default)

    apop: Any = after_load(pop)

    def clear(self) -> None:
        """Drop all data and keep the row; the row is read when it was not, then or at the save."""
        # Compat: Django's clear() works in async views, where nothing can be loaded.
        with contextlib.suppress(SynchronousOnlyOperation):
            self._get_session()
        super().clear()

    def _has_changed(self, payload: bytes | None = None) -> bool:
        """Tell whether the row has to be written; ``payload`` are the serialised data, if known."""
        known = self._settled()
        is_marked = known.is_stale or known.proof.at is not UNSET
        is_promised = known.standing is Standing.STORED and known.promised is not None
        return is_marked or is_promised or self._client_differs() or self._differs(payload)

    def _differs(self, payload: bytes | None = None) -> bool:
        """Compare the data with those that were loaded. What cannot be written has changed."""
        data, base = self._session_cache, self._known.payload
        if base is None:
            return bool(data)
        try:
            return differs(dumps(data) if payload is None else payload, base)
        except (TypeError, ValueError):
            return True

    def _touch_due(self) -> bool:
        row = self._known.record
        if row is None or self._wish is Wish.SAVE_NOTHING or not self.slides:
            return False
        data = self._session_cache
        # Optimization: where nothing slides, nobody has to know how long the session lives; that
        # saves 2 % of a request.
        return policy_of(data).renews and self.is_behind(row, data)

    def _client_differs(self) -> bool:
        if self._wish is Wish.SAVE_NOTHING or not self.records_client:
            return False
        row = self._known.record
        return client_differs(row, self.client) and self.is_behind(row, self._session_cache)

    def _is_over(self) -> bool:
        """Tell whether an end was final also for whoever asks for a new key: a user's, or in time.

        An anonymous session that somebody has deleted goes on as a new one.
        """
        row = self._known.record
        return row is not None and (row.user_id is not None or row.expires_at <= expiry.now_ms())

    @property
    def _marks(self) -> Marks:
        client = self.client if self.records_client else None
        return Marks(client, self._known.proof.at, self.slides, self._known.proof.signed_in_id)

    def _receipt(self, known: Known) -> Receipt | None:
        return receipt_for(self.table.alias, last=known.receipt)
