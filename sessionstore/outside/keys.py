"""The public keys of providers: fetched by URL, kept for a while, and never fetched in a flood."""

import json
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from sessionstore.core.text import printable

# So long keys are taken for the provider's without asking again.
FRESH_S = 3600
# So long they are used while the provider does not answer: a key that was withdrawn ends then.
STALE_S = 24 * 3600
# Security: whatever keys tokens name, a provider is asked so often by a process and no more.
ASKED_EVERY_S = 60
_TIMEOUT_S, _LONGEST_S = 3.0, 5.0
_MOST_BYTES = 256 * 1024
_CHUNK = 16 * 1024
_LONGEST_PROBLEM = 200
Jwk = Mapping[str, Any]
logger = logging.getLogger("sessionstore")


class NoKeysError(Exception):
    """The provider's keys cannot be had; a record of the logger ``sessionstore`` tells why."""


class _NoRedirects(HTTPRedirectHandler):
    """Security: the keys are where the setting says, and over TLS."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


@dataclass(slots=True)
class _Kept:
    keys: list[Jwk] | None = None
    fetched_at: float = 0.0
    asked_at: float | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class KeySets:
    """The keys of each URL, for all threads of a process.

    In its memory and not in a cache: whoever could write there would sign for the provider.
    """

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def clear(self) -> None:
        self._kept.clear()

    def find(self, url: str, kid: str | None) -> Jwk | None:
        """Return the key that a token names; None when the provider has none of that name.

        An unknown name is a reason to ask the provider anew, once a minute. Without a name it has
        to be the only key. Raises NoKeysError when there are no keys to look among.
        """
        kept = self._kept.setdefault(url, _Kept())
        now = time.monotonic()
        is_fresh = kept.keys is not None and now - kept.fetched_at < FRESH_S
        found = _among(kept.keys or (), kid)
        if found is None or not is_fresh:
            self._ask(url, kept)
            found = _among(kept.keys or (), kid)
        if kept.keys is None or time.monotonic() - kept.fetched_at >= STALE_S:
            raise NoKeysError
        return found

    def _ask(self, url: str, kept: _Kept) -> None:
        # Whoever has keys does not wait for another thread that asks; whoever has none has to.
        if not kept.lock.acquire(blocking=kept.keys is None):
            return
        try:
            now = time.monotonic()
            if kept.asked_at is not None and now - kept.asked_at < ASKED_EVERY_S:
                return
            kept.asked_at = now
            kept.keys, kept.fetched_at = fetch(url), now
        except (OSError, HTTPException, ValueError, RecursionError) as error:
            if isinstance(error, HTTPError):
                error.close()  # an answer, with a connection of its own
            # Security: not for whoever has sent the token. It may tell of the network.
            told = printable(f"{type(error).__name__}: {error}")[:_LONGEST_PROBLEM]
            logger.warning("The keys at %s cannot be had: %s", url, told)
        finally:
            kept.lock.release()


def fetch(url: str) -> list[Jwk]:
    """Return the public keys that sign, by one request with bounds on time and size.

    Raises OSError or ValueError when there are none to be had.
    """
    request = Request(url, headers={"Accept": "application/jwk-set+json, application/json"})  # noqa: S310 - the setting takes https alone
    ends_at = time.monotonic() + _LONGEST_S
    body = b""
    with build_opener(_NoRedirects).open(request, timeout=_TIMEOUT_S) as response:
        while chunk := response.read1(_CHUNK):
            body += chunk
            if len(body) > _MOST_BYTES or time.monotonic() > ends_at:
                message = "the answer is too large or too slow"
                raise ValueError(message)
    said = json.loads(body)
    keys = said.get("keys") if isinstance(said, dict) else None
    if not isinstance(keys, list):
        message = "the answer is no set of keys"
        raise ValueError(message)
    return [key for key in keys if _signs(key)]


def _signs(key: Any) -> bool:
    """Tell whether it is a public key for signatures. Security: a shared secret ("oct") is not."""
    return (
        isinstance(key, dict)
        and key.get("kty") in ("RSA", "EC", "OKP")
        and key.get("use", "sig") == "sig"
    )


def _among(keys: list[Jwk] | tuple[()], kid: str | None) -> Jwk | None:
    if kid is None:
        return keys[0] if len(keys) == 1 else None
    return next((key for key in keys if key.get("kid") == kid), None)


key_sets = KeySets()
