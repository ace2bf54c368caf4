"""How a session ends: by its own request, by a login too many, or behind the back of a request."""

from typing import Any

from sessionstore.conf import conf
from sessionstore.core import journal
from sessionstore.core.keys import Key
from sessionstore.core.record import Record
from sessionstore.moving.adoption import AdoptingSession
from sessionstore.session.final import delete_for_good
from sessionstore.session.writing import Writing, user_id_in
from sessionstore.signals import Reason, session_interrupted, session_revoked
from sessionstore.users.limits import keep_limit


class EndingSession(AdoptingSession):
    """Deletes its row for good, and tells why."""

    # Whether this request has given the session a new key: a login does it at most once.
    has_new_key = False
    # The reason that session_revoked tells when the session is flushed.
    ends_because = Reason.FLUSHED
    # Whether, at one login too many, this one gives way; then whether that has happened.
    yields = is_surplus = False

    @property
    def user_id(self) -> str | None:
        """Whose row this is, as far as it has been read; None for nobody's. Never loads."""
        return None if self._row is None else self._row.user_id

    @property
    def row_id(self) -> Any:
        """What the table knows the session by, as far as it has been read; never loads."""
        return None if self._row is None else self._row.id

    def delete(self, session_key: str | None = None) -> None:
        """Delete a row, this session's when no key is given, without reading it first."""
        key = self._key if session_key is None else self.keyring.open(session_key)
        if key is None:
            self._end_old(self._session_key if session_key is None else session_key, Reason.DELETED)
            return
        row = self._row if self._row is not None and self._row.id == key.id else None
        self._end_row(key, row, Reason.DELETED)
        if row is not None:
            self._row = None  # A save that follows finds no row, and says so.

    def flush(self) -> None:
        """End the session: the row goes, and so do data and key."""
        key, row = self._key, self._row
        if key is not None and not self._key_is_new:
            self._end_row(key, row, self.ends_because)
        elif key is None:
            self._end_old(self._session_key, self.ends_because)
        self._forget()
        self._session_cache = {}
        self._session_key = None
        self.accessed = self.modified = True
        self.has_new_key = True
        events = journal.current()
        if events is not None:
            events.flushed = True

    def _end_row(self, key: Key, row: Record | None, reason: Reason) -> None:
        """Delete a row, also the one that a concurrent request has just renamed."""
        rows = self.rows

        def end() -> int:
            removed = int(rows.remove(key.id))
            # A login too many is gone already; another one of its millisecond may look like it.
            if not removed and not self.is_surplus and row is not None and row.user_id is not None:
                removed = int(rows.remove_renamed(row.user_id, row.created_at))
            self._end_adopted()
            return removed

        if delete_for_good(rows, end):
            user_id = None if row is None else row.user_id
            session_revoked.send(type(self), handle=key.handle, user_id=user_id, reason=reason)

    def _accept(self, written: Writing, key: Key) -> None:
        before, user_id = self.user_id, written.record.user_id
        super()._accept(written, key)
        if user_id is not None and user_id != before and conf.max_per_user is not None:
            if self.rows.in_transaction():
                self.rows.on_commit(lambda: keep_limit(self, user_id))
            else:
                keep_limit(self, user_id)

    def _tell_interrupted(self) -> None:
        user_id = user_id_in(self.__dict__.get("_session_cache") or {})
        session_interrupted.send(type(self), handle=self.handle, user_id=user_id)
