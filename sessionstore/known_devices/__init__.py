"""Whether a user has signed in with a browser before, and whether the site trusts it.

For sites that skip a second factor. Each function is False, and costs no statement, where
SESSIONSTORE_KNOWN_DEVICES is not set or the browser has no token of this user.
"""

from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest

from sessionstore.conf import conf
from sessionstore.conf.zones import aware
from sessionstore.core import expiry
from sessionstore.known_devices import tokens
from sessionstore.known_devices.belonging import is_of
from sessionstore.known_devices.logins import pending, texts_of
from sessionstore.known_devices.rows import (
    is_current,
    is_token_of,
    is_trusted_row,
    known_devices,
    options,
)
from sessionstore.models import KnownDevice, user_id_of
from sessionstore.session.store import SessionBackend
from sessionstore.users.impersonation import is_own

__all__ = ["device_of", "is_known", "is_trusted", "trust"]


def device_of(request: HttpRequest, user: Any) -> KnownDevice | None:
    """Return what is known of the browser to this user, who may have yet to sign in.

    One SELECT where the browser has a token of theirs.
    """
    if conf.known_devices is None:
        return None
    user_id = user_id_of(user)
    for token in tokens.of_user(conf.secrets, texts_of(request), user_id):
        row = known_devices.find(token.device_id, user_id)
        if row is not None and is_token_of(token, row) and is_current(row, user):
            return row
    return None


def is_known(request: HttpRequest, user: Any) -> bool:
    """Tell whether this user has signed in with this browser before."""
    return device_of(request, user) is not None


def is_trusted(request: HttpRequest, user: Any) -> bool:
    """Tell whether the site trusts this browser now, for this user and under this password.

    Never for another user, after a change of the password, or once the device is forgotten.
    """
    row = device_of(request, user)
    return row is not None and is_trusted_row(row, user)


def trust(request: HttpRequest, until: datetime | timedelta | None) -> bool:
    """Trust the browser of this request until then, for the user who has signed in with it.

    ``None`` ends it. Call it when the second factor is given: in the request of the sign-in, or in
    a later one. False, and nothing is trusted, unless the session was signed in to with this
    browser by its user: not while somebody acts as another user.
    """
    session, user = request.session, request.user
    if conf.known_devices is None or not isinstance(session, SessionBackend):
        return False
    if not user.is_authenticated or not is_own(session, user):
        return False
    until_ms = _moment(until)
    if (login := pending(user)) is not None:
        if is_proved := login.is_proved(session):
            login.trust(until_ms)
        return is_proved
    row = device_of(request, user)
    if row is None or not is_of(session, bytes(row.pk)):
        return False
    return known_devices.trust(bytes(row.pk), user, until_ms)


def _moment(until: datetime | timedelta | None) -> int | None:
    """Return the moment in milliseconds: no later than the device is known."""
    if until is None:
        return None
    now = expiry.now_ms()
    if isinstance(until, timedelta):
        wanted: int = now + until // timedelta(milliseconds=1)
    else:
        wanted = expiry.to_ms(aware(until))
    return min(wanted, now + options().age_ms)
