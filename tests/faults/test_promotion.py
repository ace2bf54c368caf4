"""A primary that is killed, a follower that takes its place, and one that is ten seconds behind."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.db import connections

from tests.faults.conftest import another_alias
from tests.faults.crowds import under_load
from tests.faults.figures import note
from tests.faults.nodes import empty_tables
from tests.faults.sites import BOTH, OURS, browser, key_of
from tests.harness.cluster import Cluster, wait_until
from tests.harness.missing import give_up
from tests.harness.process import private_folder
from tests.harness.replicas import IS_PRIMARY, MAY_BE_WRITTEN, Replica, Standby
from tests.harness.servers import ServerMissingError

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default"]),
    pytest.mark.xdist_group("promotion"),
    pytest.mark.soak,
]
both_sites = pytest.mark.parametrize("site", BOTH, indirect=True)


@contextmanager
def started(cluster: Cluster) -> Iterator[Cluster]:
    """A cluster that ends with the test."""
    try:
        cluster.start()
        yield cluster
    except ServerMissingError as error:
        give_up(str(error))
    finally:
        cluster.stop()


@contextmanager
def sessions_on(name: str, wanted: dict, settings) -> Iterator[str]:
    """An alias for the sessions, with empty tables."""
    with another_alias("default", name, replace=wanted) as alias:
        settings.SESSIONSTORE_DATABASE = alias
        empty_tables(alias)
        yield alias


@pytest.fixture
def standby(site, settings, db) -> Iterator[Standby]:
    """A PostgreSQL primary with its synchronous standby."""
    with started(Standby(private_folder(in_memory=True))) as cluster:
        yield cluster


@pytest.fixture
def replica(site, settings, db) -> Iterator[Replica]:
    """A MariaDB primary with its semi-synchronous replica."""
    with started(Replica(private_folder(in_memory=True))) as cluster:
        yield cluster


@both_sites
@pytest.mark.parametrize("address", ["libpq", "HAProxy"])
def test_a_promotion_of_postgresql_signs_nobody_out(standby, site, settings, address):
    """The primary killed with -9, the standby promoted, both found by libpq or by HAProxy."""
    ports = [node.port for node in standby.nodes]
    if address == "HAProxy":
        ports = [standby.haproxy(ports, script=IS_PRIMARY, interval="1s")]
    wanted = standby.settings(*ports, target_session_attrs="read-write")
    with sessions_on("moving", wanted, settings):
        with under_load() as crowd:
            standby.primary.kill()
            crowd.wait_for_an_error()
            standby.promote()
        crowd.report(site, "promotion", f"PostgreSQL, found by {address}")


@both_sites
def test_a_promotion_of_mariadb_signs_nobody_out(replica, site, settings):
    """The primary killed with -9, the replica promoted, the address moved by HAProxy."""
    ports = [node.port for node in replica.nodes]
    port = replica.haproxy(ports, script=MAY_BE_WRITTEN, interval="1s")
    with sessions_on("moving", replica.settings(port), settings):
        with under_load() as crowd:
            replica.primary.kill()
            crowd.wait_for_an_error()
            replica.promote()
        crowd.report(site, "promotion", "MariaDB, semi-sync, HAProxy")


def asked(client, alias: str, url: str):
    """Ask for a page on a connection of its own, which a balancer leads where it likes."""
    connections[alias].close()
    return client.get(url)


def signed_out(alias: str, times: int) -> int:
    """Sign in so many times, and count whom the next request does not know."""
    lost = 0
    for _ in range(times):
        client = browser()
        for _ in range(10):
            if asked(client, alias, "/login/").status_code == 200:
                break
        page = asked(client, alias, "/read/")
        lost += page.status_code == 200 and page.json()["user"] is None
    return lost


def is_told(alias: str) -> bool:
    """Tell whether a check says that the alias may lead to a server that follows."""
    found = run_checks(include_deployment_checks=True, databases=[alias])
    return "sessionstore.W098" in {message.id for message in found}


def lagging(standby, settings) -> None:
    """Let the standby be ten seconds behind, with the tables of before."""
    with sessions_on("direct", standby.settings(standby.primary.port), settings):
        standby.standby.ask("ALTER SYSTEM SET recovery_min_apply_delay = '10s'")
        standby.standby.ask("SELECT pg_reload_conf()")


@pytest.mark.parametrize(
    ("balancer", "cure"),
    [
        ("HAProxy", {"target_session_attrs": "read-write"}),
        ("Pgpool-II", {"application_name": "sessions"}),
    ],
)
def test_no_session_is_read_from_a_standby_that_lags(standby, site, settings, balancer, cure):
    """Behind what leads half of the connections, or of their SELECTs, to it."""
    User.objects.create_user("ann")
    lagging(standby, settings)
    ports = [node.port for node in standby.nodes]
    port = standby.pgpool() if balancer == "Pgpool-II" else standby.haproxy(ports, backups=False)
    with another_alias("default", "any", replace=standby.settings(port)) as alias:
        settings.SESSIONSTORE_DATABASE = alias
        told, careless = is_told(alias), signed_out(alias, 20)
    with another_alias("default", "only", replace=standby.settings(port, **cure)) as alias:
        settings.SESSIONSTORE_DATABASE = alias
        still_told, careful = is_told(alias), signed_out(alias, 20)
    note(
        "lag",
        site,
        f"PostgreSQL behind {balancer}, as docs/scale.md says",
        f"{careful} of 20 signed out",
    )
    note("lag", site, f"PostgreSQL behind {balancer}, told by W098", f"{careless} of 20 signed out")
    assert careless, "nobody was led to the standby"
    assert (told, still_told, careful) == (True, False, 0)


def test_several_servers_are_told_unless_the_writer_is_asked_for(standby, site, settings):
    """W098: libpq takes the first that answers, which after a promotion is the old primary."""
    ports = [node.port for node in standby.nodes]
    for options, told in ({}, True), ({"target_session_attrs": "primary"}, False):
        wanted = standby.settings(*ports, **options)
        with another_alias("default", "several", replace=wanted) as alias:
            settings.SESSIONSTORE_DATABASE = alias
            assert is_told(alias) is told


class LaggingRouter:
    """Reads everything from the replica that lags."""

    def db_for_read(self, model, **_):
        """The replica, for either engine's table."""
        return "lagging" if model._meta.app_label in {"sessions", "sessionstore"} else None


