"""Django REST framework: a recent login, and a second factor, before a view of an API."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from rest_framework.test import APIClient

from tests.ecosystem.conftest import OUR_STACKS
from tests.ecosystem.test_ninja import CHALLENGE, signed_in

pytestmark = pytest.mark.parametrize("stack", OUR_STACKS[:1], indirect=True)
VIEWS = ["function", "method"]


@pytest.mark.parametrize("view", VIEWS)
def test_a_second_factor_opens_the_view(
    client: Client, ann: User, settings: Any, view: str
) -> None:
    """The password alone gets a 401, which says what is wanted (RFC 9470) and where."""
    settings.SESSIONSTORE_REAUTH_URL = {2: "/strong-page/"}
    signed_in(client)
    asked = client.get(f"/rest/{view}/")
    assert (asked.status_code, asked.headers["WWW-Authenticate"]) == (401, CHALLENGE)
    assert asked.json()["login_url"].startswith("/strong-page/?next=")
    signed_in(client, "otp")
    assert client.get(f"/rest/{view}/").json() == {"user": "ann"}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", ["ann", "boss"])
def test_a_token_is_no_recent_login(
    client: Client, ann: User, boss: User, settings: Any, view: str, name: str
) -> None:
    """Neither alone nor beside a cookie, of the same user or of another."""
    settings.SESSIONSTORE_REAUTH_URL = {2: "/strong-page/"}
    headers = {"authorization": f"Token {name}"}
    assert client.get(f"/rest/{view}/", headers=headers).status_code == 401
    signed_in(client, "otp")
    assert client.get(f"/rest/{view}/", headers=headers).status_code in {401, 403}


@pytest.mark.parametrize("view", VIEWS)
def test_who_is_forced_by_a_test_is_not_asked_for(
    stack: str, ann: User, settings: Any, view: str
) -> None:
    """`force_authenticate` stands for any authenticator: it proves nothing."""
    settings.SESSIONSTORE_REAUTH_URL = {2: "/strong-page/"}
    api = APIClient()
    signed_in(api, "otp")
    api.force_authenticate(ann)
    assert api.get(f"/rest/{view}/").status_code == 401


@pytest.mark.parametrize("view", ["outside", "mixed"])
def test_a_decorator_that_cannot_know_the_user_says_so(
    client: Client, ann: User, view: str
) -> None:
    """Around the view, before the framework has looked at tokens."""
    signed_in(client)
    with pytest.raises(ImproperlyConfigured, match="below @api_view"):
        client.get(f"/rest/{view}/")
