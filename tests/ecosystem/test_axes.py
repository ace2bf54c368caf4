"""django-axes: it counts failed logins and ties its access log to the session."""

from hashlib import sha256
from typing import Any

import pytest
from axes.models import AccessAttempt, AccessLog
from django.contrib.auth.models import User
from django.test import Client

from tests.ecosystem.conftest import Table, key_of

ANN = {"username": "ann", "password": "secret"}
WRONG = {"username": "ann", "password": "wrong"}


@pytest.fixture(autouse=True)
def axes(stack: str, settings: Any) -> None:
    settings.AXES_ENABLED = True
    settings.AXES_FAILURE_LIMIT = 3
    settings.AUTHENTICATION_BACKENDS = [
        "axes.backends.AxesStandaloneBackend",
        "django.contrib.auth.backends.ModelBackend",
    ]
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "axes.middleware.AxesMiddleware"]


def test_failed_logins_lock_out(client: Client, table: Table, ann: User) -> None:
    """The right password comes too late, and no session is made on the way."""
    for _ in range(3):
        client.post("/login/", WRONG)
    response = client.post("/login/", ANN)
    assert response.status_code == 429
    assert AccessAttempt.objects.get().failures_since_start >= 3
    assert all(table.user(key) is None for key in [key_of(client) or ""])


def test_the_access_log_names_the_key_of_the_cookie(
    client: Client, table: Table, ann: User
) -> None:
    """axes reads the key in mid-login: it has to be the final one."""
    client.get("/set/cart/pear/")
    client.post("/login/", ANN)
    key = key_of(client)
    assert AccessLog.objects.get().session_hash == sha256(key.encode()).hexdigest()
    assert (table.user(key), table.held(key)["cart"]) == (str(ann.pk), "pear")
    assert table.rows() == 1


def test_login_of_a_visitor_without_a_session(client: Client, table: Table, ann: User) -> None:
    """One row, of the user."""
    client.post("/login/", ANN)
    key = key_of(client)
    assert AccessLog.objects.get().session_hash == sha256(key.encode()).hexdigest()
    assert (table.rows(), table.user(key)) == (1, str(ann.pk))


def test_logout_closes_the_access_log(client: Client, table: Table, ann: User) -> None:
    """The entry is found by the key, so the key at logout is the one at login."""
    client.post("/login/", ANN)
    old = key_of(client)
    client.post("/logout/")
    assert AccessLog.objects.get().logout_time is not None
    assert table.held(old) == {}
    assert (table.rows(), key_of(client)) == (0, None)


def test_with_the_csrf_token_in_the_session(table: Table, ann: User, settings: Any) -> None:
    """A failed login keeps the token's session; a good one changes key and token."""
    settings.CSRF_USE_SESSIONS = True
    client = Client(enforce_csrf_checks=True)
    token = client.get("/form/").content.decode()
    before = key_of(client)
    assert client.post("/login/", {**WRONG, "csrfmiddlewaretoken": token}).status_code == 200
    assert key_of(client) == before
    assert client.post("/login/", {**ANN, "csrfmiddlewaretoken": token}).status_code == 302
    key = key_of(client)
    assert key != before
    assert (table.rows(), table.user(key)) == (1, str(ann.pk))
    assert AccessLog.objects.get().session_hash == sha256(key.encode()).hexdigest()
    assert client.post("/form/", {"csrfmiddlewaretoken": token}).status_code == 403
