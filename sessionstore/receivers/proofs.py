"""How a login was made: what Django's backend and the neighbours' apps tell of it.

No neighbour is imported: what is not installed is not there. What none of them tells is one factor
by a method that is not known.
"""

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.contrib.auth import BACKEND_SESSION_KEY
from django.utils.module_loading import import_string

from sessionstore.core import expiry
from sessionstore.core.sign_ins import methods
from sessionstore.models import user_id_of
from sessionstore.session.store import SessionBackend

# By the classes that a backend is built on.
_BACKENDS = {
    "mozilla_django_oidc.auth.OIDCAuthenticationBackend": methods.OIDC,
    "social_core.backends.saml.SAMLAuth": methods.SAML,
    "social_core.backends.open_id_connect.OpenIdConnectAuth": methods.OIDC,
    "social_core.backends.base.BaseAuth": methods.SOCIAL,
    "djangosaml2.backends.Saml2Backend": methods.SAML,
    "sesame.backends.ModelBackend": methods.EMAIL,
    "django.contrib.auth.backends.RemoteUserBackend": methods.UNKNOWN,
    "allauth.account.auth_backends.AuthenticationBackend": methods.PASSWORD,
    "django_auth_ldap.backend.LDAPBackend": methods.PASSWORD,
    "django.contrib.auth.backends.ModelBackend": methods.PASSWORD,
}
_ALLAUTH, _ALLAUTH_USER = "account_authentication_methods", "account_authentication_methods_user"
_ALLAUTH_METHODS = {
    "code": methods.EMAIL,
    "mfa": methods.OTP,
    "password_reset": methods.EMAIL,
    "socialaccount": methods.SOCIAL,
}
_ALLAUTH_FACTORS = {"recovery_codes": methods.RECOVERY_CODE, "webauthn": methods.WEBAUTHN}
# So long a login of several steps may take.
_ONE_LOGIN_MS = expiry.HOUR_MS
_OTP_DEVICE, _ID_TOKEN = "otp_device_id", "oidc_id_token"


class Proof(NamedTuple):
    """What ``mark_authenticated`` is told; the level that the method has by itself is None."""

    method: str
    level: int | None = None
    provider: str = ""


def proofs_of(request: Any, session: SessionBackend, user: Any) -> list[Proof]:
    """Return all by which a user has just signed in. To be asked before the key changes."""
    codes = [*_of_django_otp(request, session, user)]
    if codes and _is_of_session(user):
        return codes  # Whoever was signed in has given nothing else.
    return [*([*_of_allauth(session, user)] or [_of_backend(request, session)]), *codes]


def mark(session: SessionBackend, proof: Proof) -> None:
    """Stamp the session by a proof."""
    session.mark_authenticated(proof.method, level=proof.level, provider=proof.provider)


def proof_of_allauth(record: Mapping[str, Any]) -> Proof:
    """Return what allauth calls a step of a login, or a new proof after one."""
    named = str(record.get("method", ""))
    method = _ALLAUTH_METHODS.get(named, named)
    if named == "mfa":
        method = _ALLAUTH_FACTORS.get(str(record.get("type")), method)
    # A passkey that is enough alone: allauth requires that it has verified the user.
    level = 2 if method == methods.WEBAUTHN and record.get("passwordless") is True else None
    return Proof(method, level, str(record.get("provider") or ""))


def _of_allauth(session: SessionBackend, user: Any) -> Iterator[Proof]:
    """Yield the steps of this login, and of none before.

    Security: a login that was given up may have been another user's. A release of allauth that
    does not say whose they are tells nothing.
    """
    records, whose = session.get(_ALLAUTH), session.get(_ALLAUTH_USER)
    if not isinstance(records, list) or whose != user_id_of(user):
        return
    since = max(session.authenticated_at_ms or 0, expiry.now_ms() - _ONE_LOGIN_MS)
    for record in records:
        if isinstance(record, dict) and _moment_in(record) > since:
            yield proof_of_allauth(record)


def proof_in_claims(claims: Mapping[str, Any], provider: str) -> Proof | None:
    """Return what an id token adds to a login by a provider: that it has asked for two factors."""
    level = methods.level_in_claims(claims)
    return Proof(methods.OIDC, level, provider) if level > 1 else None


def _moment_in(record: Mapping[str, Any]) -> float:
    at = record.get("at")
    return at * 1000 if isinstance(at, int | float) else 0


def _of_backend(request: Any, session: SessionBackend) -> Proof:
    """Return what the backend tells that Django names in the session."""
    path = str(session.get(BACKEND_SESSION_KEY))
    method, provider = _method_of(path)
    claims = {}
    if method == methods.OIDC:
        claims = _claims_of_social(request, provider) if provider else _claims_in(session)
    level = methods.level_in_claims(claims) if claims else None
    return Proof(method, level, provider or urlsplit(str(claims.get("iss", ""))).netloc)


@lru_cache(maxsize=32)
def _method_of(path: str) -> tuple[str, str]:
    """Return the method of a backend, and its name where it has one: a provider's."""
    try:
        backend = import_string(path)
    except ImportError:
        return methods.UNKNOWN, ""
    for one in getattr(backend, "__mro__", ()):
        method = _BACKENDS.get(f"{one.__module__}.{one.__qualname__}")
        if method is not None:
            name = getattr(backend, "name", "")
            return method, name if isinstance(name, str) else ""
    return methods.UNKNOWN, ""


def _claims_of_social(request: Any, provider: str) -> dict[str, Any]:
    """Return the id token that social-auth has just checked; {} where it has none."""
    backend = getattr(request, "backend", None)
    claims = getattr(backend, "id_token", None)
    is_of_login = getattr(backend, "name", None) == provider
    return claims if is_of_login and isinstance(claims, dict) else {}


def _claims_in(session: SessionBackend) -> dict[str, Any]:
    """Return the id token that mozilla-django-oidc has just checked and kept; {} where not.

    It keeps one at each login, where the site wants that (OIDC_STORE_ID_TOKEN).
    """
    try:
        part = session[_ID_TOKEN].split(".")[1]
        claims = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (AttributeError, IndexError, KeyError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _of_django_otp(request: Any, session: SessionBackend, user: Any) -> Iterator[Proof]:
    """Yield the device by which django-otp has just verified the user.

    Security: it may have been so before, where the site signs the same user in again without
    asking; and django-two-factor-auth remembers browsers, which give the password alone.
    """
    device = getattr(user, "otp_device", None)
    if device is None or getattr(device, "user_id", None) != user.pk:
        return
    was_verified = _is_of_session(user) and _OTP_DEVICE in session.stored_data
    if was_verified or _ends_with_password(request):
        return
    label = type(device)._meta.app_label
    by_label = {"otp_static": methods.RECOVERY_CODE}
    is_key = "webauthn" in f"{label}.{type(device).__name__}".lower()
    yield Proof(methods.WEBAUTHN if is_key else by_label.get(label, methods.OTP))


def _is_of_session(user: Any) -> bool:
    """Tell whether django-otp's middleware has found the user, and no backend."""
    return hasattr(user, "is_verified")


def _ends_with_password(request: Any) -> bool:
    """Tell whether the last form of django-two-factor-auth's login was that of the password."""
    steps = (value for name, value in request.POST.items() if name.endswith("-current_step"))
    return "auth" in steps
