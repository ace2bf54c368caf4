"""A provider's logout token ends what it names, and nothing else is believed."""

import hashlib
import hmac
import json
import time

import pytest
from django.core.cache import caches
from django.test import Client
from jwt.algorithms import RSAAlgorithm

from sessionstore.backends.sql import SessionStore
from sessionstore.core.text import printable
from sessionstore.links.names import SUB
from sessionstore.outside import keys
from sessionstore.outside.tokens import EVENT, MOST_BYTES
from sessionstore.signals import Reason
from sessionstore.users.ended import ended
from tests.links.provider import CLIENT, EC_KEY, OTHER_KEY, RSA_KEY, encoded, public_pem

URL = "/oidc/backchannel-logout/"
INFINITE = b'{"iat": 1e999, "iss": 1}'
RS = {"alg": "RS256", "kid": "rsa", "typ": "logout+jwt"}


@pytest.fixture(autouse=True)
def strict(settings):
    """A site that lets nobody in who has not signed in, and a cache that knows no token."""
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    caches["default"].clear()


@pytest.fixture
def client():
    """A provider's server: it has no cookie and no token of a form."""
    return Client(enforce_csrf_checks=True)


@pytest.fixture
def linked(provider, db):
    return sign_in(provider)


def sign_in(provider):
    session = SessionStore()
    session["_auth_user_id"] = "7"
    session.link(provider.issuer, "s1")
    session.link(provider.issuer, "u1", kind=SUB)
    session.save()
    return session


def send(client, token, **options):
    form = f"logout_token={token}"
    return client.post(URL, form, content_type="application/x-www-form-urlencoded", **options)


def is_live(session):
    return bool(type(session)(session.session_key).load())


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"sub": "u1"},
        {"sid": None, "sub": "u1"},
        {"aud": ["other", CLIENT]},
        {"exp": None},
        {"header": {"typ": "JWT"}},
        {"header": {"kid": "ec"}, "key": EC_KEY, "alg": "ES256"},
        {"alg": "PS256", "key": RSA_KEY},
    ],
    ids=lambda changed: ", ".join(f"{name}={changed[name]}" for name in changed if name != "key"),
)
def test_a_token_ends_what_it_names(linked, provider, client, changed):
    """By sid, by sub alone, of each kind of key, and with what the drafts left out."""
    response = send(client, provider.token(**changed))
    assert (response.status_code, response.content) == (200, b"")
    assert "no-store" in response.headers["Cache-Control"]
    assert not is_live(linked)
    assert ended(type(linked)(linked.session_key)).why == Reason.PROVIDER


@pytest.mark.parametrize(
    "changed", [{"sid": "s2"}, {"sid": "s2", "sub": "u1"}, {"sid": None, "sub": "u2"}], ids=str
)
def test_an_unknown_name_is_answered_alike_and_ends_nothing(linked, provider, client, changed):
    """Whoever has a sid means that session, and not all of its user."""
    response = send(client, provider.token(**changed))
    assert (response.status_code, response.content) == (200, b"")
    assert is_live(linked)


NOW = int(time.time())
REFUSED = {
    "another issuer": {"iss": "https://elsewhere.example"},
    "another audience": {"aud": "another"},
    "no audience": {"aud": None},
    "expired": {"iat": NOW - 600, "exp": NOW - 300},
    "old, without an end": {"iat": NOW - 3600, "exp": None},
    "old, whatever its end": {"iat": NOW - 3600, "exp": NOW + 3600},
    "of the future": {"iat": NOW + 3600},
    "no moment": {"iat": None},
    "a moment that is none": {"iat": "soon"},
    "a moment as text": {"iat": str(NOW)},
    "an ID token": {"nonce": "n"},
    "no event": {"events": None},
    "another event": {"events": {"http://example.com/other": {}}},
    "an event that is no object": {"events": {EVENT: True}},
    "events as a list": {"events": [EVENT]},
    "nobody": {"sid": None},
    "a sid that is no text": {"sid": ["s1"]},
    "no name of its own": {"jti": None},
    "a name of another kind": {"jti": 7},
    "another type": {"header": {"typ": "at+jwt"}},
    "a type that is no text": {"header": {"typ": ["logout+jwt"]}},
    "an extension that must be understood": {"header": {"crit": ["exp"], "exp": 1}},
    "another key": {"key": OTHER_KEY},
    "the key of another kid": {"key": EC_KEY, "alg": "ES256"},
    "no kid among several": {"header": {"kid": None}},
    "an unknown kid": {"header": {"kid": "../../etc/passwd' OR 1=1"}},
    "a kid that is no text": {"header": {"kid": {"a": 1}}},
    "an own key by URL": {
        "key": OTHER_KEY,
        "header": {"jku": "https://evil.example/keys", "x5u": "https://evil.example/c"},
    },
    "an own key": {
        "key": OTHER_KEY,
        "header": {"jwk": {"kty": "oct", "k": "c2VjcmV0"}, "x5c": ["AAAA"]},
    },
    "a shared secret": {"key": b"s" * 32, "alg": "HS256"},
}


@pytest.mark.parametrize("changed", REFUSED.values(), ids=REFUSED)
def test_what_does_not_hold_is_refused(linked, provider, client, changed):
    """400 with a word, and the session goes on."""
    changed = dict(changed)
    header = changed.pop("header", {})
    if header.get("kid", "") is None or not isinstance(header.get("kid", ""), str):
        token = forged(provider, {**RS, **header}, provider.claims(**changed))
    else:
        token = provider.token(header=header, **changed)
    assert_refused(send(client, token), linked)


