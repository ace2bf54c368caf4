"""Our RedisCache is Django's, but for the time it takes."""

import warnings
from contextlib import closing

import pytest
from django.core.cache.backends.base import CacheKeyWarning
from django.core.cache.backends.redis import RedisCache as DjangoRedisCache
from redis import Redis

from sessionstore.caches import RedisCache, with_kept_client
from tests.harness.threads import run_together

VALUES = [0, -5, 2**62, 2**70, True, None, 1.5, "1", "", b"\x80", b"", {"a": [1]}, ("x" * 5000,)]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize(
    "classes", [(RedisCache, DjangoRedisCache), (DjangoRedisCache, RedisCache)]
)
def test_each_reads_what_the_other_wrote(redis_url, classes, value):
    """Sites can change between them while they run."""
    writes, reads = (backend(redis_url, {}) for backend in classes)
    writes.set_many({"one": value, "other": value})
    assert repr(reads.get("one")) == repr(value)
    assert repr(reads.get_many(["one", "other"])["other"]) == repr(value)


@pytest.mark.parametrize(
    "name", ["plain", "é", "", "x" * 247, "x" * 248, "a b", "a\n", "\0", "\x1f", "\x7f", "\x80"]
)
def test_it_warns_of_the_same_names(redis_url, name):
    """Those that memcached would refuse."""
    assert warned_of(RedisCache, redis_url, name) == warned_of(DjangoRedisCache, redis_url, name)


def warned_of(backend, url, name) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CacheKeyWarning)
        backend(url, {}).get(name)
    return [str(one.message) for one in caught if one.category is CacheKeyWarning]


def test_options_of_a_site_go_before_ours(redis_url):
    """A serializer of its own is kept."""
    options = {"OPTIONS": {"serializer": "django.core.cache.backends.redis.RedisSerializer"}}
    client = RedisCache(redis_url, options)._cache
    assert type(client._serializer).__module__ == "django.core.cache.backends.redis"


def test_threads_share_the_connections_of_their_process(redis_url):
    """Django makes a cache object for each thread, and under ASGI each request has one."""
    with closing(Redis.from_url(redis_url)) as redis:
        before = redis.info("clients")["connected_clients"]
        for _ in range(5):
            run_together([lambda: RedisCache(redis_url, {}).get("a")])
        assert redis.info("clients")["connected_clients"] <= before + 1


def test_other_options_are_other_connections(redis_url):
    """A second cache of the site may wait longer for the same server."""
    plain, other = RedisCache(redis_url, {}), RedisCache(redis_url, {"OPTIONS": {"timeout": 5}})
    assert plain._cache is RedisCache(redis_url, {})._cache
    assert plain._cache is not other._cache


def test_the_engine_makes_no_client_for_each_question(redis_url, monkeypatch):
    """Also of Django's own backend, by the connections that its thread has anyway."""
    cache = DjangoRedisCache(redis_url, {"KEY_PREFIX": "site", "VERSION": 3})
    cache.set("one", 1)
    asked = with_kept_client(cache)
    made = []
    init = Redis.__init__
    monkeypatch.setattr(
        Redis, "__init__", lambda *args, **named: made.append(1) or init(*args, **named)
    )
    assert [with_kept_client(cache).get("one") for _ in range(3)] == [1, 1, 1]
    assert (len(made), asked._cache._pools) == (1, cache._cache._pools)


@pytest.mark.parametrize(
    "make", [DjangoRedisCache, RedisCache, type("Own", (DjangoRedisCache,), {})], ids=range(3)
)
def test_whoever_watches_a_cache_sees_the_questions_of_the_engine(redis_url, make):
    """A debug toolbar puts functions of its own in their place; a site may have its own class."""
    cache, seen = make(redis_url, {}), []
    with_kept_client(cache).get_many(["before"])
    cache.get_many = seen.append
    with_kept_client(cache).get_many(["a"])
    assert seen == [["a"]]
