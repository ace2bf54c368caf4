"""A frame of the provider's page signs out, without a cookie and without telling anything."""

import pytest

from sessionstore.backends.sql import SessionStore

URL = "/oidc/frontchannel-logout/"


@pytest.fixture
def linked(provider, db, settings):
    given = settings.SESSIONSTORE_OIDC[provider.issuer]
    settings.SESSIONSTORE_OIDC = {provider.issuer: {**given, "front_channel": True}}
    session = SessionStore()
    session["_auth_user_id"] = "7"
    session.link(provider.issuer, "s1")
    session.save()
    return session


def is_live(session):
    return bool(SessionStore(session.session_key).load())


def test_a_frame_ends_the_session_that_it_names(linked, provider, client):
    """The browser sends no cookie into a frame of another site. Only that site may frame it."""
    response = client.get(URL, {"iss": provider.issuer, "sid": "s1"})
    assert (response.status_code, response.content) == (200, b"")
    assert not is_live(linked)
    origin = provider.issuer.removesuffix("/realm")
    assert response.headers["Content-Security-Policy"] == f"frame-ancestors {origin}"
    assert "X-Frame-Options" not in response.headers
    assert "no-store" in response.headers["Cache-Control"]


def test_a_frame_that_gets_the_cookie_takes_it_away(linked, provider, client, settings):
    """Also where each request saves its session."""
    settings.SESSION_SAVE_EVERY_REQUEST = True
    client.cookies[settings.SESSION_COOKIE_NAME] = linked.session_key
    response = client.get(URL, {"iss": provider.issuer, "sid": "s1"})
    assert response.cookies[settings.SESSION_COOKIE_NAME]["max-age"] == 0
    assert not is_live(linked)


def test_known_and_unknown_sessions_are_answered_alike(linked, provider, client):
    """And another's session is left alone, whoever's cookie comes along."""
    client.cookies["sessionid"] = linked.session_key
    answers = [client.get(URL, {"iss": provider.issuer, "sid": sid}) for sid in ("s2", "s3")]
    assert is_live(linked)
    answers.append(client.get(URL, {"iss": provider.issuer, "sid": "s1"}))
    told = [(one.status_code, one.content, one.headers["Cache-Control"]) for one in answers]
    assert len(set(told)) == 1


@pytest.mark.parametrize(
    "asked", [{}, {"iss": "https://elsewhere.example"}, {"sid": ""}, {"front_channel": False}]
)
def test_without_both_names_nothing_is_ended(linked, provider, client, settings, asked):
    """Nor by another issuer, nor where the provider may not."""
    if asked.pop("front_channel", True) is False:
        given = settings.SESSIONSTORE_OIDC[provider.issuer]
        settings.SESSIONSTORE_OIDC = {provider.issuer: {**given, "front_channel": False}}
    elif asked:
        asked = {"iss": provider.issuer, "sid": "s1", **asked}
    response = client.get(URL, asked or {"iss": provider.issuer})
    assert (response.status_code, is_live(linked)) == (400, True)
    assert client.post(URL, {"iss": provider.issuer, "sid": "s1"}).status_code == 405
