"""A database that takes what is sent and never answers: what each half does."""

import contextlib
import time
from collections.abc import Iterator

import pytest
from django.db import connections

from sessionstore.core.express_format import sign
from tests.express.conftest import each_release
from tests.express.peer import NAME, SECRETS, Browser, Peer
from tests.express.test_sharing import kind, make_table
from tests.faults.conftest import another_alias
from tests.harness.relay import Relay

pytestmark = pytest.mark.only_on("mariadb", "mysql", "postgresql")


def ask_for(peer: Peer, *, seconds: float) -> tuple[int, list[str]]:
    """Ask for a session, and wait so long; return the status and the cookies."""
    cookie = f"{NAME}={sign('a-session', SECRETS[0])}"
    with contextlib.closing(peer.send("/peer", [], cookie=cookie)) as connection:
        connection.sock.settimeout(seconds)
        answer = connection.getresponse()
        answer.read()
    return answer.status, answer.headers.get_all("Set-Cookie") or []


@pytest.fixture
def relay(database):
    """A relay before the database, that can fall silent."""
    with Relay(int(connections[database].settings_dict["PORT"])) as relay:
        yield relay


@each_release
def test_express_waits_for_ever_without_a_limit(database, shared_table, peers, relay):
    """Neither store has one by default: the request hangs, and so do those behind it."""
    make_table(database, shared_table)
    peer = peers.get(database, **kind(database), port=relay.port)
    assert Browser(peer).express(["set", "a", 1])["session"]["a"] == 1
    relay.silence()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            ask_for(peer, seconds=1)


@pytest.mark.only_on("postgresql")
@each_release
def test_express_answers_500_where_pg_has_limits(database, shared_table, peers, relay):
    """`query_timeout` for an answer, `connectionTimeoutMillis` for a connection."""
    make_table(database, shared_table)
    limits = {"query_timeout": 500, "connectionTimeoutMillis": 500}
    peer = peers.get(database, store="pg", port=relay.port, database=limits)
    assert Browser(peer).express(["set", "a", 1])["session"]["a"] == 1
    relay.silence()
    for _ in range(2):
        assert ask_for(peer, seconds=15) == (500, [])


@pytest.mark.only_on("mariadb")
def test_express_answers_500_after_ten_seconds_without_a_connection(
    database, shared_table, peers, relay
):
    """mysql2's own limit; express-mysql-session hands it none of the timeouts that it is given."""
    make_table(database, shared_table)
    relay.silence()
    peer = peers.get(database, port=relay.port, store_options={"connectTimeout": 500})
    started = time.monotonic()
    assert ask_for(peer, seconds=60) == (500, [])
    assert time.monotonic() - started > 2


@pytest.fixture
def limited(database, shared_table, relay, settings) -> Iterator[Browser]:
    """A browser with a session, before Django with limits of its driver."""
    make_table(database, shared_table)
    limits = {"connect_timeout": 2}
    if connections[database].vendor == "mysql":
        limits |= {"read_timeout": 1, "write_timeout": 1}
    with another_alias(database, "relayed", PORT=str(relay.port), OPTIONS=limits):
        settings.SESSIONSTORE_DATABASE = "relayed"
        browser = Browser()
        browser.django(["set", "a", 1])
        yield browser


def test_django_answers_503_where_it_cannot_connect(limited, relay):
    """`connect_timeout` of either driver; the cookie stays as it is."""
    connections["relayed"].close()
    relay.silence()
    cookie = limited.cookie
    limited.django(status=503)
    assert (limited.cookie, limited.set_cookies) == (cookie, [])


# libpq has no timeout for an answer: docs/reliability.md.
@pytest.mark.only_on("mariadb", "mysql")
def test_django_answers_503_under_an_open_connection(limited, relay):
    """`read_timeout`; the cookie stays as it is."""
    relay.silence()
    cookie = limited.cookie
    limited.django(status=503)
    assert (limited.cookie, limited.set_cookies) == (cookie, [])
