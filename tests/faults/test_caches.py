"""Caches that fail: a session that was ended is refused by the next request of every worker."""

import os

import pytest
import redis
from django.core.cache import caches

from sessionstore.backends.cached_sql import SessionStore
from sessionstore.cache import entries
from sessionstore.cache.rows import CachedTable
from sessionstore.conf import conf
from sessionstore.models import Session
from sessionstore.session.drafts import table_of
from tests.faults.figures import note
from tests.faults.sites import CACHED_SQL
from tests.harness.cluster import wait_until
from tests.harness.missing import give_up
from tests.harness.process import private_folder
from tests.harness.redises import CacheServer, RedisNode, Watched
from tests.harness.servers import ServerMissingError
from tests.harness.statements import record_statements

pytestmark = [pytest.mark.only_on("sqlite")]
WORKERS = 4
OPTIONS = {
    "redis": {"socket_timeout": 0.2, "socket_connect_timeout": 0.2},
    "memcached": {"timeout": 0.2, "connect_timeout": 0.2, "retry_timeout": 0, "dead_timeout": 0},
}
BACKENDS = {
    "redis": "sessionstore.caches.RedisCache",
    "memcached": "django.core.cache.backends.memcached.PyMemcacheCache",
}


def use(settings, kind: str, port: int) -> None:
    """Put the sessions behind a cache, as new workers that know nothing of it yet."""
    table_of.cache_clear()
    caches.close_all()
    where = f"redis://127.0.0.1:{port}" if kind == "redis" else f"127.0.0.1:{port}"
    one = {"BACKEND": BACKENDS[kind], "LOCATION": where, "OPTIONS": OPTIONS[kind]}
    settings.CACHES = {"default": one}


def warm(number: int, size: int = 10, *, cached: bool = True) -> list[bytes]:
    """Make sessions that stand in the table and, each of them, in the cache; return their keys."""
    sessions = []
    for _ in range(number):
        session = SessionStore()
        session.update({"a": os.urandom(size).hex(), "_auth_user_id": "7"})
        session.save()
        sessions.append(session)
    digests = [conf.keyring.open(session.session_key).digest for session in sessions]
    assert opened(digests) == number * WORKERS
    with record_statements() as statements:
        assert opened(digests) == number * WORKERS
    assert statements == [] or not cached, "the table had to answer"
    return digests


def end(digests: list[bytes]) -> None:
    """End sessions, each by a worker of its own, as a sign-out does."""
    for digest in digests:
        assert CachedTable(Session).remove_key(digest) == 1


def opened(digests: list[bytes]) -> int:
    """Count who of all workers lets which of the sessions in."""
    workers = [CachedTable(Session) for _ in range(WORKERS)]
    return sum(worker.fetch(digest, 0) is not None for worker in workers for digest in digests)


@pytest.fixture
def own(request, settings, database):
    """A cache server of this test alone."""
    server = CacheServer(request.param, private_folder(in_memory=True))
    try:
        server.start()
        use(settings, server.kind, server.port)
        yield server
    except ServerMissingError as error:
        give_up(str(error))
    finally:
        caches.close_all()
        server.stop()


@pytest.mark.parametrize(
    "own", ["redis", pytest.param("memcached", marks=pytest.mark.soak)], indirect=True
)
def test_a_restart_between_ends_lets_nobody_in(own):
    """What it has heard of is forgotten, and what it has missed was never there."""
    ended, kept = warm(100), warm(5)
    end(ended[:50])
    own.kill()
    end(ended[50:])
    own.start()
    inside = opened(ended)
    assert (inside, opened(kept)) == (0, len(kept) * WORKERS)
    note(
        "cache",
        CACHED_SQL,
        f"{own.kind} killed and restarted",
        f"{inside} of {100 * WORKERS} let in",
    )


@pytest.mark.parametrize("own", ["redis"], indirect=True)
@pytest.mark.parametrize(
    "policy",
    [
        "noeviction",
        pytest.param("allkeys-lru", marks=pytest.mark.soak),
        pytest.param("volatile-ttl", marks=pytest.mark.soak),
    ],
)
def test_a_cache_that_is_full_lets_nobody_in(own, policy):
    """It evicts what it likes, or takes nothing more, not even that somebody has signed out."""
    ended = warm(100)
    with redis.Redis(port=own.port) as client:
        client.config_set("maxmemory-policy", policy)
        client.config_set("maxmemory", client.info("memory")["used_memory"] - 20_000)
        end(ended)
        inside = opened(ended)
        evicted = client.info("stats")["evicted_keys"]
        refused = client.info("errorstats").get("errorstat_OOM")
    assert refused if policy == "noeviction" else evicted, "it was not full"
    assert inside == 0
    note("cache", CACHED_SQL, f"maxmemory, {policy}", f"{inside} of {100 * WORKERS} let in")


@pytest.mark.soak
@pytest.mark.parametrize("own", ["redis"], indirect=True)
def test_a_cluster_serves_no_session_and_lets_nobody_in(own, settings):
    """Django's client cannot ask a Redis Cluster for two names: sessions come from the table."""
    own.kill()
    own.start("--cluster-enabled", "yes")
    own.ask("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
    wait_until(lambda: b"cluster_state:ok" in own.ask("CLUSTER", "INFO"))
    with pytest.raises(redis.ResponseError):
        caches["default"].get_many(["a", "b"])
    ended, kept = warm(100, cached=False), warm(5, cached=False)
    end(ended)
    inside = opened(ended)
    assert (inside, opened(kept)) == (0, len(kept) * WORKERS)
    note("cache", CACHED_SQL, "Redis Cluster", f"{inside} of {100 * WORKERS} let in")


LIVES_S = 15


@pytest.fixture
def watched(settings, database, monkeypatch):
    """Redis with a replica and Sentinel, and HAProxy that waits until its entries have ended."""
    monkeypatch.setattr(entries, "ENTRY_S", LIVES_S)
    cluster = Watched(private_folder(in_memory=True))
    try:
        # 0.2 s from one check to the next.
        cluster.start(rise=5 * LIVES_S + 5)
        use(settings, "redis", cluster.proxy_port)
        yield cluster
    except ServerMissingError as error:
        give_up(str(error))
    finally:
        caches.close_all()
        cluster.stop()


@pytest.mark.soak
def test_a_failover_that_has_missed_the_last_second_lets_nobody_in(watched, settings):
    """Sentinel promotes a replica that never heard of 100 ends; HAProxy lets it in when empty."""
    primary, replica = watched.nodes
    watched.watch()
    ended, kept = warm(100), warm(5)
    with replica.frozen():
        # Or what was on its way would be read after all.
        assert primary.ask("CLIENT", "KILL", "TYPE", "replica") == 1
        end(ended)
        primary.process.kill()
    wait_until(replica.is_primary)
    use(settings, "redis", replica.port)
    without = opened(ended)
    use(settings, "redis", watched.proxy_port)
    inside = opened(ended)
    wait_until(lambda: RedisNode(watched.proxy_port, watched.proxies[0]).is_primary())
    inside += opened(ended)
    assert without, "the replica had heard of it"
    assert (inside, opened(kept)) == (0, len(kept) * WORKERS)
    what = "failover by Sentinel, HAProxy that waits for the 15 s of an entry"
    note("cache", CACHED_SQL, what, f"{inside} of {100 * WORKERS} let in")
    note(
        "cache",
        CACHED_SQL,
        "failover by Sentinel, nobody waits",
        f"{without} of {100 * WORKERS} let in",
    )
