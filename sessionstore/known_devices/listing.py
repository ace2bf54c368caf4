"""What users see of the browsers that are known to them, and change: names, and forget them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sessionstore.conf import conf
from sessionstore.core.headers.user_agent import Form
from sessionstore.core.keys import id_of
from sessionstore.known_devices import tokens
from sessionstore.known_devices.belonging import devices_of, forget, is_of
from sessionstore.known_devices.logins import texts_of
from sessionstore.known_devices.rows import is_current, is_trusted_row, known_devices
from sessionstore.models import KnownDevice, user_id_of
from sessionstore.session.store import SessionBackend
from sessionstore.signals import Reason
from sessionstore.users.devices import Device, clean_name, refuse_others
from sessionstore.users.words import agent_of, in_words, place_of


@dataclass(frozen=True, slots=True)
class KnownBrowser:
    """A known device in words, and its sessions among those that were asked about."""

    handle: str
    browser: str
    address: str
    place: str
    first_at: datetime
    signed_in_at: datetime
    trusted_until: datetime | None
    is_this: bool
    name: str = ""
    form: Form = Form.UNKNOWN
    sessions: list[Device] = field(default_factory=list)

    @property
    def title(self) -> str:
        """What to call it: its name, else its browser."""
        return self.name or self.browser


def beside(
    request: Any, session: SessionBackend, devices: Sequence[Device]
) -> tuple[list[KnownBrowser], list[Device]]:
    """Return what is known beside these sessions of a user, and these under its names.

    Two SELECTs, however many there are; none where the site knows no devices. Raises
    PermissionDenied for whoever acts as another user.
    """
    if conf.known_devices is None:
        return [], list(devices)
    user = request.user
    refuse_others(user, session)
    rows = [row for row in known_devices.of_user(user_id_of(user)) if is_current(row, user)]
    ids = {id_of(device.handle): device for device in devices}
    owners = devices_of(list(ids), [bytes(row.pk) for row in rows])
    names = {bytes(row.pk): row.name for row in rows if row.name}
    named = {
        session_id: replace(device, name=names.get(owners.get(session_id, b""), device.name))
        for session_id, device in ids.items()
    }
    shown = _shown_ids(request, user)
    found = [
        _described(
            row,
            user,
            is_this=bytes(row.pk) in shown,
            sessions=[named[one] for one in named if owners.get(one) == bytes(row.pk)],
        )
        for row in rows
    ]
    return found, list(named.values())


def find(request: Any, session: SessionBackend, handle: str) -> KnownBrowser | None:
    """Return the known device of this user that has this handle, without its sessions."""
    user = request.user
    refuse_others(user, session)
    device_id = _id_of(handle)
    row = None if device_id is None else known_devices.find(device_id, user_id_of(user))
    if row is None:
        return None
    return _described(row, user, is_this=bytes(row.pk) in _shown_ids(request, user), sessions=[])


def rename(user: Any, session: SessionBackend, handle: str, name: str) -> bool:
    """Call a known device of this user by a name; False when there is no such one."""
    refuse_others(user, session)
    device_id = _id_of(handle)
    if device_id is None:
        return False
    return known_devices.rename(device_id, user_id_of(user), clean_name(name))


def rename_of_session(user: Any, handle: str, name: str) -> bool:
    """Give the name to the known device of a session, if it is of one."""
    session_id = _id_of(handle)
    if conf.known_devices is None or session_id is None:
        return False
    rows = known_devices.of_user(user_id_of(user))
    owner = devices_of([session_id], [bytes(row.pk) for row in rows]).get(session_id)
    return owner is not None and known_devices.rename(owner, user_id_of(user), clean_name(name))


def end(session: SessionBackend, handle: str) -> int:
    """Forget a device, which has been found to be the user's, and end its sessions."""
    _, ended = forget([id_of(handle)], reason=Reason.OWNER, session=session)
    return ended


def is_where(session: SessionBackend, handle: str) -> bool:
    """Tell whether the session was signed in to on this device."""
    return is_of(session, id_of(handle))


def value_without(request: Any, handle: str) -> str | None:
    """Return the cookie without the user's token; None when the browser is not this device."""
    if id_of(handle) not in _shown_ids(request, request.user):
        return None
    return tokens.joined(conf.secrets, texts_of(request), user_id_of(request.user), new=None)


def _id_of(handle: str) -> bytes | None:
    try:
        return id_of(handle) if conf.known_devices is not None else None
    except ValueError:
        return None


def _shown_ids(request: Any, user: Any) -> set[bytes]:
    """Return the ids of the devices whose tokens the browser has."""
    own = tokens.of_user(conf.secrets, texts_of(request), user_id_of(user))
    return {token.device_id for token in own}


def _described(
    row: KnownDevice, user: Any, *, is_this: bool, sessions: list[Device]
) -> KnownBrowser:
    agent = agent_of(row.user_agent)
    return KnownBrowser(
        handle=row.handle,
        browser=in_words(agent),
        address=row.ip or "",
        place=place_of(row.ip),
        first_at=row.created_at,
        signed_in_at=row.signed_in_at,
        trusted_until=row.trusted_until if is_trusted_row(row, user) else None,
        is_this=is_this,
        name=row.name or "",
        form=agent.form,
        sessions=sessions,
    )
