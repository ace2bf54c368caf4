"""What the tests of faults share."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from sessionstore.session.drafts import table_of
from tests.faults.own_server import Own, wait_for_answer
from tests.faults.sites import OURS, STOCK, Site, browser
from tests.harness.databases import mysql, postgresql
from tests.harness.process import private_folder


def _ensure_connection(connection: BaseDatabaseWrapper) -> None:
    # Django's test cases refuse to connect to an alias that was not there when they began.
    if connection.connection is None:
        with connection.wrap_database_errors:
            connection.connect()


@pytest.fixture
def site(request: pytest.FixtureRequest, settings: Any) -> Site:
    """One of the two sites; ours for a test that does not ask for both."""
    chosen: Site = getattr(request, "param", OURS)
    for name, value in chosen.settings().items():
        setattr(settings, name, value)
    return chosen


@pytest.fixture
def user(database: str) -> User:
    """The one user."""
    return User.objects.create_user("ann")


@pytest.fixture
def signed_in(site: Site, user: User) -> Any:
    """A function that answers a browser in which the user is signed in and a value is set."""

    def sign_in() -> Any:
        client = browser()
        assert client.get("/login/").status_code == 200
        assert client.get("/write/?value=old").status_code == 200
        return client

    return sign_in


@contextmanager
def another_alias(
    database: str, name: str, *, replace: dict[str, Any] | None = None, **changes: Any
) -> Iterator[str]:
    """A further alias: of the same database with some other settings, or with its own."""
    known = deepcopy(connections.settings[database])
    settings = {**known, **(replace or {})}
    settings["TEST"] = {**known["TEST"], **settings["TEST"]}
    for key, value in changes.items():
        settings[key] = {**settings[key], **value} if isinstance(value, dict) else value
    connections.settings[name] = settings
    try:
        with patch.object(BaseDatabaseWrapper, "ensure_connection", _ensure_connection):
            yield name
    finally:
        connections[name].close()
        table_of.cache_clear()  # what it knows of this alias, such as its vendor
        del connections[name]
        del connections.settings[name]


@pytest.fixture(params=["mariadb", "postgresql"])
def own(request, site, settings, db) -> Iterator[tuple[str, Own]]:
    """The alias of a server of its own, with the tables of both engines."""
    servers = Own(private_folder(in_memory=True))
    try:
        servers.start_or_skip(request.param)
        port = servers.ports[request.param]
        make = mysql if request.param == "mariadb" else postgresql
        settings.SESSIONSTORE_DATABASE = alias = f"own_{request.param}"
        root = {"NAME": "mysql"} if request.param == "mariadb" else {}
        with another_alias("default", alias, replace={**make(port), **root}):
            wait_for_answer(alias)
            with connections[alias].schema_editor() as editor:
                for one in (OURS, STOCK):
                    editor.create_model(one.model)
            yield alias, servers
    finally:
        servers.stop()
