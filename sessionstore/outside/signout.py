"""Ends what a provider names, once for each token."""

from contextlib import suppress
from hashlib import sha256

from django.core.cache import caches

from sessionstore.conf import conf
from sessionstore.links.names import SUB, Name
from sessionstore.outside.linked import end_linked
from sessionstore.outside.tokens import OLDEST_S, SKEW_S, LogoutToken, TokenError
from sessionstore.signals import Reason


def sign_out(token: LogoutToken) -> int:
    """End the sessions that a token means; return how many. Raises TokenError when it came before.

    A ``sid`` means one session of the provider; ``sub`` alone all of a user.

    Security: that a token came before is known from Django's cache, which may forget it, or which
    servers may not share. So a token ends no session that was linked after it was issued: whoever
    sends it again ends nothing that it has not ended, or could not have ended, the first time.
    """
    name = f"sessionstore.logout.{_digest(token)}"
    if not _is_first(name):
        message = "The token has been used."
        raise TokenError(message)
    issuer, until = token.provider.issuer, token.issued_at_ms + SKEW_S * 1000
    meant = Name(issuer, token.sid) if token.sid else Name(issuer, token.sub or "", SUB)
    try:
        return end_linked(meant, reason=Reason.PROVIDER, linked_until_ms=until)
    except BaseException:
        # The provider sends it again.
        with suppress(Exception):
            caches[conf.cache_alias].delete(name)
        raise


def _digest(token: LogoutToken) -> str:
    return sha256(Name(token.provider.issuer, token.jti, "jti").digest(conf.secrets[0])).hexdigest()


def _is_first(name: str) -> bool:
    try:
        return bool(caches[conf.cache_alias].add(name, 1, timeout=OLDEST_S + 2 * SKEW_S))
    except Exception:  # noqa: BLE001 - a cache that is down keeps nobody signed in
        return True
