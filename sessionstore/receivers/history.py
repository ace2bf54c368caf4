"""Writes down what happened to the sessions of users, where SESSIONSTORE_HISTORY is set."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_login_failed
from django.dispatch import receiver

from sessionstore.conf.zones import shown
from sessionstore.core import expiry
from sessionstore.core.keys import only_id
from sessionstore.history.writing import acting_mark, ended, event, is_on, write, write_for_good
from sessionstore.models import KnownDevice, What, user_id_of
from sessionstore.models.events import facts_of
from sessionstore.receivers.neighbours import listen_to
from sessionstore.signals import (
    Reason,
    new_device,
    session_expired,
    session_revoked,
    session_secured,
)
from sessionstore.table.receipts import at_commit
from sessionstore.users.impersonation import is_own


@receiver(session_secured, dispatch_uid="sessionstore.history.secured")
def write_secured(
    session: Any,
    handle: str,
    user_id: str | None,
    is_login: bool,
    is_proof: bool,
    has_new_key: bool,
    **_: Any,
) -> None:
    """Write a login, another proof, or else a new key, in the transaction that has stored it.

    The stamp that follows a login in the same request is no second proof.
    """
    if user_id is None or not is_on():
        return
    left = session.left_user_id
    columns: dict[str, Any] = {"actor_id": user_id}
    if is_login and left is not None and not is_proof and acting_mark(session):
        what, columns["actor_id"] = What.ACTING_BEGAN, user_id_of(left)
    elif is_login:
        what = What.SIGNED_IN
    elif is_proof and not hasattr(session, "told_login"):
        what = What.CONFIRMED
    elif has_new_key:
        what = What.NEW_KEY
    else:
        return
    if is_login:
        session.told_login = True
    if what is not What.ACTING_BEGAN:
        proofs = [how for whose, how in session.proofs if whose == user_id]
        columns["facts"] = facts_of(proofs)
    if session.client is not None and columns["actor_id"] == user_id:
        columns |= {"ip": session.client.ip, "user_agent": session.client.user_agent}
    write([event(what, user_id, handle=handle, **columns)])


@receiver(new_device, dispatch_uid="sessionstore.history.new_device")
def write_new_device(user: Any, device: KnownDevice, handle: str | None, **_: Any) -> None:
    """Write a sign-in on a device that was not known, which is there to stay."""
    if is_on():
        facts = {"device": device.handle}
        write([event(What.NEW_DEVICE, user_id_of(user), handle=handle, facts=facts)])


@receiver(session_revoked, dispatch_uid="sessionstore.history.revoked")
def write_ended(handle: str | None, user_id: str | None, reason: Reason, **_: Any) -> None:
    """Write an end, of which no rollback takes anything back."""
    if user_id is not None and is_on():
        write_for_good([ended(user_id, handle=handle, reason=reason)])


@receiver(session_expired, dispatch_uid="sessionstore.history.expired")
def write_expired(handle: str, user_id: str | None, ended_at_ms: int, **_: Any) -> None:
    """Write that a session has run out, when its cookie comes; once, however often that does."""
    if user_id is None or not is_on():
        return
    at = {"id": only_id(ended_at_ms, handle.encode()), "happened_at": _moment(ended_at_ms)}
    write_for_good([event(What.EXPIRED, user_id, handle=handle, actor_id=None, **at)])


@receiver(user_login_failed, dispatch_uid="sessionstore.history.failed")
def write_failed(credentials: dict[str, Any], request: Any = None, **_: Any) -> None:
    """Write that whoever is signed in has given a wrong password for the same name."""
    user = getattr(request, "user", None)
    if not is_on() or user is None or not user.is_authenticated:
        return
    name = credentials.get(get_user_model().USERNAME_FIELD, credentials.get("username"))
    session = request.session
    if name == user.get_username() and is_own(session, user):
        handle = getattr(session, "handle", None)
        write_for_good([event(What.NOT_CONFIRMED, user_id_of(user), handle=handle)])


def write_new_password(user_id: str, using: str) -> None:
    """Write that a password was changed, once that is there to stay."""
    if is_on():
        changed = event(What.PASSWORD_CHANGED, user_id)
        at_commit(using, lambda: write([changed]))


def write_acting_began(impersonator: Any, impersonating: Any, request: Any, **_: Any) -> None:
    """Write that somebody of django-impersonate acts as another user."""
    _write_acting(What.ACTING_BEGAN, impersonator, impersonating, request)


def write_acting_ended(impersonator: Any, impersonating: Any, request: Any, **_: Any) -> None:
    _write_acting(What.ACTING_ENDED, impersonator, impersonating, request)


def write_release(hijacker: Any, hijacked: Any, request: Any, **_: Any) -> None:
    """Write that somebody of django-hijack is the own self again."""
    _write_acting(What.ACTING_ENDED, hijacker, hijacked, request)


def _write_acting(what: What, actor: Any, user: Any, request: Any) -> None:
    if is_on() and user is not None:
        handle = getattr(request.session, "handle", None)
        write([event(what, user_id_of(user), handle=handle, actor_id=user_id_of(actor))])


def connect_history() -> None:
    """Listen to those who let somebody act as another user, as far as they are installed."""
    for app, signal, write_it in (
        ("hijack", "hijack_ended", write_release),
        ("impersonate", "session_begin", write_acting_began),
        ("impersonate", "session_end", write_acting_ended),
    ):
        listen_to(app, f"signals.{signal}", write_it, uid=f"history.{signal}")


def _moment(milliseconds: int) -> Any:
    return shown(expiry.to_datetime(milliseconds))
