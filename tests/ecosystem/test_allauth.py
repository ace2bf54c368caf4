"""django-allauth: login, remember me, its list of sessions, and its headless API."""

from typing import Any

import pytest
from allauth.account.signals import authentication_step_completed
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import User
from django.test import Client

from tests.ecosystem.conftest import OUR_STACKS, Table, key_of, sign_ins_of
from tests.harness.clock import Clock

ANN = {"login": "ann", "password": "secret"}
APP = "/_allauth/app/v1"
BROWSER = "/_allauth/browser/v1"


def log_in(client: Client, **extra: str) -> None:
    assert client.post("/accounts/login/", {**ANN, **extra}).status_code == 302


def test_login_and_logout(client: Client, table: Table, ann: User) -> None:
    """A new key at login, the cart kept, and nothing left after logout."""
    client.get("/set/cart/pear/")
    before = key_of(client)
    log_in(client)
    after = key_of(client)
    assert table.held(before) == {}
    assert (table.held(after)["cart"], table.user(after)) == ("pear", str(ann.pk))
    assert table.rows() == 1
    client.post("/accounts/logout/")
    assert table.held(after) == {}
    assert client.get("/data/").json().get("_auth_user_id") is None


def test_signup_logs_in(client: Client, table: Table) -> None:
    """A new account starts with one session that is its own."""
    client.get("/set/cart/pear/")
    before = key_of(client)
    client.post("/accounts/signup/", {"username": "new", "password1": "a-Secret-95"})
    user = User.objects.get(username="new")
    assert key_of(client) != before
    assert table.user(key_of(client)) == str(user.pk)
    assert table.rows() == 1


@pytest.mark.parametrize("remember", [True, False])
def test_remember_me(remember: bool, client: Client, ann: User, settings: Any) -> None:
    """The cookie lives as long as the site says, or until the browser is closed."""
    settings.SESSION_COOKIE_AGE = 3600
    log_in(client, **({"remember": "on"} if remember else {}))
    assert client.cookies["sessionid"]["max-age"] == (3600 if remember else "")
    assert client.get("/data/").json()["_session_expiry"] == (3600 if remember else 0)


def test_a_session_is_listed_under_the_key_of_the_cookie(
    client: Client, table: Table, ann: User
) -> None:
    """allauth keeps the key in a column of 40 characters, written in mid-login."""
    client.get("/set/cart/pear/")
    log_in(client)
    assert client.get("/accounts/sessions/").status_code == 200
    assert UserSession.objects.get().session_key == key_of(client)
    assert UserSession.objects.get().exists()


def test_ending_the_other_sessions(client: Client, table: Table, ann: User) -> None:
    """The other browser is out, this one stays."""
    other = Client()
    log_in(client)
    log_in(other)
    old = key_of(other)
    client.post("/accounts/sessions/")
    assert table.held(old) == {}
    assert b"page Anonymous" in other.get("/page/").content
    assert b"page ann" in client.get("/page/").content
    assert (table.rows(), UserSession.objects.count()) == (1, 1)


def test_the_list_forgets_ended_sessions(client: Client, table: Table, ann: User) -> None:
    """allauth asks the engine whether each key still exists."""
    other = Client()
    log_in(client)
    log_in(other)
    ended = UserSession(session_key=key_of(other))
    other.post("/accounts/logout/")
    assert not ended.exists()
    assert [entry.session_key for entry in UserSession.objects.purge_and_list(ann)] == [
        key_of(client)
    ]


def test_changed_keys_are_followed(client: Client, table: Table, ann: User) -> None:
    """After a new password the list shows the new key, and no ghost of the old one."""
    log_in(client)
    client.post(
        "/accounts/password/change/",
        {"oldpassword": "secret", "password1": "new-Secret-9", "password2": "new-Secret-9"},
    )
    client.get("/accounts/sessions/")
    assert [entry.session_key for entry in UserSession.objects.all()] == [key_of(client)]


# Headless


