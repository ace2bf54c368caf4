"""What a user can know of the own sessions, and end: one browser each.

Each function takes the session that asks: it knows its engine, and so the table.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _

from sessionstore.conf import conf
from sessionstore.conf.zones import aware
from sessionstore.core.expiry import MINUTE_MS, now_ms, to_ms
from sessionstore.core.headers.user_agent import Form
from sessionstore.core.sign_ins.facts import SignIn
from sessionstore.core.text import printable
from sessionstore.models import DEVICE_NAME_LENGTH, user_id_of
from sessionstore.session.store import SessionBackend
from sessionstore.signals import Reason
from sessionstore.table.rows import SqlTable
from sessionstore.table.verbs import Knows
from sessionstore.users.impersonation import acts_for
from sessionstore.users.revocation import revoke_all_of, revoke_each
from sessionstore.users.words import agent_of, in_words, place_of, sign_ins_in_words

PER_PAGE = 20


@dataclass(frozen=True, slots=True)
class Device:
    """One live session in words. The handle names it in forms; it opens nothing.

    How its user has signed in, ``methods`` and words for them, is told of the one that asks alone.
    A table that Express writes too does not tell every time, but which half signed the user in.
    ``name`` is what its user calls it. Security: anybody who is signed in can give one, so pages
    show ``browser`` beside it.
    """

    handle: str
    browser: str
    address: str
    place: str
    signed_in_at: datetime | None
    last_seen_at: datetime | None
    bound_at: datetime | None
    is_this: bool
    signed_in_by: str = ""
    name: str = ""
    form: Form = Form.UNKNOWN
    expires_at: datetime | None = None
    is_active: bool = False
    methods: list[str] = field(default_factory=list)
    signed_in_how: str = ""

    @property
    def title(self) -> str:
        """What to call it: its name, else its browser."""
        return self.name or self.browser


@dataclass(frozen=True, slots=True)
class DevicePage:
    """A part of the list; the session that asks comes first of all."""

    devices: list[Device]
    number: int
    has_next: bool
    is_blind: bool = False
    not_seen: str = ""

    @property
    def has_others(self) -> bool:
        """Tell whether there is anything to end but the session that asks."""
        return self.number > 1 or any(not device.is_this for device in self.devices)


def list_devices(user: Any, session: SessionBackend, *, number: int = 1) -> DevicePage:
    """List the live sessions of a user: one query, however many there are.

    Last used comes first. One row more than a page holds tells whether there is another page, so
    that nothing needs counting. Rows of another site, which shares the table, are left out. What
    the table cannot show, the page says in ``not_seen``; it lists nothing when it ``is_blind``.
    Raises PermissionDenied as below.
    """
    refuse_others(user, session)
    own, start = session.row_id, (number - 1) * PER_PAGE
    found = session.table.live_of(user_id_of(user), first=own, start=start, most=PER_PAGE + 1)
    devices = [described(row, _sign_ins_of(row, session)) for row in found]
    return DevicePage(
        devices[:PER_PAGE],
        number,
        has_next=len(devices) > PER_PAGE,
        is_blind=is_blind(session),
        not_seen=not_seen(session),
    )


def find_device(user: Any, session: SessionBackend, handle: str) -> Device | None:
    """Return the live session of this user that has this handle.

    Raises PermissionDenied as below.
    """
    refuse_others(user, session)
    rows = session.table.of_handle(user_id_of(user), handle)
    live = [row for row in rows if row.is_live]
    return described(live[0], _sign_ins_of(live[0], session)) if live else None


def can_name(session: SessionBackend) -> bool:
    """Tell whether the table keeps names of devices: that of Express does not."""
    return isinstance(session.table, SqlTable)


def rename(user: Any, session: SessionBackend, handle: str, name: str) -> bool:
    """Call a session of this user by a name, or by none; False when there is no such session.

    One UPDATE of that column alone, so that no request of that browser is disturbed. Raises
    PermissionDenied as below.
    """
    refuse_others(user, session)
    own = session.table.of_handle(user_id_of(user), handle)
    if not own or not can_name(session):
        return False
    rows = session.table.objects.filter(pk=own[0].pk, user_id=user_id_of(user))
    return bool(rows.update(device_name=clean_name(name)))


def clean_name(name: str) -> str | None:
    """Return a name as it is kept: on one line, printable, not too long; None for none."""
    return printable(" ".join(name.split()))[:DEVICE_NAME_LENGTH].strip() or None


def is_blind(session: SessionBackend) -> bool:
    """Tell whether the table cannot say whose its rows are, so that none is listed or ended."""
    return bool(session.table.knows_users is Knows.NONE)


def not_seen(session: SessionBackend) -> str:
    """Return a sentence about what the list cannot show, and why; "" when it shows everything."""
    if is_blind(session):
        return _(
            "This site shares its sessions with another application, in a table that does not "
            "tell whose they are: they cannot be listed or ended here. Sign out in each browser."
        )
    if session.table.knows_users is Knows.SOME:
        return _(
            "This site shares its sessions with another application: who signed in there may be "
            "missing here, and is not ended from here."
        )
    return ""


def revoke(user: Any, session: SessionBackend, handle: str) -> bool:
    """End the session of this user that has this handle; False when there is none (any more).

    Raises PermissionDenied as below.
    """
    refuse_others(user, session)
    own = session.table.of_handle(user_id_of(user), handle, ending=True)
    return revoke_each(own, reason=Reason.OWNER, session=session) > 0


def revoke_others(user: Any, session: SessionBackend) -> int:
    """End every session of this user but the one that asks; return how many.

    Raises PermissionDenied when another user has signed in to that one: somebody acts as this
    user, and would sign out whom they act as.
    """
    refuse_others(user, session)
    user_id = user_id_of(user)
    return revoke_all_of(user_id, reason=Reason.OWNER, but=session.row_id, session=session)


def refuse_others(user: Any, session: SessionBackend) -> None:
    """Raise PermissionDenied for whoever acts as this user and is another one."""
    if acts_for(session, user):
        message = (
            f"The session that asks is another user's than {user_id_of(user)}: an impersonation "
            f"sees and ends none. Staff ends sessions in the admin or by manage.py revokesessions."
        )
        raise PermissionDenied(message)


def _sign_ins_of(row: Any, session: SessionBackend) -> tuple[SignIn, ...] | None:
    """Return how the user has signed in to the session that asks; None of another.

    Its data have been read. To read those of the others would cost more than it tells.
    """
    return session.sign_ins if bytes(row.pk) == session.row_id else None


def described(row: Any, sign_ins: tuple[SignIn, ...] | None = None) -> Device:
    """Return a row in words; of the session that asks with how its user has signed in."""
    is_this = sign_ins is not None
    agent, seen = agent_of(row.user_agent), row.last_seen_at
    return Device(
        handle=row.handle,
        browser=in_words(agent, is_recorded=bool(row.user_agent)),
        address=row.ip or "",
        place=place_of(row.ip),
        signed_in_at=row.authenticated_at or row.created_at,
        last_seen_at=seen,
        bound_at=None if conf.device_age_ms is None else row.bound_at,
        is_this=is_this,
        signed_in_by=getattr(row, "signed_in_by", ""),
        name=row.device_name or "",
        form=agent.form,
        expires_at=row.expires_at,
        is_active=is_this or (seen is not None and _is_lately(seen)),
        methods=[*dict.fromkeys(one.method for one in sign_ins or () if one.method)],
        signed_in_how=sign_ins_in_words(sign_ins or ()),
    )


def _is_lately(seen: datetime) -> bool:
    """Tell whether the last use is no longer ago than it takes to be written down."""
    interval_ms = conf.policy.interval_ms(None)
    return now_ms() - to_ms(aware(seen)) <= max(interval_ms, MINUTE_MS)
