"""Who is signed in to a session that Django and Express share: what its JSON says, checked.

The JSON is Express's to write, and what stands in it is foreign: nothing of it is believed to be a
user's primary key before it was looked at, and none of it gets into a log.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth import load_backend

from sessionstore import security_log
from sessionstore.conf import conf
from sessionstore.conf.values import Callback
from sessionstore.core import expiry
from sessionstore.core.express_format import canonical
from sessionstore.core.merge import AUTH_KEYS, USER_KEY
from sessionstore.models import user_id_of as text_of
from sessionstore.models import user_key_of

PASSPORT: Final = "passport"
# The callable fails at each request, or at none: one record a second tells enough.
_failures = security_log.Flood()


# Security: no repr, for error reporters record local variables by it.
@dataclass(frozen=True, slots=True, repr=False)
class Said:
    """What Express says of who is signed in.

    ``user_id`` is whom the site's mapping makes of it: a checked primary key as text, or None.
    ``state`` is all of it in one form: another one means that Express has signed somebody in or
    out since. None is a state that nobody can compare; so is what a callable says that raises.
    """

    user_id: str | None
    state: str | None


class _CallableFailedError(Exception):
    """The site's callable has raised."""


def said_in(data: Mapping[str, Any]) -> Said:
    """Return what Express says; passport with nobody differs from no passport at all."""
    try:
        user_id = _mapped_id(data)
    except _CallableFailedError:
        return Said(None, None)
    passport = [data[PASSPORT]] if PASSPORT in data else []
    # What follows from passport adds nothing: so the setting may come to trust it, or cease to.
    beside = user_id if conf.express and conf.express.looks_beside_passport else None
    try:
        return Said(user_id, canonical([passport, beside]))
    except (RecursionError, TypeError, ValueError):
        return Said(user_id, None)


def stored_id(data: Mapping[str, Any]) -> str | None:
    """Return whom a login of Django's names: a checked primary key as text, or None."""
    return _checked(data.get(USER_KEY))


def drop_login(data: dict[str, Any]) -> bool:
    """Take a login of Django's out; tell whether there was one."""
    there = [name for name in AUTH_KEYS if name in data]
    for name in there:
        del data[name]
    return bool(there)


def login_of(user_id: str | None) -> dict[str, str]:
    """Return the three keys that Django's login would have written; {} for nobody.

    An unknown user and one that may not sign in mean nobody too. Security: so does one whom the
    database has found by another spelling, without letter case: the table's rows name another.
    """
    if user_id is None:
        return {}
    for path in conf.authentication_backends:
        # Compat: backends that only refuse, such as django-axes', know no users.
        get_user = getattr(load_backend(path), "get_user", None)
        user = get_user(user_key_of(user_id)) if get_user else None
        if user is not None and text_of(user) == user_id:
            values = (text_of(user), path, user.get_session_auth_hash())
            return dict(zip(AUTH_KEYS, values, strict=True))
    return {}


def _mapped_id(data: Mapping[str, Any]) -> str | None:
    """Return whom the site's callable finds; it sees nothing of Django's login.

    Raises _CallableFailedError when the callable raises. Security: what that says may quote the
    session, so its type alone is told.
    """
    callback = conf.express.user if conf.express else None
    if callback is None:
        return None
    try:
        found = callback({name: data[name] for name in data if name not in AUTH_KEYS})
    except Exception as error:  # noqa: BLE001 - the site's code, on data of strangers
        _tell_failed(callback, f"it raises {type(error).__name__}")
        raise _CallableFailedError from None
    user_id = _checked(found)
    if user_id is None and found is not None:
        _tell_failed(callback, f"its {type(found).__name__} is no primary key")
    return user_id


def _checked(value: Any) -> str | None:
    """Return a value as the text of a user's primary key; None when it cannot be one.

    Security: Python reads "1_0" as 10, and "{...}", a URN or a number as a UUID. Another system may
    mean another user by those, and the table's columns know them not: in no list, ended by nothing.
    """
    if not isinstance(value, str | int) or isinstance(value, bool):
        return None
    key = user_key_of(value)
    if key is None:
        return None
    text = text_of(key)
    return text if _folded(str(value)) == _folded(text) else None


def _folded(text: str) -> str:
    """Return what is one spelling of a key: a UUID has letter case and dashes of any kind."""
    return text.lower().replace("-", "")


def _tell_failed(callback: Callback, reason: str) -> None:
    counted = _failures.count(reason, now=expiry.now_ms())
    if counted:
        place = callback if hasattr(callback, "__qualname__") else type(callback)
        name = f"{place.__module__}.{place.__qualname__}"
        facts = {"callable": name, "reason": reason, "times": sum(counted.values())}
        security_log.tell("without its user", None, level=logging.WARNING, **facts)
