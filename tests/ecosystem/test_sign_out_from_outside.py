"""What libraries of single sign-on link at a login, and how their provider ends it."""

from importlib import import_module
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth import login
from django_cas_ng.backends import CASBackend
from djangosaml2.backends import Saml2Backend
from mozilla_django_oidc.auth import OIDCAuthenticationBackend

from sessionstore.links.names import SUB, Name
from sessionstore.outside.backends import LinksCAS, LinksOIDC, LinksSAML
from sessionstore.outside.keys import key_sets
from sessionstore.outside.linked import end_linked
from sessionstore.signals import Reason
from tests.ecosystem.conftest import OUR_STACKS, key_of
from tests.links.provider import CLIENT, serving

pytestmark = pytest.mark.parametrize("stack", OUR_STACKS, indirect=True)
HERE = __name__


class OIDCBackend(LinksOIDC, OIDCAuthenticationBackend):
    """As the documentation has it."""


class SAMLBackend(LinksSAML, Saml2Backend):
    """As the documentation has it."""


class CASLinkedBackend(LinksCAS, CASBackend):
    """As the documentation has it."""


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture
def provider(running, stack, settings, monkeypatch):
    provider, certificate = running
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(certificate))
    monkeypatch.setenv("NO_PROXY", "localhost")
    key_sets.clear()
    settings.ROOT_URLCONF = "tests.ecosystem.sso_urls"
    settings.SESSIONSTORE_OIDC = {
        provider.issuer: {"client_id": CLIENT, "jwks_url": provider.jwks_url}
    }
    settings.AUTHENTICATION_BACKENDS = [
        f"{HERE}.OIDCBackend",
        "allauth.account.auth_backends.AuthenticationBackend",
    ]
    settings.OIDC_RP_CLIENT_ID = CLIENT
    settings.OIDC_RP_CLIENT_SECRET = "shared"
    settings.OIDC_RP_SIGN_ALGO = "RS256"
    settings.OIDC_OP_JWKS_ENDPOINT = provider.jwks_url
    settings.OIDC_OP_AUTHORIZATION_ENDPOINT = f"{provider.issuer}/authorize"
    settings.OIDC_OP_TOKEN_ENDPOINT = f"{provider.issuer}/token"
    settings.OIDC_OP_USER_ENDPOINT = f"{provider.issuer}/userinfo"
    app = {
        "provider_id": "id",
        "name": "id",
        "client_id": CLIENT,
        "secret": "shared",
        "settings": {"server_url": provider.issuer},
    }
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": [app]}}
    return provider


def come_back(client, provider, started, callback, **said):
    """Go to the provider's page and back, signed in there."""
    asked = parse_qs(urlsplit(started.headers["Location"]).query)
    nonce = {"nonce": asked["nonce"][0]} if "nonce" in asked else {}
    provider.said = {"sid": "s1", **nonce, **said}
    return client.get(callback, {"code": "c", "state": asked["state"][0]})


def by_mozilla(client, provider, **said):
    return come_back(client, provider, client.get("/oidc/authenticate/"), "/oidc/callback/", **said)


def by_allauth(client, provider, **said):
    started = client.post("/accounts/oidc/id/login/")
    return come_back(client, provider, started, "/accounts/oidc/id/login/callback/", **said)


@pytest.mark.parametrize(
    ("said", "level"),
    [({}, 1), ({"amr": ["pwd", "otp"]}, 2), ({"acr": "https://refeds.org/profile/mfa"}, 2)],
)
def test_what_the_provider_has_asked_for_counts_with_allauth(provider, client, said, level):
    """By the ID token of its own OpenID Connect."""
    by_allauth(client, provider, **said)
    sign_ins = client.session.sign_ins
    assert max(one.level for one in sign_ins) == level
    assert {one.provider for one in sign_ins} == {"id"}


def sign_out_there(client, provider, **said):
    form = f"logout_token={provider.token(**said)}"
    url = "/oidc/backchannel-logout/"
    return client.post(url, form, content_type="application/x-www-form-urlencoded").status_code


@pytest.mark.parametrize("sign_in", [by_mozilla, by_allauth])
@pytest.mark.parametrize("named", [{"sid": "s1"}, {"sid": None, "sub": "u1"}], ids=["sid", "sub"])
def test_a_sign_out_at_the_provider_ends_the_session(
    provider, client, table, sign_in, named, django_user_model
):
    """Through the library's own pages and its own checks of the ID token."""
    sign_in(client, provider)
    key = key_of(client)
    assert table.user(key) == str(django_user_model.objects.get().pk)
    assert sign_out_there(client, provider, sid="s2") == 200
    assert table.user(key) is not None
    assert sign_out_there(client, provider, **named) == 200
    assert table.user(key) is None


def test_a_proof_that_is_renewed_links_the_new_name(provider, client, table):
    """mozilla-django-oidc signs nobody in who is signed in; the provider's session may be new."""
    by_mozilla(client, provider)
    by_mozilla(client, provider, sid="s9")
    assert sign_out_there(client, provider, sid="s9") == 200
    assert table.user(key_of(client)) is None


def test_a_saml_login_is_linked(stack, table, rf, settings, ann):
    """By the index of its session, and by the name of its user."""
    settings.AUTHENTICATION_BACKENDS = [f"{HERE}.SAMLBackend"]
    name_id = import_module("saml2.saml").NameID(text="n1")
    told = {"issuer": "https://idp.example", "session_index": "i1", "name_id": name_id}
    for names in ([Name("https://idp.example", "i1")], [Name("https://idp.example", "n1", SUB)]):
        request = rf.post("/saml2/acs/")
        request.session = table.store()
        user = SAMLBackend().authenticate(
            request,
            session_info={**told, "ava": {"uid": ["ann"]}},
            attribute_mapping={"uid": ("username",)},
            create_unknown_user=False,
        )
        login(request, user, f"{HERE}.SAMLBackend")
        request.session.save()
        assert table.user(request.session.session_key) == str(ann.pk)
        assert end_linked(*names, reason=Reason.PROVIDER) == 1
        assert table.user(request.session.session_key) is None


def test_a_cas_ticket_ends_its_session_after_a_change_of_key(provider, client, table, settings):
    """Its own table has the key of the login; ours finds the session under each later one."""
    settings.AUTHENTICATION_BACKENDS = [f"{HERE}.CASLinkedBackend"]
    settings.CAS_VERSION = "3"  # the first that tells of a logout
    settings.CAS_SERVER_URL = f"{provider.origin}/cas/"
    client.get("/cas/login/?ticket=ST-1&next=/data/")
    session = table.store(key_of(client))
    assert session.get("_auth_user_id") is not None
    session.cycle_key()
    session.cycle_key()
    session.save()
    client.cookies.clear()
    client.post("/cas/login/", {"logoutRequest": LOGOUT_REQUEST})
    assert table.user(session.session_key) is None


LOGOUT_REQUEST = """<samlp:LogoutRequest
 xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"
 xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="1" Version="2.0">
<saml:NameID>@NOT_USED@</saml:NameID>
<samlp:SessionIndex>ST-1</samlp:SessionIndex></samlp:LogoutRequest>"""
