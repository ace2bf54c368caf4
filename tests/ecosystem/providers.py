"""Providers that sign ann in and say how, without a network: what they answer is in the address."""

import json
from types import SimpleNamespace
from typing import Any

import jwt
from django.conf import settings
from django.contrib.auth.models import User
from mozilla_django_oidc.auth import OIDCAuthenticationBackend
from social_core.backends.open_id_connect import OpenIdConnectAuth


class Mozilla(OIDCAuthenticationBackend):
    """mozilla-django-oidc, but for what it asks the provider's server."""

    def get_token(self, payload: dict[str, Any]) -> dict[str, Any]:
        claims = {"iss": "https://op.example", "sub": "1", **json.loads(payload["code"])}
        token = jwt.encode(claims, settings.OIDC_RP_CLIENT_SECRET, "HS256")
        return {"id_token": token, "access_token": "-"}

    def get_userinfo(self, *_: Any) -> dict[str, Any]:
        return {"email": "ann@example.com"}


class Acme(OpenIdConnectAuth):
    """social-auth, but for what it asks the provider's server."""

    name = "acme"

    def auth_complete(self, *args: Any, **kwargs: Any) -> Any:
        self.id_token = json.loads(self.data["claims"])
        return self.strategy.authenticate(*args, response={}, backend=self, **kwargs)

    def get_user_id(self, *_: Any) -> str:
        return "1"

    def get_user_details(self, *_: Any) -> dict[str, Any]:
        return {}


def find_ann(**_: Any) -> dict[str, Any]:
    """The pipeline of social-auth."""
    social = SimpleNamespace(provider=Acme.name, expiration_timedelta=lambda: None)
    return {"user": User.objects.get(username="ann"), "is_new": False, "social": social}
