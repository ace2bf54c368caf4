"""django-ninja: a recent login, and a second factor, before an operation of an API."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import AsyncClient, Client

from tests.ecosystem.conftest import OUR_STACKS

pytestmark = pytest.mark.parametrize("stack", OUR_STACKS[:1], indirect=True)
CHALLENGE = 'Bearer error="insufficient_user_authentication", acr_values="2", max_age="900"'
JSON = {"accept": "application/json"}


def signed_in(client: Client, method: str = "") -> None:
    """Sign ann in by her password, and give a proof more."""
    if not client.cookies:
        client.post("/login/", {"username": "ann", "password": "secret"})
    if method:
        session: Any = client.session
        session.mark_authenticated(method)
        session.save()


def test_a_second_factor_opens_the_operation(client: Client, ann: User, settings: Any) -> None:
    """With its parameters as they are; the password alone gets a 401 by RFC 9470."""
    settings.SESSIONSTORE_REAUTH_URL = {2: "/strong-page/"}
    signed_in(client)
    asked = client.get("/ninja/by-session/?number=5", headers=JSON)
    assert (asked.status_code, asked.headers["WWW-Authenticate"]) == (401, CHALLENGE)
    signed_in(client, "otp")
    answer = client.get("/ninja/by-session/?number=5", headers=JSON)
    assert answer.json() == {"user": "ann", "number": 5}


def test_a_token_of_another_user_is_no_recent_login(client: Client, ann: User, boss: User) -> None:
    """Beside ann's cookie: the operation may act for the one or for the other."""
    headers = {"authorization": "Bearer boss"}
    assert client.get("/ninja/by-token/", headers=headers).status_code == 401
    signed_in(client)
    assert client.get("/ninja/by-token/", headers=headers).status_code == 401
    own = client.get("/ninja/by-token/", headers={"authorization": "Bearer ann"})
    assert own.json() == {"user": "ann"}


@pytest.mark.usefixtures("close_other_threads")
async def test_an_async_operation_too(stack: str, ann: User, settings: Any) -> None:
    """The same two answers."""
    settings.SESSIONSTORE_REAUTH_URL = {2: "/strong-page/"}
    client = AsyncClient()
    await client.aforce_login(ann, "django.contrib.auth.backends.ModelBackend")
    assert (await client.get("/ninja/async/", headers=JSON)).status_code == 401
    session: Any = await client.asession()
    await session.amark_authenticated("otp")
    await session.asave()
    assert (await client.get("/ninja/async/", headers=JSON)).json()["user"] == "ann"
