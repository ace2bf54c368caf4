"""Everything that a request knows of its row: one value, replaced as a whole.

Its standing is UNREAD, NEW, STORED or GONE; the methods are the transitions between them, and each
returns another value. Only ``store`` keeps one.

A write inside a transaction of the caller may be taken back. What was before is kept with it, and
a receipt that Django drops when it rolls the block back: then what was before holds again.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

from django.contrib.sessions.backends.base import UpdateError

from sessionstore.core.crypto import HiddenText
from sessionstore.core.keys import Key, as_text
from sessionstore.core.record import Record, Version
from sessionstore.table.receipts import Fate, Receipt


class Gone(UpdateError):  # noqa: N818 - it says what is
    """The row has ended, and that is final: nothing brings it back."""


class Replaced(Gone):
    """It has for this request: its key was replaced, and what is there since it may not read."""


class Standing(Enum):
    """Where the row of a session stands, as far as this request knows."""

    UNREAD = auto()  # a cookie came, and nobody has looked
    NEW = auto()  # there is none yet
    STORED = auto()  # it is there
    GONE = auto()  # it was there, and has ended


class Wish(Enum):
    """What the view has said by ``modified = ...`` since the last save."""

    NOTHING = auto()
    TOUCH = auto()  # or by setting a key; with equal data it keeps the session alive
    SAVE_NOTHING = auto()


class Answer(Enum):
    """Whether the answer of this request has to carry the key."""

    NO_KEY = auto()
    IF_STORED = auto()  # something was written, but not seen in the table under this key
    KEY = auto()


class _Unset(Enum):
    # Compat: copies and pickles of a session keep the identity of an enum's member.
    UNSET = auto()


_SHORTEST_KEY: Final = 8
UNSET: Final = _Unset.UNSET
Stamp = int | None | _Unset


@dataclass(frozen=True, slots=True)
class Proof:
    """What a user has proved in this request, and the next save is to write.

    ``at`` is the moment. ``signed_in_id`` is whom Django has signed in, where that is a login and
    no other proof.
    """

    at: Stamp = UNSET
    signed_in_id: str | None = None

    def then(self, later: "Proof") -> "Proof":
        """Return what is to be written of both."""
        if self == NO_PROOF or later == NO_PROOF:
            return self if later == NO_PROOF else later
        at = self.at if later.at is UNSET else later.at
        return Proof(at, later.signed_in_id or self.signed_in_id)


NO_PROOF: Final = Proof()


# Optimization: not frozen, though nobody changes one: each request makes three, and frozen ones are
# 17 % of a load.
@dataclass(slots=True, repr=False)
class Known:
    """What is known of the row, and by which key.

    ``text`` is a cookie that has not been opened, or that is no key of ours. ``key`` opens the row.
    ``promised`` is a key that the view has seen and the row has yet to get: taken without a row, or
    by a change of key that was rolled back. ``missed`` is a valid key that found no row.
    ``record`` is the row as it was last read or written, without its data, and ``payload`` the
    serialised data in it; None stands for no data at all. ``is_stale`` tells that it should be
    written again, ``proof`` what is to be written of the login. ``adopted_from`` is the cookie of
    another engine that the session came under.
    """

    standing: Standing
    text: str | None = None
    is_opened: bool = False
    key: Key | None = None
    promised: Key | None = None
    missed: Key | None = None
    record: Record | None = None
    payload: bytes | None = None
    is_stale: bool = False
    proof: Proof = NO_PROOF
    adopted_from: str | None = None
    receipt: Receipt | None = None
    before: "Known | None" = None

    def __repr__(self) -> str:
        return f"<Known {self.standing.name}>"

    def __deepcopy__(self, memo: object) -> "Known":
        return self  # Nobody changes one.

    # --- where it begins

    @classmethod
    def arriving(cls, text: object) -> "Known":
        """What a request knows that came with this cookie, or with none."""
        text = as_text(text)
        # What Django takes for a key has eight characters at least.
        if not text or len(text) < _SHORTEST_KEY:
            return cls(Standing.NEW, is_opened=True)
        return cls(Standing.UNREAD, HiddenText(text))

    def opened(self, key: Key | None) -> "Known":
        """The cookie spells this key, or none of ours."""
        # Optimization: replace() would take 7 % of a load, and every request comes by here.
        text = self.text if key is None else None
        return Known(self.standing, text, True, key, proof=self.proof)

    # --- what the table said

    def found(
        self,
        record: Record,
        payload: bytes | None,
        key: Key,
        *,
        is_stale: bool = False,
        receipt: Receipt | None = None,
        adopted_from: str | None = None,
    ) -> "Known":
        """The row is there. With a receipt this request has just put it there."""
        record.data = b""  # The payload is what is kept of it.
        return Known(
            Standing.STORED,
            None,
            True,
            key,
            self.promised,
            None,
            record,
            payload,
            is_stale,
            self.proof,
            adopted_from or self.adopted_from,
            receipt or self.receipt,
            self if receipt is not None else self.before,
        )

    def missing(self) -> "Known":
        """No live row has this key: whoever came with it is a visitor."""
        return Known(Standing.NEW, is_opened=True, missed=self.key)

    # --- what this request did

    def taking(self, key: Key) -> "Known":
        """There is no row, and the view has got a key for it."""
        return Known(Standing.NEW, is_opened=True, promised=key, proof=self.proof)

    def written(self, record: Record, payload: bytes, key: Key, receipt: Receipt | None) -> "Known":
        """The row holds ``payload`` and this key opens it, unless a rollback takes that back."""
        before = None
        if receipt is not None:
            before = self.before if receipt is self.receipt else self
        if before is not None:
            before = before._proved(self.proof)
        return Known(
            Standing.STORED,
            is_opened=True,
            key=key,
            record=record.without_data(),
            payload=payload,
            adopted_from=self.adopted_from,
            receipt=receipt,
            before=before,
        )

    def touched(self, last_seen_at: int, expires_at: int) -> "Known":
        """The times in the row have moved on."""
        record = self.record and self.record.seen(last_seen_at, expires_at)
        return replace(self, record=record)

    def unbound(self, version: Version) -> "Known":
        """The row is bound to no device any more, and has this version by that."""
        record = self.record and replace(self.record, bound_at=None, version=version)
        return replace(self, record=record)

    def stamped(self, stamp: Stamp) -> "Known":
        """The next save writes this moment of the login."""
        return replace(self, proof=replace(self.proof, at=stamp))

    def signed_in(self, user_id: str) -> "Known":
        """The next save writes the login of this user."""
        return replace(self, proof=replace(self.proof, signed_in_id=user_id))

    def unproved(self) -> "Known":
        """What users have proved in this request is not written."""
        return replace(self, proof=NO_PROOF)

    def declined(self, payload: bytes | None) -> "Known":
        """The view wants nothing saved of what has changed so far."""
        return replace(self.unproved(), payload=payload, is_stale=False)

    def ended(self, receipt: Receipt | None = None) -> "Known":
        """The row has ended."""
        before = self if receipt is not None else None
        return replace(self, standing=Standing.GONE, receipt=receipt, before=before)

    def forgotten(self) -> "Known":
        """The session is to be read again. A key that no row has yet stays the view's."""
        if self.standing is Standing.NEW:
            return self.unproved()
        return Known(
            Standing.UNREAD,
            is_opened=self.is_opened,
            key=self.key,
            text=self.text,
            promised=self.promised,
            adopted_from=self.adopted_from,
            receipt=self.receipt,
            before=self.before,
        )

    # --- what the caller's transactions did

    def settled(self) -> "Known":
        """What holds by now: blocks of the caller may have ended since the last write."""
        known = self
        while known.receipt is not None and known.before is not None:
            fate = known.receipt.fate
            if fate is Fate.OPEN:
                break
            if fate is Fate.COMMITTED:
                return replace(known, receipt=None, before=None)
            known = known.before._proved(known.proof)._promising(known.shown)
        return known

    def _proved(self, proof: Proof) -> "Known":
        """With what was proved since: the data have it, and no rollback takes it out of them."""
        return self if proof == NO_PROOF else replace(self, proof=self.proof.then(proof))

    def _promising(self, key: Key | None) -> "Known":
        if key is None or self.standing is Standing.UNREAD or key == self.shown:
            return self
        return replace(self, promised=key)

    # --- questions

    @property
    def shown(self) -> Key | None:
        """The key that the view sees."""
        return self.promised or self.key

    @property
    def shown_text(self) -> str | None:
        """What ``session_key`` answers."""
        key = self.promised or self.key
        return self.text if key is None else key.text

    @property
    def former_ids(self) -> set[bytes]:
        """The other ids that the row has had since the caller's blocks began."""
        ids, known = set(), self.before
        while known is not None:
            ids |= set() if known.record is None else {known.record.id}
            known = known.before
        return ids - {self.row.id}

    @property
    def row(self) -> Record:
        """The record of a row that is there. Raises Gone without one."""
        if self.standing is not Standing.STORED or self.record is None:
            raise Gone
        return self.record

    @property
    def row_key(self) -> Key:
        """The key of a row that is there. Raises Gone without one."""
        if self.key is None:
            raise Gone
        return self.key
