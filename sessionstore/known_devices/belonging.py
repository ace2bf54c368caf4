"""Which sessions are of which known device: by links, since the id of a session never changes."""

from collections.abc import Sequence

from sessionstore.conf import conf
from sessionstore.core.keys import handle_of
from sessionstore.known_devices.rows import known_devices
from sessionstore.links.names import Name
from sessionstore.links.rows import links
from sessionstore.outside.linked import end_linked
from sessionstore.session.store import SessionBackend
from sessionstore.signals import Reason
from sessionstore.table.rows import SqlTable
from sessionstore.users.revocation import site_session

ISSUER, _KIND = "sessionstore", "device"


def link(session: SessionBackend, device_id: bytes) -> None:
    """Remember that a session is of this device: one INSERT."""
    if session.row_id is not None:
        links.add([_name(device_id)], session.row_id, session.user_id)


def is_of(session: SessionBackend, device_id: bytes) -> bool:
    """Tell whether a session was signed in to on this device: one SELECT."""
    own = session.row_id
    return own is not None and own in links.sessions_of([_name(device_id)])


def devices_of(session_ids: Sequence[bytes], device_ids: Sequence[bytes]) -> dict[bytes, bytes]:
    """Return of which of these devices each session is, as far as it is of one: one SELECT."""
    if not session_ids or not device_ids:
        return {}
    meant = {
        digest: device_id
        for device_id in device_ids
        for digest in _name(device_id).digests(conf.secrets)
    }
    found = ((bytes(row.session_id), bytes(row.digest)) for row in links.of_sessions(session_ids))
    return {session_id: meant[digest] for session_id, digest in found if digest in meant}


def has_sessions(device_id: bytes) -> bool:
    """Tell whether somebody may still be signed in on a device, also on one forgotten."""
    session = site_session()
    ids = links.sessions_of([_name(device_id)])
    if session is None or not ids or not isinstance(session.table, SqlTable):
        return False
    return bool(session.table.present(ids))


def forget(
    device_ids: Sequence[bytes], *, reason: Reason, session: SessionBackend | None = None
) -> tuple[int, int]:
    """Forget devices and end their sessions; return how many there were of each."""

    def end() -> int:
        return sum(end_linked(_name(one), reason=reason, session=session) for one in device_ids)

    # First what signs somebody in; and again who has signed in there while it was still known.
    ended = end()
    removed = known_devices.remove(device_ids)
    return removed, ended + (end() if removed else 0)


def _name(device_id: bytes) -> Name:
    return Name(ISSUER, handle_of(device_id), _KIND)
