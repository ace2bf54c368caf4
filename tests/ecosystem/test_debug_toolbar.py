"""django-debug-toolbar: it reads the session and records every statement."""

from typing import Any

import pytest
from debug_toolbar.store import get_store
from django.contrib.auth.models import User
from django.test import Client

from tests.ecosystem.conftest import Table, key_of


@pytest.fixture(autouse=True)
def toolbar(stack: str, settings: Any) -> None:
    settings.DEBUG = True
    settings.DEBUG_TOOLBAR_CONFIG = {"SHOW_TOOLBAR_CALLBACK": lambda _: True}
    # Above the session middleware, so that it sees the save.
    settings.MIDDLEWARE = ["debug_toolbar.middleware.DebugToolbarMiddleware", *settings.MIDDLEWARE]


def panel(name: str) -> dict[str, Any]:
    """Return what a panel recorded of the newest request."""
    store: Any = get_store()
    newest = list(store.request_ids())[-1]
    recorded: dict[str, Any] = store.panel(newest, name)
    return recorded


def test_it_makes_no_session_for_a_stranger(client: Client, table: Table) -> None:
    """To look at the session is not to change it."""
    assert client.get("/page/").status_code == 200
    assert (table.rows(), key_of(client)) == (0, None)


def test_it_shows_the_data(client: Client, ann: User) -> None:
    """The request panel turns the whole session into a dict."""
    client.force_login(ann)
    client.get("/set/cart/pear/")
    client.get("/page/")
    assert ("cart", "pear") in [tuple(pair) for pair in panel("RequestPanel")["session"]["list"]]


def statements(table: Table) -> list[str]:
    """Return what the newest request asked of the session table."""
    name = table.store().get_model_class()._meta.db_table
    return [query["sql"] for query in panel("SQLPanel")["queries"] if name in query["sql"]]


def test_it_sees_the_statements_of_the_engine(client: Client, table: Table, ann: User) -> None:
    """They pass through Django's cursor, binary parameters included, and looking writes nothing."""
    client.force_login(ann)
    client.get("/page/")
    assert [sql.split()[0] for sql in statements(table)] == ["SELECT"]


def test_it_sees_a_write(client: Client, table: Table, ann: User) -> None:
    """A changed session is one read and one write."""
    client.force_login(ann)
    client.get("/set/cart/pear/")
    assert [sql.split()[0] for sql in statements(table)] == ["SELECT", "UPDATE"]
