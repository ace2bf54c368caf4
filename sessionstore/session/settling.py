"""What a rollback of the caller took back, the session's next save makes up for.

A view may save its session inside an ``atomic()`` block that is rolled back, and still answer 200.
Django's middleware saves the session again in that case, and so does this engine: a session that
believed its own write would lose the change, or send a key that no row has.
"""

from dataclasses import dataclass, field
from typing import Any

from sessionstore.core import expiry
from sessionstore.core.keys import Key
from sessionstore.core.merge import merge
from sessionstore.core.record import Record
from sessionstore.session.payload import loads
from sessionstore.session.writing import Writing, WritingSession


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A write inside the caller's transaction: where, what, and what the row was before."""

    scope: Any
    blob: Any = field(repr=False)
    row: Record | None
    base: bytes | None = field(repr=False)


class SettlingSession(WritingSession):
    """Finds out what has become of writes inside transactions that have ended since."""

    _unsettled: Unsettled | None = None

    def _accept(self, written: Writing, key: Key) -> None:
        rows, before = self.rows, self._unsettled
        if rows.in_transaction():
            row, base = (before.row, before.base) if before else (self._row, self._base)
            self._unsettled = Unsettled(rows.scope(), written.record.data, row, base)
        else:
            self._unsettled = None
        super()._accept(written, key)

    def _forget(self) -> None:
        super()._forget()
        self._unsettled = None

    def _settle(self) -> None:
        """Look whether the last write is there, if its transaction has ended; one SELECT.

        No callback at the commit tells: the tests of other apps count those.
        """
        unsettled, key = self._unsettled, self._key
        if unsettled is None or key is None or self.rows.scope() == unsettled.scope:
            return
        self._unsettled = None
        theirs = self.rows.fetch(key.id, expiry.now_ms())
        if theirs is None:
            # Not stored, or ended since: an UPDATE or a rename of what is gone will tell.
            self._row, self._base = unsettled.row, unsettled.base
            self._key_is_new = unsettled.row is None
            self._must_rewrite = True
        elif theirs.data != unsettled.blob:
            self._rebase(theirs, key, (loads(unsettled.base) or {}) if unsettled.base else {})

    def _rebase(self, theirs: Record, key: Key, base: dict[str, Any]) -> None:
        """Carry the changes since ``base`` over to what the row holds now."""
        data, payload, _ = self._read(theirs, key)
        self._row, self._base = theirs.without_data(), payload
        self._session_cache = merge(base, self._session_cache, data).data