@pytest.fixture
def app_site(stack: str, settings: Any) -> None:
    """Take django-hijack off: it and allauth's API for apps cannot share a site, on any engine.

    allauth takes the session of the token and resets `request.user`. hijack has put an object of
    its own there, which copies again the visitor whom allauth's middleware had seen: nobody. Until
    65.22 that middleware looked at the user only where there was a cookie.
    """
    settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if not one.startswith("hijack.")]


def app_login(client: Client) -> str:
    response = client.post(
        f"{APP}/auth/login", {"username": "ann", "password": "secret"}, "application/json"
    )
    assert response.status_code == 200
    return str(response.json()["meta"]["session_token"])


@pytest.mark.usefixtures("app_site")
def test_an_app_uses_the_key_as_its_token(client: Client, table: Table, ann: User) -> None:
    """allauth puts a session of its own on the request and saves it itself."""
    token = app_login(client)
    assert table.user(token) == str(ann.pk)
    assert key_of(client) is None
    asked = Client().get(f"{APP}/auth/session", headers={"x-session-token": token})
    assert asked.json()["data"]["user"]["username"] == "ann"
    assert table.rows() == 1


@pytest.mark.usefixtures("app_site")
def test_an_app_logs_out(client: Client, table: Table, ann: User) -> None:
    """The token is worth nothing afterwards."""
    token = app_login(client)
    client.delete(f"{APP}/auth/session", headers={"x-session-token": token})
    assert table.rows() == 0
    asked = Client().get(f"{APP}/auth/session", headers={"x-session-token": token})
    assert asked.status_code in {401, 410}


@pytest.mark.usefixtures("app_site")
@pytest.mark.parametrize("token", ["forged", "a" * 40, "\N{SNOWMAN}".encode().decode("latin-1")])
def test_a_forged_token_is_refused(token: str, client: Client, table: Table) -> None:
    """It is neither an error nor a session."""
    asked = client.get(f"{APP}/auth/session", headers={"x-session-token": token})
    assert asked.status_code in {401, 410}
    assert table.rows() == 0


def test_the_headless_browser_client(client: Client, table: Table, ann: User) -> None:
    """The same API with the cookie in place of the token."""
    client.get("/set/cart/pear/")
    before = key_of(client)
    client.get(f"{BROWSER}/config")
    response = client.post(
        f"{BROWSER}/auth/login", {"username": "ann", "password": "secret"}, "application/json"
    )
    assert response.json()["meta"]["is_authenticated"]
    assert key_of(client) != before
    assert (table.held(key_of(client))["cart"], table.held(before)) == ("pear", {})
    listed = client.get(f"{BROWSER}/auth/sessions").json()["data"]
    assert [entry["is_current"] for entry in listed] == [True]
    client.delete(f"{BROWSER}/auth/session")
    assert client.get(f"{BROWSER}/auth/session").status_code == 401
    assert table.rows() == 0


# Proving again who one is


@pytest.fixture
def reauthenticating(settings: Any, clock: Clock) -> Clock:
    """The page that the documentation names, and a clock for the login to grow old by."""
    settings.SESSIONSTORE_REAUTH_URL = "account_reauthenticate"
    return clock


on_ours = pytest.mark.parametrize("stack", OUR_STACKS, indirect=True)


@on_ours
def test_the_documented_loop_ends(client: Client, ann: User, reauthenticating: Clock) -> None:
    """Sent to allauth's page, the password, and back to the page, which opens."""
    log_in(client)
    assert client.get("/careful/").status_code == 200
    reauthenticating.advance(minutes=61)
    asked = client.get("/careful/")
    assert asked.url == "/accounts/reauthenticate/?next=/careful/"
    before = key_of(client)
    answer = client.post(asked.url, {"password": "secret"})
    assert answer.url == "/careful/"
    assert client.get("/careful/").content == b"careful"
    assert key_of(client) != before


