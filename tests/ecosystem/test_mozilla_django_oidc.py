"""mozilla-django-oidc: what the id token says of the sign-in at the provider."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.ecosystem.conftest import OUR_STACKS, sign_ins_of

pytestmark = pytest.mark.parametrize("stack", OUR_STACKS[:1], indirect=True)


@pytest.mark.parametrize(
    ("claims", "level"),
    [({}, 1), ({"amr": ["pwd"]}, 1), ({"amr": ["pwd", "otp"]}, 2), ({"acr": "phr"}, 2)],
)
def test_the_level_is_that_of_the_id_token(
    client: Client, ann: User, settings: Any, claims: dict[str, Any], level: int
) -> None:
    """By `amr` and `acr`, with the provider by its host."""
    settings.AUTHENTICATION_BACKENDS = ["tests.ecosystem.providers.Mozilla"]
    state = client.get("/oidc/authenticate/").url.partition("state=")[2].partition("&")[0]
    answer = client.get("/oidc/callback/", {"code": json.dumps(claims), "state": state})
    assert answer.status_code == 302
    assert sign_ins_of(client) == [("oidc", level)]
    assert client.session.sign_ins[0].provider == "op.example"
    settings.SESSIONSTORE_REAUTH_URL = {2: "oidc_authentication_init"}
    assert client.get("/strong/").status_code == (200 if level == 2 else 302)
