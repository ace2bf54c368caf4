"""wagtail: its logout pretends that the session was not modified."""

from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from tests.ecosystem.conftest import Table, key_of

BOSS = {"username": "boss", "password": "secret"}


def test_logout_deletes_row_and_cookie(client: Client, table: Table, boss: User) -> None:
    """`session.modified = False` after the flush must not bring anything back."""
    client.post("/cms/login/", BOSS)
    old = key_of(client)
    assert table.user(old) == str(boss.pk)
    response = client.post("/cms/logout/")
    assert response.cookies["sessionid"].value == ""
    assert (table.rows(), table.held(old)) == (0, {})
    client.cookies["sessionid"] = old
    assert client.get("/data/").json() == {}


def test_the_editors_login_takes_a_new_key(client: Client, table: Table, boss: User) -> None:
    """What the visitor held before is kept under the new key."""
    client.get("/set/cart/pear/")
    before = key_of(client)
    client.post("/cms/login/", BOSS)
    assert table.held(before) == {}
    assert table.held(key_of(client))["cart"] == "pear"
    assert table.rows() == 1


def test_remember_me(client: Client, boss: User, settings: Any) -> None:
    """wagtail sets the expiry after the login, on the changed key."""
    settings.SESSION_COOKIE_AGE = 3600
    client.post("/cms/login/", {**BOSS, "remember": "on"})
    assert client.cookies["sessionid"]["max-age"] == 3600
    assert client.get("/data/").json()["_session_expiry"] == 3600
    client.post("/cms/logout/")
    client.post("/cms/login/", BOSS)
    assert client.cookies["sessionid"]["max-age"] == ""
