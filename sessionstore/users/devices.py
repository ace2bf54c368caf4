"""What a user can know of the own sessions, and end: one browser each.

Each function takes the session that asks: it knows its engine, and so the table.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Case, Value, When

from sessionstore.conf import conf
from sessionstore.models import user_id_of
from sessionstore.session.store import SessionBackend
from sessionstore.signals import Reason
from sessionstore.users.impersonation import acts_for
from sessionstore.users.revocation import revoke_all_of, revoke_each
from sessionstore.users.words import browser_in_words, place_of

PER_PAGE = 20


@dataclass(frozen=True, slots=True)
class Device:
    """One live session in words. The handle names it in forms; it opens nothing."""

    handle: str
    browser: str
    address: str
    place: str
    signed_in_at: datetime
    last_seen_at: datetime
    bound_at: datetime | None
    is_this: bool


@dataclass(frozen=True, slots=True)
class DevicePage:
    """A part of the list; the session that asks comes first of all."""

    devices: list[Device]
    number: int
    has_next: bool

    @property
    def has_others(self) -> bool:
        """Tell whether there is anything to end but the session that asks."""
        return self.number > 1 or any(not device.is_this for device in self.devices)


def list_devices(user: Any, session: SessionBackend, *, number: int = 1) -> DevicePage:
    """List the live sessions of a user: one query, however many there are.

    Last used comes first. One row more than a page holds tells whether there is another page, so
    that nothing needs counting. Rows of another site, which shares the table, are left out.
    Raises PermissionDenied as below.
    """
    _refuse_others(user, session)
    first = Case(When(pk=session.row_id or b"", then=Value(0)), default=Value(1))
    rows = session.table.objects.live().for_user(user)
    start = (number - 1) * PER_PAGE
    found = rows.order_by(first, "-last_seen_at", "pk").own(start + PER_PAGE + 1)[start:]
    devices = [_described(row, is_this=bytes(row.pk) == session.row_id) for row in found]
    return DevicePage(devices[:PER_PAGE], number, has_next=len(devices) > PER_PAGE)


def revoke(user: Any, session: SessionBackend, handle: str) -> bool:
    """End the session of this user that has this handle; False when there is none (any more).

    Raises PermissionDenied as below.
    """
    _refuse_others(user, session)
    own = session.table.objects.for_user(user).by_handle(handle).own()
    return revoke_each(own, reason=Reason.OWNER, session=session) > 0


def revoke_others(user: Any, session: SessionBackend) -> int:
    """End every session of this user but the one that asks; return how many.

    Raises PermissionDenied when another user has signed in to that one: somebody acts as this
    user, and would sign out whom they act as.
    """
    _refuse_others(user, session)
    user_id = user_id_of(user)
    return revoke_all_of(user_id, reason=Reason.OWNER, but=session.row_id, session=session)


def _refuse_others(user: Any, session: SessionBackend) -> None:
    if acts_for(session, user):
        message = (
            f"The session that asks is another user's than {user_id_of(user)}: an impersonation "
            f"sees and ends none. Staff ends sessions in the admin or by manage.py revokesessions."
        )
        raise PermissionDenied(message)


def _described(row: Any, *, is_this: bool) -> Device:
    return Device(
        handle=row.handle,
        browser=browser_in_words(row.user_agent),
        address=row.ip or "",
        place=place_of(row.ip),
        signed_in_at=row.authenticated_at or row.created_at,
        last_seen_at=row.last_seen_at,
        bound_at=None if conf.device_age_ms is None else row.bound_at,
        is_this=is_this,
    )
