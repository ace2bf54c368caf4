"""Networks that are bad rather than gone: silent, far and lossy, and names that lead elsewhere.

The bounds come from the timeouts of the alias: one for a connection that is open, one for a new
one, and 2 s after which nothing is tried again (docs/operations.md).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections

from sessionstore.session.drafts import table_of
from tests.faults.conftest import another_alias
from tests.faults.crowds import Answer, Crowd, answered, under_load
from tests.faults.sites import BOTH, OURS, browser, key_of
from tests.harness.cluster import wait_until
from tests.harness.names import with_own_hosts
from tests.harness.process import free_port
from tests.harness.relay import Relay
from tests.harness.statements import Statements, record_connects, record_statements

only_on_servers = pytest.mark.only_on("mariadb", "postgresql", "mysql")
short = pytest.mark.only_on("mariadb", "postgresql")
both_sites = pytest.mark.parametrize("site", BOTH, indirect=True)
TIMEOUTS = {
    "mysql": {"connect_timeout": 1, "read_timeout": 1, "write_timeout": 1},
    "postgresql": {
        "connect_timeout": 2,
        "tcp_user_timeout": 1000,
        "keepalives_idle": 1,
        "keepalives_interval": 1,
    },
}
# Of those above: how long an answer may be waited for on an open connection, and a connection. The
# kernel looks at its timers when it sends again, so it may be late by as much as it waited.
ANSWER_S, CONNECT_S = {"mysql": 1, "postgresql": 2}, {"mysql": 1, "postgresql": 2}
REPEATS_S = 2
# A machine of two cores that others use as well.
SLACK_S = 1.5
# Long enough that how fast the machine is says little about how often the browsers ask.
PAUSE_S, ANSWERS = 0.25, 12


def bound(alias: str) -> float:
    """Return how long a request may take that meets a server which never answers."""
    vendor = connections[alias].vendor
    answer, connect = ANSWER_S[vendor], CONNECT_S[vendor]
    return max(answer + connect, REPEATS_S + max(answer, connect)) + SLACK_S


@contextmanager
def through(relay: Relay, database: str, settings: Any, **changes: Any) -> Iterator[str]:
    """Keep the sessions of the block in a database at the other end of a relay."""
    options = TIMEOUTS[connections[database].vendor]
    place = {"HOST": relay.host, "PORT": relay.port, "CONN_MAX_AGE": None, "OPTIONS": options}
    with another_alias(database, f"far_{database}", **{**place, **changes}) as alias:
        settings.SESSIONSTORE_DATABASE = alias
        try:
            yield alias
        finally:
            settings.SESSIONSTORE_DATABASE = database


@contextmanager
def named(hosts: Path, database: str, settings: Any) -> Iterator[tuple[str, Relay, Relay]]:
    """Keep them behind a name, which `hosts` gives the first of two addresses of the server."""
    port = free_port()
    hosts.write_text("127.0.0.2 sessions.test\n")
    with (
        Relay(port_of(database), host="127.0.0.2", port=port) as old,
        Relay(port_of(database), host="127.0.0.3", port=port) as new,
        through(old, database, settings, HOST="sessions.test") as alias,
    ):
        yield alias, old, new


def port_of(database: str) -> int:
    """Return the port of the server of an alias."""
    return int(connections.settings[database]["PORT"])


def use_redis(settings: Any, url: str, timeout_s: float) -> None:
    """Put the sessions behind a Redis, as a new process that knows nothing of it yet."""
    table_of.cache_clear()
    options = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
    one = {"BACKEND": "sessionstore.caches.RedisCache", "LOCATION": url, "OPTIONS": options}
    settings.CACHES = {"default": one}


def signed_in_browser() -> Any:
    """Return a browser that is signed in, and whose session has a value."""
    User.objects.get_or_create(username="ann")
    client = browser()
    assert client.get("/login/").status_code == 200
    assert client.get("/write/?value=old").status_code == 200
    return client


@dataclass(slots=True)
class Rates:
    """How often in a second the application turns to the server, before a fault, in it, after."""

    alias: str
    statements: Statements
    connects: list[str]
    found: dict[str, float] = field(default_factory=dict)

    def tries(self) -> int:
        """Return how many statements and connections have been tried."""
        return len(self.statements.on(self.alias)) + self.connects.count(self.alias)

    @contextmanager
    def during(self, phase: str) -> Iterator[None]:
        """Measure one of the three."""
        tries, began = self.tries(), time.monotonic()
        yield
        self.found[phase] = (self.tries() - tries) / (time.monotonic() - began)

    def __str__(self) -> str:
        rates = (f"{rate:.0f} {phase}" for phase, rate in self.found.items())
        return f"tries a second: {', '.join(rates)}"


@contextmanager
def counted(alias: str) -> Iterator[Rates]:
    """Count what goes to one alias."""
    with record_statements() as statements, record_connects() as connects:
        yield Rates(alias, statements, connects)


@short
@pytest.mark.parametrize("url", ["/read/", "/write/"])
def test_a_server_that_is_gone_is_asked_twice_a_request(database, site, settings, url):
    """Nobody listens: a request tries once more, which is no storm, and the session is kept."""
    with Relay(port_of(database)) as relay, through(relay, database, settings) as alias:
        client = signed_in_browser()
        key = key_of(client)
        connections[alias].close()
    with through(relay, database, settings) as alias, counted(alias) as rates:
        assert [answered(client, url).status for _ in range(3)] == [503] * 3
        assert rates.tries() == 3 * 2
    assert key_of(client) == key
    assert client.get("/read/").json()["value"] == "old"


@short
def test_a_host_that_vanishes_is_a_503_in_time(database, site, settings):
    """No packet comes, on the open connection and on the new one; then the host is back."""
    with Relay(port_of(database)) as relay, through(relay, database, settings) as alias:
        client = signed_in_browser()
        with relay.silent(), counted(alias) as rates:
            answer = answered(client, "/write/?value=new")
        assert (answer.status, rates.tries()) == (503, 2)
        assert answer.seconds < bound(alias)
        assert client.get("/read/").json()["value"] == "old"
        assert answered(client, "/write/").status == 200


@pytest.mark.only_on("postgresql")
def test_a_host_that_vanishes_before_its_answer_is_a_503_in_time(database, site, settings):
    """It has taken the statement, so nothing is sent again, and only keepalives ask for it."""
    with Relay(port_of(database)) as relay, through(relay, database, settings) as alias:
        client = signed_in_browser()
        taken, relay.delay_s = relay.taken, 60
        asked: list[Answer] = []
        thread = Thread(target=lambda: asked.append(answered(client, "/read/")))
        thread.start()
        wait_until(lambda: relay.taken > taken)
        with relay.silent():
            thread.join()
        assert asked[0].status == 503
        assert asked[0].seconds < bound(alias)


@short
def test_a_network_that_is_far_and_lossy_is_only_slow(database, site, settings):
    """40 ms there and back here, 200 in the long form, and 5 % of packets lost: nothing fails."""
    with (
        Relay(port_of(database), delay_s=0.02, loss=0.05) as relay,
        through(relay, database, settings),
    ):
        client = signed_in_browser()
        answers = []
        while not relay.lost():
            answers.append(answered(client, f"/write/?value={len(answers)}"))
        assert {answer.status for answer in answers} <= {200}
        answered(client, "/write/?value=last")
        assert client.get("/read/").json()["value"] == "last"


@short
def test_a_name_that_leads_elsewhere_is_looked_up_again(database, site, settings, tmp_path):
    """The old server is gone without a word: the request that notices finds the new one."""
    hosts = tmp_path / "hosts"
    with named(hosts, database, settings) as (alias, old, new):

        def move() -> tuple[str | None, list[Answer]]:
            client = signed_in_browser()
            with old.silent():
                hosts.write_text("127.0.0.3 sessions.test\n")
                answers = [answered(client, "/write/?value=new"), answered(client, "/read/")]
            return key_of(client), answers

        key, answers = with_own_hosts(hosts, move)
        assert (old.connections, new.connections) == (1, 1)
        assert [answer.status for answer in answers] == [200, 200]
        assert answers[0].seconds < bound(alias)
    settings.SESSIONSTORE_DATABASE = database
    assert browser(key=key).get("/read/").json()["value"] == "new"


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("network", ["silent", "far"])
def test_a_cache_behind_a_bad_network_costs_its_timeouts(
    database, site, settings, redis_url, network
):
    """cached_sql: the table answers; who has signed out meanwhile is out when the cache is back."""
    place, number = redis_url.rsplit("/", 1)
    timeout_s = 0.2
    settings.SESSION_ENGINE = "sessionstore.backends.cached_sql"
    with Relay(int(place.rsplit(":", 1)[1])) as relay:
        use_redis(settings, f"redis://127.0.0.1:{relay.port}/{number}", timeout_s)
        client, leaving = signed_in_browser(), signed_in_browser()
        key = key_of(leaving)
        with relay.silent() if network == "silent" else relay.far(0.3):
            answers = [answered(client, "/read/") for _ in range(10)]
            left = answered(leaving, "/logout/")
        # The first one asks the cache in vain; who signs out tells it twice.
        assert {answer.status for answer in (*answers, left)} == {200}
        assert answers[0].seconds > timeout_s, "the cache was not asked"
        assert sum(answer.seconds for answer in answers) < 2 * timeout_s + SLACK_S
        assert left.seconds < 3 * timeout_s + SLACK_S
        assert browser(key=key).get("/read/").json()["user"] is None
        assert client.get("/read/").json()["value"] == "old"


@pytest.mark.soak
@only_on_servers
@both_sites
def test_a_host_that_vanishes_under_load_signs_nobody_out(database, site, settings):
    """Eight browsers write and one comes and goes, while no packet arrives; then all do."""
    with Relay(port_of(database)) as relay, through(relay, database, settings) as alias:
        under_a_fault(alias, database, site, "no packet arrives", relay.silent)


@pytest.mark.soak
@pytest.mark.django_db(transaction=True, databases=["default"])
@both_sites
def test_a_server_that_stands_still_under_load_signs_nobody_out(own, site, settings):
    """SIGSTOP and SIGCONT; psycopg can wait on open connections only, so there are none."""
    alias, server = own
    is_postgres = connections[alias].vendor == "postgresql"
    keep = 0 if is_postgres else None
    options = TIMEOUTS[connections[alias].vendor]
    with another_alias(alias, f"still_{alias}", CONN_MAX_AGE=keep, OPTIONS=options) as name:
        settings.SESSIONSTORE_DATABASE = name
        database, what = alias.removeprefix("own_"), "the server stopped and continued"
        under_a_fault(name, database, site, what, server.frozen, waits_for_ever=is_postgres)


def under_a_fault(
    alias: str,
    database: str,
    site: Any,
    what: str,
    fault: Callable[[], Any],
    *,
    waits_for_ever: bool = False,
) -> None:
    """Let browsers ask before a fault, in it and after it, and require and keep what came of it.

    ``waits_for_ever`` for a driver that has no timeout for what was asked before it.
    """
    with counted(alias) as rates, under_load(pause_s=PAUSE_S) as crowd:
        with rates.during("before"):
            crowd.wait_for_answers(ANSWERS)
        fails_at = time.monotonic()
        with rates.during("while"), fault():
            crowd.wait_for_an_error()
            crowd.wait_for_answers(3)
        with rates.during("after"):
            crowd.wait_for_answers(ANSWERS)
    part = f"{database}, {what}"
    keep_figures(crowd, rates, site, part, after=fails_at if waits_for_ever else 0)


def keep_figures(
    crowd: Crowd, rates: Rates, site: Any, part: str, *, after: float = 0, is_noticed: bool = True
) -> None:
    """Keep the figures of a fault; of ours require the bound and that there was no storm.

    The bound is of what was asked ``after`` a moment.
    """
    # That of this thread has met the fault too, and the stock engine would fail by it.
    connections[rates.alias].close()
    asked_after = [one for one in crowd.seen if one.at - one.seconds > after]
    slowest, limit = max(one.seconds for one in asked_after), bound(rates.alias)
    allowed = f"{limit - SLACK_S:.1f} and {SLACK_S} for a busy machine"
    figure = f"; slowest answer {slowest:.1f} s of {allowed}; {rates}"
    crowd.report(site, "networks", part, more=figure, is_noticed=is_noticed)
    if site is OURS:
        assert slowest < limit
        busiest = max(rates.found["while"], rates.found["after"])
        assert busiest <= 2 * rates.found["before"], figure


@pytest.mark.soak
@only_on_servers
@both_sites
def test_a_network_that_is_far_and_lossy_under_load_loses_nothing(database, site, settings):
    """200 ms there and back, and one packet in twenty is lost."""
    with Relay(port_of(database)) as relay, through(relay, database, settings) as alias:
        with counted(alias) as rates, under_load(pause_s=PAUSE_S) as crowd:
            with rates.during("before"):
                crowd.wait_for_answers(ANSWERS)
            lost = relay.lost()
            with rates.during("while"), relay.far(0.1, loss=0.05):
                crowd.wait_for_answers(ANSWERS)
            lost = relay.lost() - lost
            with rates.during("after"):
                crowd.wait_for_answers(ANSWERS)
        assert lost, "no packet was lost"
        part = f"{database}, 200 ms and 5 % loss"
        keep_figures(crowd, rates, site, part, is_noticed=False)


@pytest.mark.soak
@only_on_servers
@both_sites
def test_a_name_that_leads_elsewhere_under_load_is_followed(database, site, settings, tmp_path):
    """The old address falls silent, the name is given the new one, and nobody restarts anything."""
    hosts = tmp_path / "hosts"
    with named(hosts, database, settings) as (alias, old, new), counted(alias) as rates:

        def move() -> None:
            with ExitStack() as gone, under_load(pause_s=PAUSE_S) as crowd:
                with rates.during("before"):
                    crowd.wait_for_answers(ANSWERS)
                with rates.during("while"):
                    gone.enter_context(old.silent())
                    crowd.wait_for_an_error()
                    hosts.write_text("127.0.0.3 sessions.test\n")
                    crowd.wait_for_answers(3)
                with rates.during("after"):
                    crowd.wait_for_answers(ANSWERS)
            keep_figures(crowd, rates, site, f"{database}, the name moves")

        with_own_hosts(hosts, move)
        assert new.connections
