"""What a row will hold: the record that a save makes of a session's data."""

from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.core.keys import Key, new_id
from sessionstore.core.merge import USER_KEY
from sessionstore.core.record import USER_ID_LENGTH, Client, Data, Record
from sessionstore.exceptions import UserIdTooLong

from .engine import Draft, Engine, Marks
from .known import UNSET
from .sealed import checked_dumps


def draft(
    engine: Engine,
    data: Data,
    key: Key,
    row: Record | None,
    marks: Marks,
    *,
    payload: bytes | None = None,
    inserts: bool = False,
) -> Draft:
    """Return what ``data`` look like under ``key``, in the row that so far is ``row``.

    With ``inserts`` in a new one, which is as old as ``row``: no copy outlives the absolute
    timeout. Raises SessionTooLarge, SessionNotSerializable or UserIdTooLong.
    """
    payload = checked_dumps(data) if payload is None else payload
    now = expiry.now_ms()
    created_at, authenticated_at, seen = now, None, now
    if row is not None:
        created_at, authenticated_at = row.created_at, row.authenticated_at
        seen = now if marks.slides or inserts else row.last_seen_at
    if marks.stamp is not UNSET:
        authenticated_at = marks.stamp
    started = created_at if authenticated_at is None else authenticated_at
    ip, user_agent = _client_columns(data, row, marks.client)
    known = None if inserts else row
    record = Record(
        new_id(now) if known is None else known.id,
        key.digest,
        b"",
        None,
        user_id_in(data),
        created_at,
        authenticated_at,
        seen,
        engine.end_of(data, seen=seen, started=started),
        ip,
        user_agent,
        engine.extra_columns(data),
    )
    record.data = engine.seal(payload, record, key)
    written_over = None if known is None else known.version
    record.version = engine.table.next_version(written_over, record.data)
    return Draft(record, payload, data)


def user_id_in(data: Data) -> str | None:
    """Return the user that the data of a session name."""
    user_id = data.get(USER_KEY)
    if user_id is None:
        return None
    text = str(user_id)
    if len(text) > USER_ID_LENGTH:
        # Security: MySQL that is not strict would cut it, and it would be another user's.
        raise UserIdTooLong(USER_KEY, size=len(text), limit=USER_ID_LENGTH)
    return text


def client_differs(row: Record | None, client: Client | None) -> bool:
    """Tell whether a signed-in user comes from elsewhere; looked at once a touch interval."""
    if row is None or client is None or row.user_id is None:
        return False
    if (client.ip or row.ip, client.user_agent or row.user_agent) == (row.ip, row.user_agent):
        return False
    interval = conf.policy.touch_interval_ms or expiry.DEFAULT_TOUCH_INTERVAL_MS
    return expiry.now_ms() - row.last_seen_at >= interval


def _client_columns(
    data: Data, row: Record | None, client: Client | None
) -> tuple[str | None, str | None]:
    """A client is recorded for users only, and an unknown one never replaces a known one."""
    old_ip, old_agent = (None, None) if row is None else (row.ip, row.user_agent)
    if client is None or USER_KEY not in data:
        return old_ip, old_agent
    return client.ip or old_ip, client.user_agent or old_agent
