"""A logout token of OpenID Connect Back-Channel Logout 1.0, checked as its section 2.6 says."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sessionstore.conf import conf
from sessionstore.conf.oidc import Provider
from sessionstore.outside.keys import NoKeysError, key_sets

EVENT = "http://schemas.openid.net/event/backchannel-logout"
# Security: what is larger is refused before anybody parses it.
MOST_BYTES = 16 * 1024
# Clocks differ. A token may wait so long to be sent again, and is remembered for as long.
SKEW_S, OLDEST_S = 60, 15 * 60
_TYPES = ("jwt", "logout+jwt", "application/logout+jwt")
_LONGEST_NAME = 1024


class TokenError(Exception):
    """Why a token is refused: ``code`` is for the provider, as RFC 6749 has those words."""

    def __init__(self, problem: str, code: str = "invalid_request") -> None:
        super().__init__(problem)
        self.code = code


@dataclass(frozen=True, slots=True)
class LogoutToken:
    """What a token that holds says: who is to be signed out, by whom, and when it was said."""

    provider: Provider
    jti: str
    issued_at_ms: int
    sid: str | None
    sub: str | None


def read(token: str) -> LogoutToken:
    """Return what a token says. Raises TokenError unless all of it holds."""
    if not 0 < len(token) <= MOST_BYTES:
        message = "The token is missing or too large."
        raise TokenError(message)
    import jwt  # noqa: PLC0415 - the extra [oidc]

    try:
        header = jwt.get_unverified_header(token)
        provider = _provider_of(jwt.decode(token, options={"verify_signature": False}))
        claims = _verified(token, header, provider)
    except (jwt.PyJWTError, ValueError, RecursionError, OverflowError, TypeError) as error:
        # Security: with the words of the library, which quote no more than names of claims.
        message = f"The token does not hold: {type(error).__name__}."
        raise TokenError(message) from None
    except NoKeysError:
        message = "The keys of the provider cannot be had."
        raise TokenError(message, "temporarily_unavailable") from None
    return _logout(provider, claims)


def _provider_of(claims: Mapping[str, Any]) -> Provider:
    """Return the provider that a token, which nobody has verified so far, says it is of."""
    issuer = claims.get("iss")
    provider = conf.oidc.get(issuer) if isinstance(issuer, str) else None
    if provider is None:
        message = "The issuer is not in SESSIONSTORE_OIDC."
        raise TokenError(message)
    return provider


def _verified(token: str, header: Mapping[str, Any], provider: Provider) -> dict[str, Any]:
    """Return the claims of a token that its provider has signed, for us, and lately.

    Security: ``kid`` is looked up among the provider's keys and is nothing else. ``jku``, ``x5u``,
    ``jwk`` and ``x5c``, by which a token would bring its own key, are not read.
    """
    import jwt  # noqa: PLC0415 - as above

    algorithm, kid, typ = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if algorithm not in provider.algorithms or "crit" in header:
        message = "The algorithm is not allowed."
        raise TokenError(message)
    if not isinstance(typ, str) or typ.lower() not in _TYPES:
        message = "It is a token of another type."
        raise TokenError(message)
    if kid is not None and not isinstance(kid, str):
        message = "The kid is no text."
        raise TokenError(message)
    jwk = key_sets.find(provider.jwks_url, kid)
    if jwk is None or jwk.get("alg", algorithm) != algorithm:
        message = "The provider has no such key."
        raise TokenError(message)
    return jwt.decode(
        token,
        jwt.PyJWK(dict(jwk), algorithm=algorithm),
        algorithms=[algorithm],
        audience=list(provider.client_ids),
        issuer=provider.issuer,
        leeway=SKEW_S,
        options={"require": ["iss", "aud", "iat", "jti", "events"], "strict_aud": False},
    )


def _logout(provider: Provider, claims: Mapping[str, Any]) -> LogoutToken:
    """Return what verified claims mean. Raises TokenError when they are no logout."""
    events, issued_at, jti = claims["events"], claims["iat"], claims["jti"]
    sid, sub = _name(claims, "sid"), _name(claims, "sub")
    problem = None
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        problem = "It tells of no logout."
    elif "nonce" in claims:
        problem = "It has a nonce: it may be an ID token."
    elif type(issued_at) not in (int, float):
        problem = "Its iat is no number."  # The library takes what spells one, too.
    elif issued_at < time.time() - OLDEST_S:
        problem = "It is too old."
    elif not isinstance(jti, str) or not jti:
        problem = "It has no name of its own."
    elif sid is None and sub is None:
        problem = "It says neither whose session nor which."
    if problem is not None:
        raise TokenError(problem)
    return LogoutToken(provider, jti, int(issued_at * 1000), sid, sub)


def _name(claims: Mapping[str, Any], claim: str) -> str | None:
    name = claims.get(claim)
    if name is None:
        return None
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
        message = f"Its {claim} is no name."
        raise TokenError(message)
    return name
