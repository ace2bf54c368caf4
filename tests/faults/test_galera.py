"""Three Galera nodes on this machine: several writers, a node cut off, a node killed."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.core.checks import run_checks

from tests.faults.conftest import another_alias
from tests.faults.crowds import under_load
from tests.faults.figures import note
from tests.faults.nodes import ROUTER, at, empty_tables, fight, saves
from tests.faults.sites import BOTH, OURS, browser, key_of
from tests.harness.cluster import wait_until
from tests.harness.galera import Galera
from tests.harness.missing import give_up
from tests.harness.process import private_folder
from tests.harness.servers import ServerMissingError
from tests.harness.threads import run_together

# Users are in the SQLite file; the sessions go to the cluster.
pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default"]),
    pytest.mark.xdist_group("galera"),
]
both_sites = pytest.mark.parametrize("site", BOTH, indirect=True)


@pytest.fixture(scope="module")
def running_cluster() -> Iterator[Galera]:
    """One cluster for the module."""
    cluster = Galera(private_folder(in_memory=True))
    try:
        cluster.start()
        cluster.nodes[0].ask("CREATE DATABASE sessionstore CHARACTER SET utf8mb4")
        yield cluster
    except ServerMissingError as error:
        give_up(str(error))
    finally:
        cluster.stop()


@pytest.fixture
def cluster(running_cluster, site, settings, db) -> Iterator[Galera]:
    """The cluster with empty tables, and the aliases node1, node2, node3, eager2 and proxy."""
    settings.DATABASE_ROUTERS = [ROUTER]
    ports = {f"node{number + 1}": node.port for number, node in enumerate(running_cluster.nodes)}
    with ExitStack() as stack:
        for name, port in {**ports, "proxy": running_cluster.proxy_port}.items():
            wanted = running_cluster.settings(port)
            stack.enter_context(another_alias("default", name, replace=wanted))
        with at("node1"):
            empty_tables("node1")
        with at("node1"):
            yield running_cluster


@pytest.fixture
def user_in_default(db) -> User:
    """The one user, in the SQLite file."""
    return User.objects.create_user("ann")


def conflicts(cluster) -> int:
    """Return how many transactions the nodes have refused or taken back so far."""
    names = ("wsrep_local_cert_failures", "wsrep_local_bf_aborts")
    return sum(int(node.status(name)) for node in cluster.nodes for name in names)


@both_sites
@pytest.mark.parametrize("rounds", [10, pytest.param(100, marks=pytest.mark.soak)])
@pytest.mark.parametrize(("sessions", "errors_allowed"), [(1, 0.01), (100, 0)])
def test_two_nodes_write_the_same_sessions(cluster, site, rounds, sessions, errors_allowed):
    """Eight threads on each of two nodes: no change is lost, and next to no save fails."""
    before = conflicts(cluster)
    saved, errors, lost, kinds = fight(site, sessions, rounds)
    assert sessions > 1 or conflicts(cluster) > before, "the nodes never met"
    share = errors / (saved + errors)
    kinds = f" ({', '.join(kinds)})" if kinds else ""
    note(
        "galera", site, f"{sessions} sessions", f"{share:.1%} errors{kinds}, {lost} of {saved} lost"
    )
    if site is OURS:
        assert lost == 0
        assert share <= errors_allowed


@both_sites
def test_a_logout_on_one_node_is_final_on_the_other(cluster, site):
    """While the other node writes the session, it is deleted: it stays deleted."""
    resurrected = 0
    for _ in range(30):
        session = site.store()
        session["a"] = 1
        session.create()
        key = session.session_key
        writers = [partial(saves, site, "node2", [key], 5, str(n)) for n in range(3)]

        def logout(key=key):
            with at("node1"):
                site.store(key).delete()

        run_together([*writers, logout])
        resurrected += site.store().exists(key)
    note("galera", site, "deleted while another node writes", f"{resurrected} of 30 came back")
    if site is OURS:
        assert resurrected == 0


@both_sites
def test_what_one_node_was_told_the_other_knows_at_once(cluster, site):
    """With wsrep_sync_wait=3: read on node 2 right after a login on node 1, delete there too."""
    wrong = 0
    for _ in range(100):
        session = site.store()
        session["a"] = 1
        session.create()
        with at("node2"):
            wrong += site.store(session.session_key).get("a") != 1
            site.store().delete(session.session_key)
        wrong += site.store().exists(session.session_key)
    note("galera", site, "read and delete on the other node at once", f"{wrong} of 200 wrong")
    if site is OURS:
        assert wrong == 0


def test_a_node_that_is_cut_off_signs_nobody_out(cluster, site, user_in_default):
    """It answers 1047: 503 there, the others go on, and after healing it knows everything."""
    client = browser()
    assert client.get("/login/").status_code == 200
    key = key_of(client)
    lonely = cluster.nodes[2]
    lonely.ask("SET GLOBAL wsrep_provider_options='gmcast.isolate=1'")
    try:
        wait_until(lambda: lonely.status("wsrep_cluster_status") != "Primary")
        wait_until(lambda: cluster.nodes[0].status("wsrep_cluster_size") == "2")
        with at("node3"):
            response = client.get("/read/")
        assert response.status_code == 503
        assert not response.cookies
        assert client.get("/write/?value=meanwhile").status_code == 200
    finally:
        cluster.rejoin(lonely)
    with at("node3"):
        assert client.get("/read/").json()["value"] == "meanwhile"
    assert key_of(client) == key


@both_sites
def test_a_node_that_is_killed_behind_the_proxy_loses_nothing(cluster, site):
    """Under load, kill -9 of the node that all use: 503 for some seconds, nobody signed out."""
    victim, *others = cluster.nodes
    try:
        with under_load(where=partial(at, "proxy")) as crowd:
            victim.kill()
            crowd.wait_for_an_error()
            wait_until(lambda: {node.status("wsrep_cluster_size") for node in others} == {"2"})
    finally:
        cluster.restart(victim)
    crowd.report(site, "galera-kill", "the node that all use killed with -9")


@pytest.mark.soak
@both_sites
def test_a_node_that_is_cut_off_behind_the_proxy_loses_nothing(cluster, site):
    """It goes on to answer, with 1047: the proxy asks for its state, and leads elsewhere."""
    lonely, *others = cluster.nodes
    try:
        with under_load(where=partial(at, "proxy")) as crowd:
            lonely.ask("SET GLOBAL wsrep_provider_options='gmcast.isolate=1'")
            crowd.wait_for_an_error()
            wait_until(lambda: {node.status("wsrep_cluster_size") for node in others} == {"2"})
    finally:
        cluster.rejoin(lonely)
    crowd.report(site, "galera-kill", "the node that all use cut off from the others")


def test_a_cluster_without_sync_wait_is_told(cluster, settings):
    """W045; with wsrep_sync_wait=3 there is nothing to tell."""

    def found(alias):
        settings.SESSIONSTORE_DATABASE = alias
        with at(alias):
            messages = run_checks(databases=[alias])
        return "sessionstore.W045" in {message.id for message in messages}

    port = cluster.nodes[0].port
    eager = cluster.settings(port, sync_wait=0)
    assert not found("node1")
    with another_alias("default", "eager", replace=eager) as alias:
        assert found(alias)