def forged(provider, header, claims, signature=None):
    """A token that no library would make, with a signature that holds unless one is given."""
    header = {name: value for name, value in header.items() if value is not None}
    signed = f"{encoded(header)}.{encoded(claims)}"
    if signature is None:
        signature = RSAAlgorithm(RSAAlgorithm.SHA256).sign(signed.encode(), RSA_KEY)
    return f"{signed}.{encoded(signature)}"


def assert_refused(response, session, code="invalid_request"):
    assert response.status_code == 400
    assert "no-store" in response.headers["Cache-Control"]
    assert response.json()["error"] == code
    assert is_live(session)


def test_none_is_no_algorithm(linked, provider, client):
    """Nor in other letters."""
    for alg in ("none", "None", "NONE", ""):
        token = forged(provider, {**RS, "alg": alg}, provider.claims(), b"")
        assert_refused(send(client, token), linked)


def test_a_public_key_is_no_shared_secret(linked, provider, client):
    """HS256 over the provider's public key, in the forms that libraries have taken."""
    for secret in (public_pem(RSA_KEY), json.dumps(provider.jwks["keys"][0]).encode()):
        signed = f"{encoded({**RS, 'alg': 'HS256'})}.{encoded(provider.claims())}"
        signature = hmac.digest(secret, signed.encode(), hashlib.sha256)
        assert_refused(send(client, f"{signed}.{encoded(signature)}"), linked)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a",
        "a.b",
        "a.b.c",
        "..",
        "%00.%FF.x",
        "x" * (MOST_BYTES + 1),
        f"{encoded(b'[' * 8000)}.{encoded({})}.",
        f"{encoded(RS)}.{encoded(b'[' * 8000)}.",
        f"{encoded([])}.{encoded([])}.",
        f"{encoded(RS)}.{encoded({'iss': {'a': 1}})}.",
        f"{encoded(RS)}.{encoded(INFINITE)}.",
    ],
    ids=lambda token: f"{len(token)}-{printable(token[-8:])}",
)
def test_garbage_is_refused(linked, provider, client, token):
    """Nested, empty, huge: before the provider is asked for keys."""
    assert_refused(send(client, token), linked)
    assert provider.asked == 0


def test_only_a_small_form_is_read(linked, provider, client):
    """No JSON, no files, no GET; another site's page has no token, so CSRF protects nothing."""
    token = provider.token()
    assert client.get(URL).status_code == 405
    assert_refused(client.post(URL, {"logout_token": token}), linked)
    assert_refused(client.post(URL, {"a": 1}, content_type="application/json"), linked)
    assert_refused(send(client, token + "&x=" + "y" * 20_000), linked)


def test_a_token_counts_once(linked, provider, client):
    """A second one is told."""
    token = provider.token()
    assert [send(client, token).status_code for _ in range(2)] == [200, 400]


def test_a_replay_that_a_cache_forgot_ends_no_later_sign_in(linked, provider, client, clock):
    """A token of all of a user means those who were signed in when it was issued."""
    now = int(clock.now.timestamp())
    token = provider.token(sid=None, sub="u1", iat=now, exp=now + 4000)
    assert send(client, token).status_code == 200
    clock.advance(minutes=2)
    later = sign_in(provider)
    caches["default"].clear()
    assert send(client, token).status_code == 200
    assert is_live(later)


def test_a_flood_of_unknown_keys_asks_the_provider_once(linked, provider, client):
    """And what it signs with the keys that are known still holds."""
    for number in range(30):
        send(client, provider.token(header={"kid": f"k{number}"}))
    assert provider.asked == 1
    assert send(client, provider.token()).status_code == 200


def test_a_new_key_is_fetched_once_a_minute(linked, provider, client, monkeypatch):
    """The provider rotates: the first token under the new key is held, within a minute."""
    provider.jwks["keys"][0]["kid"] = "old"
    assert_refused(send(client, provider.token()), linked)
    provider.jwks["keys"][0]["kid"] = "rsa"
    assert_refused(send(client, provider.token()), linked)
    monkeypatch.setattr(keys, "ASKED_EVERY_S", 0)
    assert send(client, provider.token()).status_code == 200
    assert provider.asked == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b""),
        (302, b""),
        (200, b"x" * 300_000),
        (200, b"[" * 100_000),
        (200, b"[]"),
        (200, b"{}"),
        (200, b'{"keys": 7}'),
        (200, b'{"keys": [7, {"kid": "rsa", "kty": "RSA"}]}'),
        (200, b""),
    ],
)
def test_a_provider_without_keys_signs_nobody_out(linked, provider, client, status, body):
    """A redirect is not followed: the keys are where the setting says."""
    provider.status, provider.body = status, body
    response = send(client, provider.token())
    assert_refused(response, linked, code=response.json()["error"])
    assert provider.jwks_url not in response.content.decode()
    assert provider.asked == 1


def test_a_shared_secret_among_the_keys_is_not_used(linked, provider, client, settings):
    """Nor one for encryption."""
    provider.jwks = {
        "keys": [
            {"kty": "oct", "k": "c2VjcmV0", "kid": "rsa"},
            {**provider.jwks["keys"][0], "use": "enc"},
        ]
    }
    assert_refused(send(client, provider.token()), linked)


def test_only_the_algorithms_of_the_setting_count(linked, provider, client, settings):
    """Where a site has named them."""
    given = settings.SESSIONSTORE_OIDC[provider.issuer]
    settings.SESSIONSTORE_OIDC = {provider.issuer: {**given, "algorithms": ["ES256"]}}
    assert_refused(send(client, provider.token()), linked)
