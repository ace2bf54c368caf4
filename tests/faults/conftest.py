"""What the tests of faults share."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from sessionstore.session.drafts import table_of
from tests.faults.own_server import Own, wait_for_answer
from tests.faults.sites import OURS, Site, browser
from tests.harness.databases import mysql, postgresql
from tests.harness.process import private_folder


def _ensure_connection(connection: BaseDatabaseWrapper) -> None:
    # Django's test cases refuse to connect to an alias that was not there when they began.
    if connection.connection is None:
        with connection.wrap_database_errors:
            connection.connect()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run those tests only that are about a store which `tests.faults.report` asks for."""
    wanted = set(filter(None, os.environ.get("SESSIONSTORE_FAULT_STORES", "").split(",")))
    if wanted:
        others = [item for item in items if not wanted & stores_of(item)]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]


def stores_of(item: pytest.Item) -> set[str]:
    """Return the names of the stores that a test is about."""
    parameters = (
        item.callspec.params
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
        else {}
    )
    given = [parameters.get(name) for name in ("site", "store")]
    return {one.name for one in given if hasattr(one, "name")} or {OURS.name}


@pytest.fixture
def site(request: pytest.FixtureRequest, settings: Any) -> Site:
    """One of the stores; ours for a test that does not ask for more."""
    chosen: Site = getattr(request, "param", OURS)
    for name, value in chosen.settings().items():
        setattr(settings, name, value)
    if chosen.cache:
        settings.CACHES = cache_settings(chosen, request.getfixturevalue("redis_url"))
    return chosen


def cache_settings(site: Site, url: str) -> dict[str, Any]:
    """Put its sessions behind the Redis at this address, and forget what was behind another."""
    table_of.cache_clear()
    caches.close_all()
    options = {"socket_timeout": 0.2, "socket_connect_timeout": 0.2}
    return {"default": {"BACKEND": site.cache, "LOCATION": url, "OPTIONS": options}}


@pytest.fixture
def user(database: str, site: Site) -> User:
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
    """The alias of a server of its own, with the tables of the store."""
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
                for model in site.tables:
                    editor.create_model(model)
            yield alias, servers
    finally:
        servers.stop()
