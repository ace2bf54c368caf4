"""Fixtures for all tests; tests/README.md shows how to use them."""

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Generator, Iterator
from datetime import UTC, datetime

import hypothesis
import pytest
import redis
import time_machine
from django.core.cache import caches
from django.db import connections

from tests.harness.cleaning import emptying_only_what_was_written
from tests.harness.clock import Clock
from tests.harness.databases import ALIASES, ENGINES, Beside, running, wanted
from tests.harness.missing import give_up
from tests.harness.tracing import mark_repeats, measured_once

# Its limits of time would judge the machine: on a new one the first text takes seconds to draw.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that asks for a database, or an engine, over the whole list of them.

    A test that is parametrized with its own list keeps it.
    """
    own = set()
    for mark in metafunc.definition.iter_markers("parametrize"):
        names = mark.args[0]
        own.update(names.replace(" ", "").split(",") if isinstance(names, str) else names)
    if "database" in metafunc.fixturenames and "database" not in own:
        only = metafunc.definition.get_closest_marker("only_on")
        names = [name for name in wanted() if only is None or name in only.args]
        left_out = pytest.mark.skip(reason="none of its databases is asked for (only_on)")
        metafunc.parametrize(
            "database", names or [pytest.param("none", marks=left_out)], indirect=True
        )
    if "engine" in metafunc.fixturenames and "engine" not in own:
        metafunc.parametrize("engine", ENGINES, indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a test that asks for a database use it, with real commits.

    A test with a `django_db` marker of its own keeps its choice of transaction.
    """
    present = {"sqlite", *running().ports}
    for item in items:
        name = getattr(item, "callspec", None) and item.callspec.params.get("database")
        if name in present:
            own = item.get_closest_marker("django_db")
            options = {"transaction": True} | (own.kwargs if own else {})
            options["databases"] = sorted({"default", ALIASES[name], *options.get("databases", ())})
            item.add_marker(pytest.mark.django_db(**options), append=False)
    mark_repeats(items)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool | None, bool | None]:
    """Measure the lines of each test once, wherever else it runs."""
    with measured_once(item):
        return (yield)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """Keep the SQLite file open as long as it is there.

    Optimization: whoever closes it as the last one waits until the disk has the whole of it.
    """
    path = connections["default"].settings_dict["NAME"]
    with contextlib.closing(sqlite3.connect(path)) as kept:
        kept.execute("SELECT name FROM sqlite_master").fetchall()
        yield


@pytest.fixture(scope="session", autouse=True)
def quick_cleaning() -> Iterator[None]:
    """Empty, after each test that commits, only the tables that have rows."""
    with emptying_only_what_was_written():
        yield


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The alias of one database after the other; the sessions of the test are stored there."""
    name = request.param
    reason = running().missing.get(name)
    if reason and os.environ.get("CI") == "true":
        pytest.fail(f"{name} is missing: {reason}")
    if reason:
        pytest.skip(f"{name} is missing: {reason.splitlines()[0]}")
    # Only now: the database helper of pytest-django may ask for an alias that does not exist.
    request.getfixturevalue("_django_db_helper")
    settings = request.getfixturevalue("settings")
    settings.SESSIONSTORE_DATABASE = ALIASES[name]
    return ALIASES[name]


@pytest.fixture(params=["elsewhere", "beside"])
def place(request: pytest.FixtureRequest, settings, database: str) -> None:
    """The table of Django's own sessions in another database than ours, and in the same."""
    if request.param == "beside":
        settings.DATABASE_ROUTERS = [Beside(database), *settings.DATABASE_ROUTERS]


@pytest.fixture
def engine(request: pytest.FixtureRequest, settings) -> Iterator[str]:
    """The dotted name of one engine after the other, set as SESSION_ENGINE."""
    settings.SESSION_ENGINE = request.param
    yield request.param
    caches["default"].clear()


@pytest.fixture
def clock() -> Iterator[Clock]:
    """A clock that stands still at the present moment until it is moved."""
    with time_machine.travel(datetime.now(UTC), tick=False) as traveller:
        yield Clock(traveller)


@pytest.fixture
def redis_url() -> str:
    """The address of the private Redis, one numbered database per xdist worker, emptied."""
    url = f"redis://127.0.0.1:{_port_of('redis')}/{_worker() + 1}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def memcached() -> dict[str, str]:
    """Where the private memcached is, and a prefix that nobody has used before."""
    return {
        "LOCATION": f"127.0.0.1:{_port_of('memcached')}",
        "KEY_PREFIX": f"{_worker()}.{secrets.token_hex(4)}",
    }


def _port_of(server: str) -> int:
    now = running()
    if server not in now.ports:
        reason = now.missing.get(server, "not started")
        give_up(f"{server}: {reason}")
    return now.ports[server]


def _worker() -> int:
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
