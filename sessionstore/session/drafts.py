"""The engine whose rows are sealed: what a save writes, how a row is read, when it has ended."""

from functools import lru_cache
from typing import Any, TypeGuard

from sessionstore.cleaning import clear_expired
from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.core.headers.set_cookie import CookieOptions
from sessionstore.core.keys import Key, new_id
from sessionstore.core.merge import USER_KEY
from sessionstore.core.record import USER_ID_LENGTH, Client, Data, Record
from sessionstore.exceptions import UserIdTooLong
from sessionstore.table.verbs import Table

from .engine import Adoption, DjangoSession, Draft, Keys, Marks, NoAdoption
from .known import UNSET
from .sealed import Opened, checked_dumps, open_row


def _times(
    data: Data, row: Record | None, marks: Marks, now: int, *, inserts: bool
) -> tuple[int, int | None, int]:
    """Return when the session began, when its user signed in, and when it was last used.

    Security: whom a view puts in the place of the user has not signed in.
    """
    created_at, authenticated_at, seen = now, None, now
    if row is not None:
        is_theirs = row.user_id in (None, user_id_in(data))
        created_at, authenticated_at = row.created_at, row.authenticated_at if is_theirs else None
        seen = now if marks.slides or inserts else row.last_seen_at
    return created_at, authenticated_at if marks.stamp is UNSET else marks.stamp, seen


def user_id_in(data: Data) -> str | None:
    """Return the user that the data of a session name, or None. Raises UserIdTooLong."""
    user_id = data.get(USER_KEY)
    if user_id is None:
        return None
    text = str(user_id)
    if len(text) > USER_ID_LENGTH:
        # Security: MySQL that is not strict would cut it, and it would be another user's.
        raise UserIdTooLong(USER_KEY, size=len(text), limit=USER_ID_LENGTH)
    return text


def client_differs(row: Record | None, client: Client | None) -> TypeGuard[Record]:
    """Tell whether a signed-in user comes from elsewhere than the row says."""
    if row is None or client is None or row.user_id is None:
        return False
    here = (client.ip or row.ip, client.user_agent or row.user_agent)
    return here != (row.ip, row.user_agent)


def _client_columns(
    data: Data, row: Record | None, client: Client | None
) -> tuple[str | None, str | None]:
    """A client is recorded for users only, and an unknown one never replaces a known one."""
    old_ip, old_agent = (None, None) if row is None else (row.ip, row.user_agent)
    if client is None or USER_KEY not in data:
        return old_ip, old_agent
    return client.ip or old_ip, client.user_agent or old_agent


class SealedEngine(DjangoSession):
    """The hooks of an engine whose rows are sealed and known to nobody else.

    Subclasses say where the table is; one whose rows others write too replaces what that changes.
    """

    # What the engine takes sessions over from, and whether its table has columns for the client.
    adoption: Adoption = NoAdoption()
    records_client = True

    @classmethod
    def get_table(cls) -> Table:
        """Return a new object for the engine's table; ``table`` asks once."""
        raise NotImplementedError

    @property
    def table(self) -> Any:
        return table_of(type(self))

    @property
    def keyring(self) -> Keys:
        return conf.keyring

    def read_row(self, record: Record, key: Key) -> Opened | None:
        """Return what a row holds; None when it is damaged, which is told."""
        return open_row(record, key, handle_of=self.table.handle_of)

    def has_ended(self, record: Record, opened: Opened) -> bool:
        """Tell whether today's policy ends a row: a timeout that was tightened counts at once."""
        now, age_ms = expiry.now_ms(), self.get_session_cookie_age() * 1000
        # Optimization: long before any end nothing has to be computed; that saves 4 % of a load.
        if conf.policy.is_young(record, age_ms=age_ms, now=now):
            return False
        seen, started = record.last_seen_at, record.started_at
        return self.end_of(opened.data, seen=seen, started=started) <= now

    def seal(self, payload: bytes, record: Record, key: Key) -> Any:
        """Return what stands in the row for serialised data."""
        return conf.codec.encode(payload, record.bound, key)

    def draft(
        self,
        data: Data,
        key: Key,
        row: Record | None,
        marks: Marks,
        *,
        payload: bytes | None = None,
        changes_key: bool = False,
        inserts: bool = False,
    ) -> Draft:
        """Return what ``data`` look like in the row that so far is ``row``, opened by ``key``.

        Its digest stays, unless the row ``changes_key``. With ``inserts`` it is a new row, as old
        as ``row``: no copy outlives the absolute timeout. ``payload`` are the serialised data.
        Raises SessionTooLarge, SessionNotSerializable or UserIdTooLong.
        """
        payload, now = payload or checked_dumps(data), expiry.now_ms()
        created_at, authenticated_at, seen = _times(data, row, marks, now, inserts=inserts)
        ip, user_agent = _client_columns(data, row, marks.client)
        known = None if inserts else row
        record = Record(
            new_id(now) if known is None else known.id,
            key.digest if known is None or changes_key else known.digest,
            b"",
            None,
            user_id_in(data),
            created_at,
            authenticated_at,
            seen,
            self.end_of(data, seen=seen, started=authenticated_at or created_at),
            ip,
            user_agent,
            None if known is None else known.bound_at,
            self.extra_columns(data),
        )
        record.data = self.seal(payload, record, key)
        written_over = None if known is None else known.version
        record.version = self.table.next_version(written_over, record.data)
        return Draft(record, payload, data)

    def cookie_options_of(self, row: Record | None) -> CookieOptions:  # noqa: ARG002 - for Express
        """Return where and how a browser holds the key of a row; None is one to come."""
        return conf.cookie_options

    @classmethod
    def extra_columns(cls, data: Data) -> Data:  # noqa: ARG003 - for subclasses
        """Return the values of the columns that a subclass adds, always all of them.

        Called with {} for the names alone.
        """
        return {}

    def has_signed_in(self, user_id: str, *, elsewhere: bool = False) -> None:
        """Do what the engine does when a row has got a user, by a login here or by moving in."""

    @classmethod
    def clear_expired(cls) -> int:  # type: ignore[override]
        """Delete expired rows in batches; return how many."""
        return clear_expired(cls.get_table()).removed


@lru_cache(maxsize=32)
def table_of(engine: type[SealedEngine]) -> Any:
    """Return the table of an engine; always the same object, which keeps what it has found out."""
    return engine.get_table()
