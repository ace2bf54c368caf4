"""What a bound session hands out: two challenges, and the cookie that a proof earns.

Each is a moment and a tag: 6 bytes of milliseconds and 16 of HMAC-SHA256 over that and over what it
is about, in base64url. The table keeps none of them, and each purpose has a key of its own, so that
no one stands for another.
"""

import base64
import re
from collections.abc import Sequence
from hashlib import sha256

from sessionstore.core.crypto import HiddenText, derive, is_tag, tag
from sessionstore.core.expiry import MINUTE_MS
from sessionstore.core.keys import handle_of, id_of

Secrets = Sequence[str | bytes]
CHALLENGE_MS = 2 * MINUTE_MS
# The browser drops its cookie by its own clock; the server lets it live on for so long.
SLACK_MS = 30_000
# A clock that is ahead has stamped what seems to come from the future. Nobody else can.
_AHEAD_MS = 10 * MINUTE_MS
_REGISTRATION, _REFRESH, _COOKIE = "bind.register.1", "bind.refresh.1", "bind.cookie.1"
_MOMENT_BYTES, _TAG_BYTES = 6, 16
_formed = re.compile(r"[A-Za-z0-9_-]{30}").fullmatch
_HANDLE_LENGTH = 22


def identifier(row_id: bytes, bound_at: int) -> str:
    """Return the name that the browser knows a binding by: 16 characters, the first a letter.

    A row that is bound again has another one. It is no secret, and tells nothing of the row.
    """
    digest = sha256(row_id + _moment(bound_at)).digest()
    return "s" + base64.urlsafe_b64encode(digest)[:15].decode()


def registration_challenge(secrets: Secrets, row_id: bytes, *, now: int) -> str:
    """Return what a browser signs to bind a row: it names the row, for no other request does."""
    return handle_of(row_id) + _token(secrets, _REGISTRATION, row_id, now)


def registered(secrets: Secrets, challenge: str, *, now: int) -> tuple[bytes, int] | None:
    """Return which row a registration is for, and when it was asked for; None when never."""
    handle, text = challenge[:_HANDLE_LENGTH], challenge[_HANDLE_LENGTH:]
    try:
        row_id = id_of(handle)
    except ValueError:
        return None
    at = _stamped_at(secrets, _REGISTRATION, text, row_id)
    return (row_id, at) if at is not None and _is_recent(at, CHALLENGE_MS, now) else None


def refresh_challenge(secrets: Secrets, identifier: str, *, now: int) -> str:
    """Return what a browser signs to go on: nobody has to know the row for it."""
    return _token(secrets, _REFRESH, identifier.encode(), now)


def challenged_at(secrets: Secrets, challenge: str, identifier: str, *, now: int) -> int | None:
    """Return when a proof of this binding was asked for; None when never, or too long ago."""
    at = _stamped_at(secrets, _REFRESH, challenge, identifier.encode())
    return at if at is not None and _is_recent(at, CHALLENGE_MS, now) else None


def cookie(secrets: Secrets, row_id: bytes, bound_at: int, *, proved_at: int) -> str:
    """Return the cookie that a proof earns.

    Security: ``proved_at`` is the moment of its challenge, so that a proof that is sent again buys
    no more time.
    """
    return HiddenText(_token(secrets, _COOKIE, row_id + _moment(bound_at), proved_at))


def proved_at(
    secrets: Secrets, cookie: str | None, row_id: bytes, bound_at: int, *, age_ms: int, now: int
) -> int | None:
    """Return when the browser proved to have the key of this binding; None when not lately."""
    at = _stamped_at(secrets, _COOKIE, cookie or "", row_id + _moment(bound_at))
    return at if at is not None and _is_recent(at, age_ms + SLACK_MS, now) else None


def moment_of(token: str | None) -> int | None:
    """Return the moment that a token says, whoever has made it; None for what is none."""
    if not _formed(token or ""):
        return None
    return int.from_bytes(base64.urlsafe_b64decode(f"{token}==")[:_MOMENT_BYTES], "big")


def _token(secrets: Secrets, purpose: str, about: bytes, moment: int) -> str:
    stamp = _moment(moment)
    sealed = stamp + tag(derive(secrets[0], purpose), stamp, about, length=_TAG_BYTES)
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _stamped_at(secrets: Secrets, purpose: str, text: str, about: bytes) -> int | None:
    """Return the moment of a token that we have made, under any of the secrets."""
    if not _formed(text):
        return None
    sealed = base64.urlsafe_b64decode(text + "==")
    stamp, seal = sealed[:_MOMENT_BYTES], sealed[_MOMENT_BYTES:]
    if any(is_tag(seal, derive(secret, purpose), stamp, about) for secret in secrets):
        return int.from_bytes(stamp, "big")
    return None


def _is_recent(at: int, most_ms: int, now: int) -> bool:
    return -_AHEAD_MS <= now - at <= most_ms


def _moment(moment: int) -> bytes:
    return moment.to_bytes(_MOMENT_BYTES, "big")