@on_ours
def test_a_wrong_password_there_opens_nothing(
    client: Client, ann: User, reauthenticating: Clock
) -> None:
    """Asked again."""
    log_in(client)
    reauthenticating.advance(minutes=61)
    client.post("/accounts/reauthenticate/?next=/careful/", {"password": "wrong"})
    assert client.get("/careful/").status_code == 302


@on_ours
def test_a_first_step_is_no_login(client: Client, ann: User, boss: User) -> None:
    """A step of somebody who is not signed in, or is another, stamps nothing."""
    log_in(client)
    request = client.get("/page/").wsgi_request
    before = request.session.authenticated_at_ms
    for user, extra in ((boss, {"reauthenticated": True}), (ann, {})):
        authentication_step_completed.send(
            User, request=request, method="password", user=user, **extra
        )
    assert request.session.authenticated_at_ms == before


@on_ours
@pytest.mark.usefixtures("app_site")
def test_an_app_is_given_its_new_token(client: Client, ann: User, reauthenticating: Clock) -> None:
    """The key changes there too, and the answer carries it."""
    token = app_login(client)
    answer = Client().post(
        f"{APP}/auth/reauthenticate",
        {"password": "secret"},
        "application/json",
        headers={"x-session-token": token},
    )
    renewed = answer.json()["meta"]["session_token"]
    asked = Client().get(f"{APP}/auth/session", headers={"x-session-token": renewed})
    assert (renewed != token, asked.status_code) == (True, 200)


# A second factor


@pytest.fixture
def secret(ann: User, settings: Any) -> str:
    """What makes ann's codes; the site asks allauth's page for one where it matters."""
    settings.SESSIONSTORE_REAUTH_URL = {1: "account_reauthenticate", 2: "mfa_reauthenticate"}
    secret = generate_totp_secret()
    TOTP.activate(ann, secret)
    return secret


def code_for(secret: str) -> dict[str, str]:
    counter = next(iter(yield_hotp_counters_from_time()))
    return {"code": format_hotp_value(hotp_value(secret, counter))}


@on_ours
def test_a_login_by_two_factors_is_one(client: Client, secret: str, clock: Clock) -> None:
    """What allauth has recorded of both steps; later the code is asked for alone."""
    assert client.post("/accounts/login/", ANN).url == "/accounts/2fa/authenticate/"
    client.post("/accounts/2fa/authenticate/", code_for(secret))
    assert sign_ins_of(client) == [("password", 1), ("otp", 2)]
    assert client.get("/strong/").content == b"strong"
    clock.advance(minutes=20)
    asked = client.get("/strong/")
    assert asked.url == "/accounts/2fa/reauthenticate/?next=/strong/"
    assert client.post(asked.url, code_for(secret)).url == "/strong/"
    assert sign_ins_of(client) == [("password", 1), ("otp", 2), ("otp", 2)]
    assert client.get("/strong/").content == b"strong"


@on_ours
def test_the_password_again_is_no_second_factor(client: Client, ann: User, secret: str) -> None:
    """A session from before the code was set up, and a step of another user's login."""
    client.post("/login/", {"username": "ann", "password": "secret"})
    client.post("/accounts/reauthenticate/", {"password": "secret"})
    assert sign_ins_of(client) == [("password", 1), ("password", 1)]
    assert client.get("/strong/").status_code == 302
    assert client.get("/careful/").content == b"careful"


@on_ours
def test_a_changed_second_factor_ends_the_others(
    client: Client, ann: User, secret: str, clock: Clock
) -> None:
    """As a new password does; who has changed it stays (ASVS 7.4.3)."""
    other = Client()
    other.force_login(ann, "django.contrib.auth.backends.ModelBackend")
    client.post("/accounts/login/", ANN)
    client.post("/accounts/2fa/authenticate/", code_for(secret))
    clock.advance(minutes=1)
    client.post("/accounts/2fa/reauthenticate/", code_for(secret))
    assert client.post("/accounts/2fa/totp/deactivate/").status_code == 302
    assert b"page Anonymous" in other.get("/page/").content
    assert b"page ann" in client.get("/page/").content
