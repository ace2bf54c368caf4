"""A sign-in makes its browser known: noted when it happens, written once it is there to stay.

The receiver of ``user_logged_in`` writes nothing. The middleware does, when the session has been
saved: then its row has an id, no transaction of the view is open, and of a login that was rolled
back nothing is left, unless its page went on and the session was saved after all.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import DatabaseError, InterfaceError, router, transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.translation import get_language

from sessionstore.clients import client_of
from sessionstore.conf import conf
from sessionstore.core import expiry, journal
from sessionstore.core.crypto import HiddenText
from sessionstore.core.keys import new_id
from sessionstore.exceptions import SessionStoreUnavailable
from sessionstore.known_devices import notice, tokens
from sessionstore.known_devices.belonging import link
from sessionstore.known_devices.rows import is_just_replaced, known_devices, options
from sessionstore.known_devices.tokens import Token
from sessionstore.models import KnownDevice, user_id_of
from sessionstore.session.store import SessionBackend
from sessionstore.table.faults import code_of
from sessionstore.table.receipts import Fate, Receipt, receipt_for
from sessionstore.table.rows import SqlTable
from sessionstore.users.accounts import account_with
from sessionstore.users.impersonation import is_own

logger = logging.getLogger("sessionstore")


@dataclass(slots=True)
class Login:
    """Somebody who has just signed in, and what is to be written of it after the view."""

    user: Any
    at: int
    # Read before Django writes this sign-in there.
    was_here_before: bool
    language: str | None
    # What the block that it was in does to the user, and the one in which the device was trusted.
    receipt: Receipt | None = None
    trusted_until_ms: int | None = None
    trust_receipt: Receipt | None = None

    @property
    def user_id(self) -> str:
        return user_id_of(self.user)

    def is_proved(self, session: SessionBackend) -> bool:
        """Tell whether the session is this user's, who has given a proof of that in this request.

        Security: whoever signs another user in from inside a session, as impersonators do, gives
        none, and makes no device known.
        """
        proved_at = session.authenticated_at_ms
        is_proved = proved_at is not None and proved_at >= self.at
        return is_proved and is_own(session, self.user)

    def holds(self, session: SessionBackend) -> bool:
        """Tell whether it is there to stay: saved, whatever became of blocks before.

        Security: the user may have been made in one that was rolled back, and the next one would
        get the same number.
        """
        if session.user_id != self.user_id or not session.is_proof_stored:
            return False
        return self.is_proved(session) and not (
            _is_taken_back(self.receipt) and account_with(self.user_id) is None
        )

    def trust(self, until_ms: int | None) -> None:
        """Trust the device when it is known, unless a rollback takes that back."""
        self.trusted_until_ms = until_ms
        self.trust_receipt = receipt_for(known_devices.alias)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """On which device; ``token`` is what its browser gets, and ``device`` one that is new."""

    device_id: bytes
    token: Token | None = None
    device: KnownDevice | None = None
    is_first: bool = False


def note(request: Any, user: Any) -> None:
    """Remember a sign-in until the session is saved. Costs no statement."""
    events, session = journal.current(), getattr(request, "session", None)
    if conf.known_devices is None or events is None or not isinstance(session, SessionBackend):
        return
    if not isinstance(session.table, SqlTable) or not is_own(session, user):
        return
    users = getattr(user, "_state", None)
    receipt = receipt_for((users and users.db) or router.db_for_write(type(user)))
    was_here = getattr(user, "last_login", None) is not None
    events.login = Login(user, expiry.now_ms(), was_here, get_language(), receipt)


def pending(user: Any) -> Login | None:
    """Return the sign-in of this user that the request which runs here has noted."""
    events = journal.current()
    login = None if events is None else events.login
    return login if login is not None and login.user_id == user_id_of(user) else None


def answer(request: HttpRequest, response: HttpResponseBase, session: SessionBackend) -> None:
    """Make the browser known to who has signed in there, and tell them if it was not.

    Whatever goes wrong here is logged: it keeps nobody from signing in.
    """
    login = journal.of(request).login
    if login is None or conf.known_devices is None or not login.holds(session):
        return
    texts = texts_of(request)
    try:
        signed_in = _signed_in(request, login, texts, partial(link, session))
    except (DatabaseError, InterfaceError, SessionStoreUnavailable) as error:
        # Security: a driver's message may hold data of a row.
        logger.warning("A device is not known: %s (%s)", type(error).__name__, code_of(error))
        return
    if signed_in.token is not None:
        value = tokens.joined(conf.secrets, texts, login.user_id, new=signed_in.token)
        send(response, value)
    if signed_in.device is not None and not signed_in.is_first:
        told = partial(
            notice.tell, request, session, login.user, signed_in.device, language=login.language
        )
        transaction.on_commit(told, using=known_devices.alias, robust=True)


def _signed_in(
    request: HttpRequest, login: Login, texts: list[str], link_to: Callable[[bytes], None]
) -> SignedIn:
    """Write a sign-in down: one INSERT and one UPDATE where the browser is known.

    Security: the session is linked first. Whoever forgets the device at this very moment finds it
    by that, or has forgotten the device before it is renewed.
    """
    user, user_id, client = login.user, login.user_id, client_of(request)
    for old in tokens.of_user(conf.secrets, texts, user_id):
        new = tokens.new_token(conf.secrets, old.device_id, user_id)
        link_to(old.device_id)
        if known_devices.renew(old, new, user, client):
            _trust(login, old.device_id)
            return SignedIn(old.device_id, new)
        if (row := known_devices.find(old.device_id, user_id)) is None:
            continue
        if is_just_replaced(old, row):
            # Another request of this browser has just signed in, and its answer has the token.
            _trust(login, old.device_id)
            return SignedIn(old.device_id)
        # It is of a former password. Or, Security: the token was copied, or an answer was lost.
        # Whoever has the newer one may be a thief: from now on neither is known.
        known_devices.remove([old.device_id])
    return _new(login, client, link_to)


def _new(login: Login, client: Any, link_to: Callable[[bytes], None]) -> SignedIn:
    """Add a device, in the place of the oldest where the user has too many."""
    user_id = login.user_id
    before = known_devices.of_user(user_id)
    if surplus := before[options().most - 1 :]:
        known_devices.remove([bytes(row.pk) for row in surplus])
    token = tokens.new_token(conf.secrets, new_id(expiry.now_ms()), user_id)
    link_to(token.device_id)
    device = known_devices.add(token, login.user, client)
    _trust(login, token.device_id)
    is_first = not login.was_here_before and not before
    return SignedIn(token.device_id, token, device, is_first)


def _trust(login: Login, device_id: bytes) -> None:
    if login.trusted_until_ms is not None and not _is_taken_back(login.trust_receipt):
        known_devices.trust(device_id, login.user, login.trusted_until_ms)


def _is_taken_back(receipt: Receipt | None) -> bool:
    return receipt is not None and receipt.fate is Fate.TAKEN_BACK


def texts_of(request: HttpRequest) -> list[str]:
    """Return what may be tokens among the cookies of a request."""
    header = HiddenText(request.META.get("HTTP_COOKIE", ""))
    return tokens.texts_in(header, conf.known_device_cookie_name)


def send(response: HttpResponseBase, value: str) -> None:
    """Give the browser the cookie; an empty one takes it away."""
    name, secure = conf.known_device_cookie_name, conf.cookie_options.secure
    if value:
        response.set_cookie(
            name,
            value,
            max_age=options().age_ms // 1000,
            secure=secure,
            httponly=True,
            samesite="Lax",
        )
    else:
        response.delete_cookie(name, samesite="Lax")
    patch_vary_headers(response, ("Cookie",))
