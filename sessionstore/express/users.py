"""A login in Express as a login in Django, for SESSIONSTORE_EXPRESS["user"]."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth import load_backend

from sessionstore.conf import conf
from sessionstore.conf.express import passport_user
from sessionstore.core.merge import AUTH_KEYS
from sessionstore.models import user_id_of as text_of
from sessionstore.models import user_key_of


def user_id_of(data: Mapping[str, Any]) -> str | None:
    """Return who is signed in, on whichever side; None for an anonymous session."""
    user_id = data.get(AUTH_KEYS[0])
    if user_id is None:
        user_id = mapped_id(data)
    if user_id is None:
        user_id = passport_user(data)
    return None if user_id is None else str(user_id)


def mapped_id(data: Mapping[str, Any]) -> Any:
    """Return what the site's callable finds in a session without a login of Django's own."""
    callback = conf.express.user if conf.express else None
    return callback(data) if callback and AUTH_KEYS[0] not in data else None


def owner_of(data: Mapping[str, Any]) -> str | None:
    """Return whose session Django takes it for, as a login stores it; asks no database.

    So it knows the owner of an account that is disabled or gone, too.
    """
    key = _primary_key(data.get(AUTH_KEYS[0]))
    if key is None:
        key = _primary_key(mapped_id({k: v for k, v in data.items() if k not in AUTH_KEYS}))
    return None if key is None else text_of(key)


def drop_impossible_login(data: dict[str, Any]) -> None:
    """Take a login out that Django could not read: it would be an error at each request.

    A number is one that it can read, though its own login writes text.
    """
    user_id = data.get(AUTH_KEYS[0])
    if user_id is None or _primary_key(user_id) is not None:
        return
    for name in AUTH_KEYS:
        data.pop(name, None)


def _primary_key(user_id: Any) -> Any:
    """Return a value as the user's primary key; None when it cannot be one."""
    if not isinstance(user_id, str | int) or isinstance(user_id, bool):
        return None
    return user_key_of(user_id)


def login_of(data: Mapping[str, Any]) -> dict[str, str]:
    """Return the three keys that Django's login would have written; {} for nobody.

    A primary key that is none, an unknown user and one that may not sign in all mean nobody.
    """
    user_id = _primary_key(mapped_id(data))
    if user_id is None:
        return {}
    for path in conf.authentication_backends:
        # Compat: backends that only refuse, such as django-axes', know no users.
        get_user = getattr(load_backend(path), "get_user", None)
        user = get_user(user_id) if get_user else None
        if user is not None:
            values = (text_of(user), path, user.get_session_auth_hash())
            return dict(zip(AUTH_KEYS, values, strict=True))
    return {}
