"""How a session gets into its row: what the row will hold, and one statement that puts it there."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from sessionstore.core import expiry
from sessionstore.core.keys import Key
from sessionstore.core.merge import AUTH_KEYS
from sessionstore.core.record import USER_ID_LENGTH, Record
from sessionstore.exceptions import TakenId, UserIdTooLong
from sessionstore.session.expiring import ExpiringSession
from sessionstore.session.payload import checked_dumps

USER_KEY = AUTH_KEYS[0]


class _Unset(Enum):
    # Compat: copies and pickles of a session keep the identity of an enum's member.
    UNSET = auto()


UNSET: Any = _Unset.UNSET


@dataclass(frozen=True, slots=True)
class Writing:
    """Data on their way into a row, in each of their three forms."""

    record: Record
    payload: bytes
    data: dict[str, Any]


class WritingSession(ExpiringSession):
    """Turns the session into a record, and the record into an INSERT, an UPDATE or a rename."""

    # What mark_authenticated() will write; UNSET leaves the row's own.
    _authenticated_at: int | None = UNSET

    @classmethod
    def extra_columns(cls, data: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG003 - for subclasses
        """Answer the values of the columns that a subclass adds, always all of them.

        Called with {} for the names alone.
        """
        return {}

    def _writing(
        self,
        data: dict[str, Any],
        key: Key,
        row: Record | None,
        *,
        payload: bytes | None = None,
        inserts: bool = False,
    ) -> Writing:
        """Answer what ``data`` look like under ``key``, in the row that so far is ``row``.

        Raises SessionTooLarge or SessionNotSerializable before anything was written.
        """
        payload = checked_dumps(data) if payload is None else payload
        blob = self.codec.encode(payload, key)
        now = expiry.now_ms()
        created_at, authenticated_at, seen = now, None, now
        if row is not None:
            # A copy is as old as its original: no new row outlives the absolute timeout.
            created_at, authenticated_at = row.created_at, row.authenticated_at
            seen = now if self.slides or inserts else row.last_seen_at
        if self._authenticated_at is not UNSET:
            authenticated_at = self._authenticated_at
        started = created_at if authenticated_at is None else authenticated_at
        rows = self.rows
        record = Record(
            id=key.id,
            data=blob,
            version=rows.first_version
            if row is None or inserts
            else rows.next_version(row.version, blob),
            user_id=user_id_in(data),
            created_at=created_at,
            authenticated_at=authenticated_at,
            last_seen_at=seen,
            expires_at=self._expires_at(data, seen=seen, started=started),
            **self._client_columns(data, row),
            extra=self.extra_columns(data),
        )
        return Writing(record, payload, data)

    def _client_columns(self, data: dict[str, Any], row: Record | None) -> dict[str, str | None]:
        """A client is recorded for users only, and an unknown one never replaces a known one."""
        old_ip, old_agent = (None, None) if row is None else (row.ip, row.user_agent)
        client = self.client
        if client is None or USER_KEY not in data:
            return {"ip": old_ip, "user_agent": old_agent}
        return {"ip": client.ip or old_ip, "user_agent": client.user_agent or old_agent}

    def _insert(self, key: Key) -> bool:
        """Insert a row under ``key``; False when the id is somebody else's."""
        written = self._writing(self._get_session(no_load=True), key, self._row, inserts=True)
        try:
            self.rows.insert(written.record)
        except TakenId:
            # After a lost connection the row may be our own: the nonce in the blob tells.
            theirs = self.rows.fetch(key.id, expiry.now_ms())
            if theirs is None or theirs.data != written.record.data:
                return False
        self._accept(written, key)
        return True

    def _forget(self) -> None:
        super()._forget()
        self._authenticated_at = UNSET

    def _put(self, row: Record, written: Writing) -> bool:
        """Update or rename ``row``; False when its version has moved or it is gone."""
        record = written.record
        if record.id == row.id:
            return bool(self.rows.update(record, row.version))
        return bool(self.rows.rename(row.id, record, row.version))

    def _accept(self, written: Writing, key: Key) -> None:
        """Take over what is in the row now."""
        self._row, self._base = written.record.without_data(), written.payload
        self._session_cache = written.data
        self._take_key(key)
        self._authenticated_at = UNSET
        self._set = self._must_rewrite = self._declined = False
        self._stored = self._is_confirmed = True

    @property
    def _is_marked(self) -> bool:
        """Tell whether columns beside the data wait to be written."""
        return self._authenticated_at is not UNSET or self._client_changed()


def user_id_in(data: dict[str, Any]) -> str | None:
    """Answer the user that the data of a session name."""
    user_id = data.get(USER_KEY)
    if user_id is None:
        return None
    text = str(user_id)
    if len(text) > USER_ID_LENGTH:
        # Security: MySQL that is not strict would cut it, and it would be another user's.
        raise UserIdTooLong(USER_KEY, size=len(text), limit=USER_ID_LENGTH)
    return text
