"""Group Replication of three MySQL servers: who may write moves, or all may; members that fail.

All of it is long (`make soak`); tests/core/test_faults.py has the short form, what the codes mean.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from django.contrib.auth.models import User
from django.core.checks import run_checks

from tests.faults.conftest import another_alias
from tests.faults.crowds import under_load
from tests.faults.figures import note
from tests.faults.nodes import ROUTER, at, empty_tables, fight, saves
from tests.faults.sites import BOTH, OURS, browser, key_of
from tests.harness.cluster import wait_until
from tests.harness.group import Group
from tests.harness.missing import give_up
from tests.harness.process import private_folder
from tests.harness.servers import ServerMissingError
from tests.harness.threads import run_together

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default"]),
    pytest.mark.xdist_group("group"),
    pytest.mark.soak,
]
both_sites = pytest.mark.parametrize("site", BOTH, indirect=True)
SAFE = {False: "BEFORE_ON_PRIMARY_FAILOVER", True: "BEFORE"}


@pytest.fixture(scope="module")
def group(request) -> Iterator[Group]:
    """A group, of which another one follows when it has ended: two at once are too much."""
    group = Group(private_folder(in_memory=True), multi_primary=request.param)
    try:
        group.start()
        group.primary().ask("CREATE DATABASE sessionstore CHARACTER SET utf8mb4")
        yield group
    except ServerMissingError as error:
        give_up(str(error))
    finally:
        group.stop()


one_writes = pytest.mark.parametrize("group", [False], ids=["one"], indirect=True)
all_write = pytest.mark.parametrize("group", [True], ids=["all"], indirect=True)


@contextmanager
def aliases(group: Group, settings, consistency: str) -> Iterator[None]:
    """The aliases node1, node2, node3 and proxy of a group, with empty tables."""
    settings.DATABASE_ROUTERS = [ROUTER, *settings.DATABASE_ROUTERS]
    ports = {f"node{number + 1}": node.port for number, node in enumerate(group.nodes)}
    with ExitStack() as stack:
        for name, port in {**ports, "proxy": group.proxy_port}.items():
            wanted = group.settings(port, consistency=consistency)
            stack.enter_context(another_alias("default", name, replace=wanted))
        settings.SESSIONSTORE_DATABASE = "proxy"
        empty_tables("proxy")
        yield


@pytest.fixture
def single(group, site, settings, db) -> Iterator[Group]:
    """The group with a single primary, and its aliases."""
    with aliases(group, settings, SAFE[False]):
        yield group


@pytest.fixture
def multi(group, site, settings, db, request) -> Iterator[Group]:
    """The group in which all write, and its aliases."""
    with aliases(group, settings, getattr(request, "param", SAFE[True])):
        yield group


@all_write
@both_sites
@pytest.mark.parametrize(("sessions", "errors_allowed"), [(1, 0.02), (100, 0)])
def test_two_members_write_the_same_sessions(multi, site, sessions, errors_allowed):
    """Eight threads on each of two members: what is refused as a conflict is done again."""
    before = multi.conflicts()
    with at("node1"):
        saved, errors, lost, kinds = fight(site, sessions, 20)
    met = multi.conflicts() - before
    assert sessions > 1 or met, "the members never met"
    share = errors / (saved + errors)
    names = f" ({', '.join(kinds)})" if kinds else ""
    figure = f"{met} conflicts: {share:.1%} errors{names}, {lost} of {saved} lost"
    note("group", site, f"{sessions} sessions", figure)
    if site is OURS:
        assert lost == 0
        assert share <= errors_allowed
        assert set(kinds) <= {"SessionStoreUnavailable"}


@all_write
@both_sites
def test_a_logout_on_one_member_is_final_on_the_other(multi, site):
    """While the other member writes the session, it is deleted: it stays deleted."""
    resurrected = 0
    for _ in range(30):
        with at("node1"):
            session = site.store()
            session["a"] = 1
            session.create()
            key = session.session_key

        def logout(key=key):
            with at("node1"):
                site.store(key).delete()

        def write(name, key=key):
            saves(site, "node2", [key], 5, name)

        run_together([*(lambda name=name: write(name) for name in "abc"), logout])
        with at("node1"):
            resurrected += site.store().exists(key)
    note("group", site, "deleted while another member writes", f"{resurrected} of 30 came back")
    if site is OURS:
        assert resurrected == 0


@all_write
@pytest.mark.parametrize("multi", ["EVENTUAL", "BEFORE"], indirect=True)
def test_what_one_member_was_told_the_other_knows_at_once(multi, site, request):
    """With BEFORE: read on a member right after a login on another one, and delete there."""
    consistency, unread, kept = request.node.callspec.params["multi"], 0, 0
    for _ in range(100):
        with at("node1"):
            session = site.store()
            session["a"] = 1
            session.create()
        with at("node2"):
            unread += site.store(session.session_key).get("a") != 1
        with at("node1"):
            session["a"] = 2
            session.save()
        with at("node3"):
            site.store().delete(session.session_key)
        with at("node1"):
            kept += site.store().exists(session.session_key)
    figure = f"{unread} of 100 not found, {kept} of 100 sign-outs deleted nothing"
    note("group", site, f"the other member at once, {consistency}", figure)
    if consistency == "BEFORE":
        assert (unread, kept) == (0, 0)
    else:
        assert unread, "without BEFORE nobody was late: the test shows nothing"


@one_writes
@both_sites
def test_a_primary_that_is_killed_signs_nobody_out(single, site):
    """kill -9 under load: another one becomes the primary, and the address leads to it."""
    victim = single.primary()
    others = [node for node in single.nodes if node is not victim]
    try:
        with under_load() as crowd:
            victim.kill()
            single.wait_for_primary(others)
    finally:
        single.restart(victim)
    assert single.primary() is not victim
    crowd.report(site, "group-kill", "the primary killed with -9")


@all_write
def test_a_member_that_is_killed_where_all_write_signs_nobody_out(multi, site, settings):
    """All use the first; the address leads to the next, which has heard of everything."""
    victim = multi.nodes[0]
    try:
        with under_load() as crowd:
            victim.kill()
            crowd.wait_for_an_error()
            # Expelled: until then the others wait for what it may still say.
            multi.wait_for_members(2)
    finally:
        multi.restart(victim)
    crowd.report(site, "group-kill", "a member killed with -9 where all write")


@one_writes
@both_sites
def test_a_primary_that_freezes_signs_nobody_out(single, site):
    """As one that is cut off: the others expel it, and when it comes back it takes no writes."""
    victim = single.primary()
    others = [node for node in single.nodes if node is not victim]
    try:
        with under_load() as crowd:
            with victim.frozen():
                single.wait_for_primary(others)
            wait_until(lambda: single.state(victim) == "ERROR")
    finally:
        single.heal()
    crowd.report(site, "group-kill", "the primary frozen, expelled and back")


@one_writes
def test_a_member_without_the_others_signs_nobody_out(single, site):
    """Cut off from the majority: 503 there, and the cookie stays; then it joins again."""
    User.objects.create_user("ann")
    client, lonely = browser(), single.primary()
    others = [node for node in single.nodes if node is not lonely]
    assert client.get("/login/").status_code == 200
    assert client.get("/write/?value=old").status_code == 200
    key = key_of(client)
    try:
        with others[0].frozen(), others[1].frozen():
            wait_until(lambda: lonely.ask("SELECT @@offline_mode") == (1,))
            with at(f"node{single.nodes.index(lonely) + 1}"):
                pages = ("read", "write", "logout")
                statuses = [client.get(f"/{page}/").status_code for page in pages]
        single.wait_for_primary(others)
    finally:
        single.heal()
    assert (statuses, key_of(client)) == ([503] * 3, key)
    figure = "503 to reads, writes and logouts; cookie and session stay"
    note("group-kill", site, "a member cut off from the majority", figure)
    wait_until(lambda: client.get("/read/").status_code == 200)
    assert client.get("/read/").json()["value"] == "old"


@one_writes
@both_sites
def test_a_rolling_restart_signs_nobody_out(single, site):
    """Each member ends and starts again, one after the other, under load."""
    with under_load(seconds=240) as crowd:
        for node in single.nodes:
            node.process.stop(seconds=60)
            assert node.process.process.returncode == 0, "it was killed"
            single.restart(node)
    crowd.report(site, "group-kill", "a rolling restart of all three")


@all_write
def test_a_group_in_which_all_write_needs_before(multi, site, settings):
    """W099 without it; of a single primary the guard of its failover is enough."""

    def found(alias):
        settings.SESSIONSTORE_DATABASE = alias
        with at(alias):
            messages = run_checks(databases=[alias])
        return "sessionstore.W099" in {message.id for message in messages}

    assert not found("node1")
    eventual = multi.settings(multi.nodes[0].port, consistency=SAFE[False])
    with another_alias("default", "eventual", replace=eventual) as alias:
        assert found(alias)
