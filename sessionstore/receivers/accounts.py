"""What logins, logouts, changed passwords and lost accounts mean for sessions, whoever causes them.

Ours, Django's, the admin's and allauth's views, commands and the shell all send the same signals.
"""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import request_started
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.http import HttpRequest

from sessionstore.binding.logins import bind_anew
from sessionstore.clients import client_of
from sessionstore.core import journal
from sessionstore.core.merge import USER_KEY
from sessionstore.models import user_id_of
from sessionstore.receivers.history import write_new_password
from sessionstore.receivers.neighbours import listen_to
from sessionstore.receivers.proofs import mark, proof_in_claims, proof_of_allauth, proofs_of
from sessionstore.session.store import SessionBackend
from sessionstore.signals import Reason, session_logged_in
from sessionstore.users.impersonation import came_from_another, is_own
from sessionstore.users.pending import end_after_commit


@receiver(user_logged_in, dispatch_uid="sessionstore.login")
def remember_login(request: HttpRequest | None = None, user: Any = None, **_: Any) -> None:
    """Change the key if this request has not yet done so, stamp the time, record the client.

    Security: whoever signs another user in from inside a session, as impersonators do, has not
    given that user's password, and on the way back not the own one. It gets no stamp, and what asks
    for a recent login goes on asking (ASVS 7.5.1).
    """
    session = getattr(request, "session", None)
    if request is None or not isinstance(session, SessionBackend):
        return
    # Compat: others send the signal for a login by a token, which is none of the session's.
    is_of_session, proofs = is_own(session, user), []
    if is_of_session:
        session.note_login(user_id_of(user))
        if not came_from_another(session):
            proofs = proofs_of(request, session, user)
    session.client = client_of(request)
    # A new key may be stored at once, and with it the login and what has proved it.
    for proof in proofs:
        mark(session, proof)
    if not session.has_new_key:
        session.cycle_key()
    user_id = session.get(USER_KEY)
    if is_of_session:
        bind_anew(session, user_id)
    session_logged_in.send(type(session), handle=session.handle, user_id=user_id, request=request)


@receiver(user_logged_out, dispatch_uid="sessionstore.logout")
def remember_logout(request: HttpRequest | None = None, **_: Any) -> None:
    """Give the flush that follows its reason."""
    session = getattr(request, "session", None)
    if isinstance(session, SessionBackend):
        session.ends_because = Reason.LOGOUT


def end_after_save(
    instance: Any, created: bool, using: str, update_fields: Any = None, **_: Any
) -> None:
    """End the other sessions after a new password, and all after a disabled account.

    A login writes ``last_login`` alone, and a hash that is brought up to date leaves no raw
    password behind: neither is a change, and neither costs a statement.
    """
    if created or not isinstance(instance, get_user_model()):
        return
    written = {"password", "is_active"} if update_fields is None else set(update_fields)
    if "is_active" in written and not getattr(instance, "is_active", True):
        end_after_commit(user_id_of(instance), using, Reason.ACCOUNT_DISABLED)
    elif "password" in written and getattr(instance, "_password", None) is not None:
        own, user_id = journal.session_at_work(), user_id_of(instance)
        write_new_password(user_id, using)
        end_after_commit(user_id, using, Reason.PASSWORD_CHANGED, at_work=own)


def end_after_delete(instance: Any, using: str, **_: Any) -> None:
    """End all sessions of an account that is gone."""
    if isinstance(instance, get_user_model()):
        end_after_commit(user_id_of(instance), using, Reason.ACCOUNT_DELETED)


def remember_reauthentication(
    request: HttpRequest, user: Any, reauthenticated: bool = False, **record: Any
) -> None:
    """Stamp the session of a user who has proved to allauth again who they are.

    Security: what proves to be somebody else, in whose name the request acts, stamps nothing. The
    key changes here too (ASVS 7.2.4).
    """
    session = getattr(request, "session", None)
    if not reauthenticated or not isinstance(session, SessionBackend):
        return
    if is_own(session, user):
        mark(session, proof_of_allauth(record))
        if not session.has_new_key:
            session.cycle_key()


def remember_claims(
    request: HttpRequest | None = None, user: Any = None, sociallogin: Any = None, **_: Any
) -> None:
    """Note that the provider of a login by allauth has asked for two factors, where it says so."""
    session = getattr(request, "session", None)
    account = getattr(sociallogin, "account", None)
    said = getattr(account, "extra_data", None)
    claims = said.get("id_token") if isinstance(said, dict) else None
    if not isinstance(session, SessionBackend) or not isinstance(claims, dict):
        return
    proof = proof_in_claims(claims, str(getattr(account, "provider", "")))
    if proof is not None and is_own(session, user):
        mark(session, proof)


listen_to("allauth.account", "signals.user_logged_in", remember_claims, uid="allauth.claims")
listen_to(
    "allauth.account",
    "signals.authentication_step_completed",
    remember_reauthentication,
    uid="allauth",
)
request_started.connect(journal.forget_loaded, dispatch_uid="sessionstore.request_started")


def connect_accounts() -> None:
    """Listen to the users' models only: a receiver for all would slow every delete down."""
    for model in account_models():
        uid = f"sessionstore.{model._meta.label}"
        connect_first(post_save, end_after_save, model, uid)
        post_delete.connect(end_after_delete, sender=model, dispatch_uid=uid)


def connect_first(signal: Any, receiver: Any, sender: Any, uid: str) -> None:
    """Connect a receiver before those of others.

    Security: in autocommit the account is disabled by the time that receivers run, and Django calls
    none of those behind one that raises. Compat: the list is not documented; a test pins its order.
    """
    signal.connect(receiver, sender=sender, dispatch_uid=uid)
    with signal.lock:
        signal.receivers.sort(key=lambda entry: entry[0][0] != uid)
        signal.sender_receivers_cache.clear()


def account_models() -> Iterator[Any]:
    """Return the user model with its proxies and children, and what could be swapped in."""
    bases: tuple[Any, ...] = (AbstractBaseUser,)
    try:
        bases = (*bases, get_user_model())
    except ImproperlyConfigured:  # a site without users
        return
    yield from (model for model in apps.get_models() if issubclass(model, bases))
