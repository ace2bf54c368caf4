"""What the ways to prove who one is are called, and how much each proves."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

PASSWORD: Final = "password"  # noqa: S105 - the name of a method
OTP: Final = "otp"
WEBAUTHN: Final = "webauthn"
RECOVERY_CODE: Final = "recovery_code"
EMAIL: Final = "email"
SOCIAL: Final = "social"
OIDC: Final = "oidc"
SAML: Final = "saml"
TOKEN: Final = "token"  # noqa: S105 - as above
IMPERSONATION: Final = "impersonation"
UNKNOWN: Final = ""

# What is asked for on top of another factor. Alone it is one factor like any other.
_SECOND: Final = {OTP, WEBAUTHN, RECOVERY_CODE}

# RFC 8176. Two of different kinds are two factors, and a provider may say so itself.
_MANY_FACTORS: Final = "mfa"
_KINDS: Final = {
    "kba": "known",
    "pin": "known",
    "pwd": "known",
    "hwk": "held",
    "otp": "held",
    "pop": "held",
    "sc": "held",
    "sms": "held",
    "swk": "held",
    "tel": "held",
    "face": "inborn",
    "fpt": "inborn",
    "iris": "inborn",
    "retina": "inborn",
    "vbm": "inborn",
}
# The classes that mean two factors wherever they are used; numbers mean what a provider wants.
_STRONG_CLASSES: Final = {
    "http://schemas.openid.net/pape/policies/2007/06/multi-factor",
    "http://schemas.openid.net/pape/policies/2007/06/multi-factor-physical",
    "https://refeds.org/profile/mfa",
    "phr",
    "phrh",
}


def level_of(method: str, beside: Iterable[str]) -> int:
    """Return what a method proves ``beside`` those that the session has seen: one factor or two."""
    if method == IMPERSONATION:
        return 0
    has_first = any(one not in _SECOND for one in beside)
    return 2 if method in _SECOND and has_first else 1


def level_in_claims(claims: Mapping[str, Any]) -> int:
    """Return what an id token says of the sign-in at its provider, by ``acr`` and ``amr``."""
    named = claims.get("amr")
    methods = {one for one in named if isinstance(one, str)} if isinstance(named, list) else set()
    kinds = {_KINDS[one] for one in methods if one in _KINDS}
    context = claims.get("acr")
    is_strong = isinstance(context, str) and context in _STRONG_CLASSES
    return 2 if is_strong or _MANY_FACTORS in methods or len(kinds) > 1 else 1
