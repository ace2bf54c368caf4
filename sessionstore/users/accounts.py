"""The accounts of users who have sessions: their names, and whether one is known to be lost.

A lost one ends its session. That a request found no user is no evidence: a directory may be down,
a replica may lag, a default manager may filter, another tenant may have no such user. So the
account itself is asked for: where it is written, by its primary key, past the site's managers.
"""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, get_user_model, load_backend
from django.contrib.auth.backends import ModelBackend
from django.db import DatabaseError, InterfaceError, router
from django.db.models import Manager, QuerySet
from django.utils.crypto import constant_time_compare

from sessionstore.conf import conf
from sessionstore.core.merge import USER_KEY
from sessionstore.models import user_id_of, user_key_of
from sessionstore.routers import SessionRouter
from sessionstore.session.store import SessionBackend
from sessionstore.signals import Reason
from sessionstore.table.routed import parts

# So many keys in a statement stay below the 999 values of an old SQLite.
_KEYS = 500


def accounts() -> Any:
    """Return all users as the write side has them: no manager of the site's filters these."""
    model: Any = get_user_model()
    return QuerySet(model, using=router.db_for_write(model))


def account_with(user_id: str) -> Any:
    """Return the user whose primary key a text means; None when there is none."""
    key = user_key_of(user_id)
    return None if key is None else accounts().filter(pk=key).first()


def users_of(user_ids: Iterable[str], users: Any) -> dict[str, Any]:
    """Return those of ``users``, with no more than key and name, by the ids that sessions hold."""
    keys = [key for key in map(user_key_of, user_ids) if key is not None]
    named = users.only("pk", get_user_model().USERNAME_FIELD)
    found = (user for part in parts(keys, _KEYS) for user in named.filter(pk__in=part))
    return {user_id_of(user): user for user in found}


def names_of(user_ids: Iterable[str]) -> dict[str, str]:
    """Return the login names of those of these users who are there."""
    try:
        found = users_of(user_ids, accounts())
    except (DatabaseError, InterfaceError):
        return {}
    return {user_id: user.get_username() for user_id, user in found.items()}


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


def may_have_lost_account(request: Any) -> bool:
    """Tell whether a request found no user, and its session may claim one; asks nobody."""
    seen = (getattr(request, name, None) for name in ("_cached_user", "_acached_user"))
    if not any(user is not None and not user.is_authenticated for user in seen):
        return False
    return not request.session.is_loaded or USER_KEY in request.session


def _claims_a_user(request: Any) -> bool:
    if not may_have_lost_account(request) or getattr(request.user, "is_authenticated", True):
        return False
    return USER_KEY in request.session


def _loss_of(session: SessionBackend) -> Reason | None:
    """Return how the account of a session was lost; None when it was not, or nobody can know."""
    path: Any = session.get(BACKEND_SESSION_KEY)
    if path not in conf.authentication_backends:
        return None
    backend, key = load_backend(path), user_key_of(session[USER_KEY])
    if key is None:
        return None
    try:
        account = accounts().filter(pk=key).first()
    except (DatabaseError, InterfaceError, ValueError):
        return None
    if account is None:
        return Reason.ACCOUNT_DELETED if _would_be_here(backend) else None
    lets_in = getattr(backend, "user_can_authenticate", lambda _: False)
    if getattr(account, "is_active", True) or lets_in(account):
        return None
    return Reason.ACCOUNT_DISABLED if _has_signed_in(account, session) else None


def _would_be_here(backend: Any) -> bool:
    """Tell whether an account that is not where users are written is gone.

    Not where anybody but Django chooses where to look: a backend's own ``get_user``, the default
    manager, or a router. With tenants, that depends on the request.
    """
    manager: Any = get_user_model()._default_manager
    one_place = all(isinstance(one, SessionRouter) for one in router.routers)
    # Compat: aget_user came with Django 5.2.
    return (
        one_place
        and isinstance(backend, ModelBackend)
        and _is_inherited(backend, ModelBackend, "get_user", "aget_user")
        and _is_inherited(manager, Manager, "get_queryset")
    )


def _is_inherited(instance: Any, base: type, *methods: str) -> bool:
    return all(getattr(type(instance), m, None) is getattr(base, m, None) for m in methods)


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
