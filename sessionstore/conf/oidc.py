"""SESSIONSTORE_OIDC, parsed: who may sign users out from outside, and how they prove it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from sessionstore.conf.values import flag, mapping, names, text

T = TypeVar("T")

# Security: public keys only. A shared secret in this list could be a public key that somebody has
# signed with, and "none" is nobody's signature.
ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "ES256", "ES384", "ES512"),
    *("PS256", "PS384", "PS512", "EdDSA"),
)
_KNOWN: Final = ("client_id", "jwks_url", "algorithms", "front_channel")


@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenID provider: what it calls itself and this site, and where its keys are."""

    issuer: str
    client_ids: tuple[str, ...]
    jwks_url: str
    algorithms: tuple[str, ...] = ALGORITHMS
    front_channel: bool = False

    @property
    def origin(self) -> str:
        """What a page of the provider has for its origin."""
        place = urlsplit(self.issuer)
        return f"{place.scheme}://{place.netloc}"


def providers(value: Any) -> Mapping[str, Provider]:
    """Parse the dict; ValueError completes the sentence "SESSIONSTORE_OIDC must be ..."."""
    return {
        _https(issuer, "issuer"): _provider(issuer, of) for issuer, of in mapping(value).items()
    }


def _provider(issuer: str, value: Any) -> Provider:
    try:
        given = dict(mapping(value))
    except ValueError as error:
        message = f"a dict of issuers to dicts, not {{{issuer!r}: {value!r}}}"
        raise ValueError(message) from error
    unknown = [name for name in given if name not in _KNOWN]
    if unknown:
        known = ", ".join(map(repr, _KNOWN))
        message = f"of dicts with {known}, without {unknown[0]!r}"
        raise ValueError(message)
    return Provider(
        issuer=issuer,
        client_ids=_item(given, issuer, "client_id", _client_ids),
        jwks_url=_item(given, issuer, "jwks_url", lambda url: _https(url, "jwks_url")),
        algorithms=_item(given, issuer, "algorithms", _algorithms, ALGORITHMS),
        front_channel=_item(given, issuer, "front_channel", flag, default=False),
    )


def _item(
    given: Mapping[str, Any], issuer: str, name: str, parse: Callable[[Any], T], default: Any = None
) -> T:
    try:
        return parse(given.get(name, default))
    except ValueError as error:
        message = f"of dicts with {name!r}: {error}, which that of {issuer!r} is not"
        raise ValueError(message) from None


def _client_ids(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) and value else names(value or text(value))


def _algorithms(value: Any) -> tuple[str, ...]:
    chosen = names(value)
    if not chosen or not set(chosen) <= set(ALGORITHMS):
        message = "some of " + ", ".join(ALGORITHMS)
        raise ValueError(message)
    return chosen


def _https(value: Any, what: str) -> str:
    try:
        place = urlsplit(text(value))
        is_fit = place.scheme == "https" and bool(place.hostname) and place.username is None
    except ValueError:
        is_fit = False
    if not is_fit:
        message = f"a dict whose {what} is an https:// URL, not {value!r}"
        raise ValueError(message)
    return str(value)
