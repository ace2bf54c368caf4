"""Django's Redis cache with one client kept: ``"BACKEND": "sessionstore.caches.RedisCache"``.

Optimization: Django makes a client for each question, which takes longer than the question, and for
each thread a pool of connections, so under ASGI for each request. It also looks at each character
of a name, and tries each value as a number, which for a long one is slow.
"""

import pickle
import re
import threading
from typing import Any

from django.core.cache.backends import redis

# What Django does not warn of: memcached would take it too.
_is_portable = re.compile(r"[^\x00-\x20\x7f]{0,250}").fullmatch
_PICKLED = b"\x80"  # All protocols above 1 begin so, and no number does.
# What the engine asks a cache, and where the cache keeps our way of asking it.
_QUESTIONS = frozenset({"get_many", "add", "set", "set_many", "incr", "delete"})
_KEPT = "_sessionstore_kept"


class _Serializer(redis.RedisSerializer):
    """Reads and writes what Django's does."""

    def loads(self, data: Any) -> Any:
        return pickle.loads(data) if data.startswith(_PICKLED) else super().loads(data)  # noqa: S301 - as Django


class _KeptClient(redis.RedisCacheClient):
    """Return the same client for a server each time.

    Clients of redis-py, and their pools, are safe for threads, and notice a fork.
    """

    def __init__(self, servers: list[str], **options: Any) -> None:
        super().__init__(servers, **{"serializer": _Serializer, **options})
        self._kept: dict[int, Any] = {}

    def get_client(self, key: Any = None, *, write: bool = False) -> Any:  # noqa: ARG002 - Django's signature
        parent: Any = self  # Compat: django-stubs leaves out the protected members.
        pool = parent._get_connection_pool(write)
        try:
            return self._kept[id(pool)]
        except KeyError:
            return self._kept.setdefault(id(pool), parent._client(connection_pool=pool))


# Django makes a cache object for each thread; these are the process's, by servers and options.
_clients: list[tuple[list[str], dict[str, Any], _KeptClient]] = []
_lock = threading.Lock()


def _client_of(servers: list[str], **options: Any) -> _KeptClient:
    """Return the one client of this process for these servers, asked with these options."""
    with _lock:
        for known, asked_with, client in _clients:
            if known == servers and asked_with == options:
                return client
        client = _KeptClient(servers, **options)
        _clients.append((servers, options, client))
        return client


class RedisCache(redis.RedisCache):
    """Takes the same settings as Django's, for any cache of the site."""

    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = _client_of

    def validate_key(self, key: str) -> None:
        if not _is_portable(key):
            super().validate_key(key)

    def set_many(self, data: dict[Any, Any], *args: Any, **kwargs: Any) -> list[Any]:
        if len(data) != 1:
            return super().set_many(data, *args, **kwargs)
        # Optimization: Django's is a transaction, which for one value takes 1.6 times as long.
        for key, value in data.items():
            self.set(key, value, *args, **kwargs)
        return []

    @classmethod
    def beside(cls, cache: Any) -> "RedisCache":
        """Return one that asks what a cache of Django's own asks, by the same connections."""
        ours = cls.__new__(cls)
        ours.__dict__.update(cache.__dict__)
        client = ours.__dict__["_cache"] = _KeptClient(cache._servers, **cache._options)
        client.__dict__["_pools"] = cache._cache._pools
        return ours


def with_kept_client(cache: Any) -> Any:
    """Return how the engine asks a cache of the site: Django's own Redis cache by a kept client.

    Optimization: that saves 60 % of a hit. The site's own questions stay as they are, and so does a
    cache of another class or with a client of another class, or one whose functions somebody
    watches by others in their place.
    """
    if type(cache) is not redis.RedisCache or not _QUESTIONS.isdisjoint(cache.__dict__):
        return cache
    if type(cache._cache) is not redis.RedisCacheClient:
        return cache
    known = cache.__dict__.get(_KEPT)
    return known or cache.__dict__.setdefault(_KEPT, RedisCache.beside(cache))
