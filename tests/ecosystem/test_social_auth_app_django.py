"""social-auth: what the id token says of the sign-in at the provider."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.ecosystem.conftest import OUR_STACKS, sign_ins_of

pytestmark = pytest.mark.parametrize("stack", OUR_STACKS[:1], indirect=True)


@pytest.mark.parametrize(
    ("claims", "level"), [({}, 1), ({"amr": ["pwd"]}, 1), ({"amr": ["mfa"]}, 2)]
)
def test_the_level_is_that_of_the_id_token(
    client: Client, ann: User, settings: Any, claims: dict[str, Any], level: int
) -> None:
    """By `amr` and `acr`, with the provider by its name."""
    settings.AUTHENTICATION_BACKENDS = ["tests.ecosystem.providers.Acme"]
    answer = client.get("/social/complete/acme/", {"claims": json.dumps(claims)})
    assert answer.status_code == 302
    assert sign_ins_of(client) == [("oidc", level)]
    assert client.session.sign_ins[0].provider == "acme"