@both_sites
def test_a_replica_that_lags_ten_seconds_is_not_noticed(replica, site, settings):
    """The site's router reads from it; sessions are read where they are written."""
    User.objects.create_user("ann")
    settings.DATABASE_ROUTERS = [
        "tests.faults.test_promotion.LaggingRouter",
        *settings.DATABASE_ROUTERS,
    ]
    lagging = replica.settings(replica.replica.port)
    unknown = kept = 0
    with (
        sessions_on("primary", replica.settings(replica.primary.port), settings),
        another_alias("default", "lagging", replace=lagging),
    ):
        known = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'sessionstore'"
        wait_until(lambda: int(replica.replica.ask(known)[0]) == 2)
        replica.lag(10)
        for _ in range(20):
            client = browser()
            client.get("/login/")
            key = key_of(client)
            unknown += client.get("/read/").json()["user"] is None
            client.get("/logout/")
            kept += site.store().exists(key)
        assert browser().get("/login/").status_code == 200
        rows = f"SELECT COUNT(*) FROM sessionstore.{site.table}"  # noqa: S608 - our own names
        assert replica.primary.ask(rows) >= (1,)
        assert replica.replica.ask(rows) == (0,), "the replica did not lag"
    figure = f"{unknown} of 20 signed out, {kept} of 20 sign-outs deleted nothing"
    note("lag", site, "MariaDB, the router reads from the replica", figure)
    if site is OURS:
        assert (unknown, kept) == (0, 0)


@pytest.mark.parametrize("server", ["standby", "replica"])
def test_an_alias_that_leads_to_a_follower_is_told(server, site, settings, request):
    """W098, also without a balancer."""
    cluster = request.getfixturevalue(server)
    for node, told in zip(cluster.nodes, (False, True), strict=True):
        with another_alias("default", "alone", replace=cluster.settings(node.port)) as alias:
            settings.SESSIONSTORE_DATABASE = alias
            assert is_told(alias) is told
