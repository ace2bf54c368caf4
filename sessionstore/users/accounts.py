"""Whether the account of a session is known to be lost, which ends the session.

That a request found no user is no evidence: a directory may be down, a replica may lag, a default
manager may filter, another tenant may have no such user. So the account itself is asked for: where
it is written, by its primary key, past the site's managers.
"""

from typing import Any

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, get_user_model, load_backend
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import ValidationError
from django.db import DatabaseError, InterfaceError, router
from django.utils.crypto import constant_time_compare

from sessionstore.conf import conf
from sessionstore.core.merge import USER_KEY
from sessionstore.routers import SessionRouter
from sessionstore.session.store import SessionBackend
from sessionstore.signals import Reason


def end_if_account_is_lost(request: Any) -> None:
    """End the session of a request whose user is known to be disabled or gone.

    Django takes such a visitor for anonymous and leaves the session as it is: it would come to
    life again with the account. Costs nothing but for a session that claims a user and a request
    that found none.
    """
    if not _claims_a_user(request):
        return
    reason = _loss_of(request.session)
    if reason is not None:
        request.session.ends_because = reason
        request.session.flush()


def _claims_a_user(request: Any) -> bool:
    seen = (getattr(request, name, None) for name in ("_cached_user", "_acached_user"))
    if not any(user is not None and not user.is_authenticated for user in seen):
        return False
    if getattr(request.user, "is_authenticated", True):
        return False
    return USER_KEY in request.session


def _loss_of(session: SessionBackend) -> Reason | None:
    """Return how the account of a session was lost; None when it was not, or nobody can know."""
    path: Any = session.get(BACKEND_SESSION_KEY)
    if path not in conf.authentication_backends:
        return None
    backend = load_backend(path)
    try:
        account = _account(session[USER_KEY])
    except (ValidationError, ValueError):
        return None  # A key of another type of user: AUTH_USER_MODEL has changed.
    except (DatabaseError, InterfaceError):
        return None
    if account is None:
        return Reason.ACCOUNT_DELETED if _would_be_here(backend) else None
    lets_in = getattr(backend, "user_can_authenticate", lambda _: False)
    if getattr(account, "is_active", True) or lets_in(account):
        return None
    return Reason.ACCOUNT_DISABLED if _has_signed_in(account, session) else None


def _account(user_id: Any) -> Any:
    """Return a user as the write side has it, or None. Raises ValidationError for no key."""
    model: Any = get_user_model()
    key = model._meta.pk.to_python(user_id)
    model._meta.pk.run_validators(key)
    return model._base_manager.using(router.db_for_write(model)).filter(pk=key).first()


def _would_be_here(backend: Any) -> bool:
    """Tell whether an account that is not where users are written is gone.

    Not where the backend may keep it elsewhere, nor where a router may have named the database of
    somebody else: with tenants, that depends on the request.
    """
    one_place = all(isinstance(one, SessionRouter) for one in router.routers)
    return one_place and isinstance(backend, ModelBackend)


def _has_signed_in(account: Any, session: SessionBackend) -> bool:
    """Tell whether it is this account whose login the session holds, as Django tells it.

    Another one of the same number, such as another tenant's, has another password. Where the
    password has changed too, the session stays shut without us: its login no longer holds.
    """
    if not hasattr(account, "get_session_auth_hash"):
        return True
    held = session.get(HASH_SESSION_KEY) or ""
    hashes = (account.get_session_auth_hash(), *account.get_session_auth_fallback_hash())
    return any(constant_time_compare(held, one) for one in hashes)
