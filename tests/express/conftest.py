"""A table that both halves share, on each database, and Node processes that are kept."""

import io
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections

from sessionstore.backends.express import SessionStore
from sessionstore.express.record import express_settings
from sessionstore.express.statements import quoted_table
from sessionstore.express.table.schema import ExpressTable
from tests.express.peer import NAME, SECRETS, Browser, Peer, Peers


@pytest.fixture(scope="session")
def kept_peers(django_db_setup: None, tmp_path_factory) -> Iterator[Peers]:
    """Node processes, each started when first asked for, ended before the databases are."""
    running = Peers(tmp_path_factory.mktemp("express"))
    yield running
    running.stop()


each_release = pytest.mark.parametrize("releases", ["new", "old"])


@pytest.fixture
def releases() -> str:
    """Which releases of Express and its packages a test runs with; see each_release."""
    return "new"


@pytest.fixture
def peers(kept_peers: Peers, releases: str) -> Iterator[Peers]:
    """The Node processes; one that ends fails the test that it ended in, and no other."""
    with kept_peers.watched(releases=releases):
        yield kept_peers


@pytest.fixture
def express_site(settings) -> None:
    """A site on the Express engine."""
    settings.SESSION_ENGINE = "sessionstore.backends.express"
    settings.SESSION_COOKIE_NAME = NAME
    settings.ROOT_URLCONF = "tests.express.urls"
    settings.ALLOWED_HOSTS = ["*"]
    settings.SESSIONSTORE_EXPRESS = {"secrets": SECRETS}


@pytest.fixture
def shared_table(database: str, express_site, settings) -> Iterator[Callable[..., str]]:
    """Make the table of SESSIONSTORE_EXPRESS, with further keys of that setting when given."""
    made: list[str] = []

    def make(
        *, mark: bool = False, guard: bool = False, users: bool = False, **express: Any
    ) -> str:
        settings.SESSIONSTORE_EXPRESS = {"secrets": SECRETS, **express}
        create_table(database)
        if mark or guard or users:
            what = "--add-user" if users else "--add-guard" if guard else "--add-mark"
            call_command("expresstable", what, stdout=io.StringIO())
        SessionStore().table._composed.clear()
        SessionStore().table._people.clear()
        made.append(quoted_table(database, express_settings()))
        return express_settings().name

    yield make
    with connections[database].cursor() as cursor:
        for table in set(made):
            cursor.execute(f"DROP TABLE IF EXISTS {table}")


def create_table(alias: str) -> None:
    """Do what `expresstable --create` does, though another run's database has such a table."""
    table = ExpressTable(alias, express_settings())
    with connections[alias].cursor() as cursor:
        for sql in [] if table.columns() else table.create_sql():
            cursor.execute(sql)


@pytest.fixture
def browser(database: str, shared_table, peers: Peers) -> Browser:
    """A browser before a site whose two halves share the store's own table."""
    return open_site(database, shared_table, peers)


def open_site(database: str, shared_table, peers: Peers, **further: Any) -> Browser:
    """Return a browser before the two halves, in the layout that the database calls for."""
    postgres = connections[database].vendor == "postgresql"
    if postgres:
        further["layout"] = "connect-pg-simple"
    shared_table(**further)
    return Browser(peers.get(database, store="pg" if postgres else "mysql"))


@pytest.fixture
def node_clock(clock, browser: Browser) -> Iterator[Callable[..., None]]:
    """Move the clocks of both halves; Node's stands where Python's stands."""
    peer = browser.peer
    assert isinstance(peer, Peer)

    def advance(**time: float) -> None:
        clock.advance(**time)
        peer.control("clock", {"ms": clock.now_ms})

    advance(seconds=0)
    yield advance
    peer.control("clock", {"ms": None})


@pytest.fixture
def background() -> Iterator[Callable[[Callable[[], Any]], Future[Any]]]:
    """Run a request in a thread of its own."""

    def start(request: Callable[[], object]) -> Future:
        def run() -> object:
            try:
                return request()
            finally:
                connections.close_all()

        return pool.submit(run)

    with ThreadPoolExecutor() as pool:
        yield start
