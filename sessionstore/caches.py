"""Django's Redis cache with one client kept: ``"BACKEND": "sessionstore.caches.RedisCache"``.

Optimization: Django makes a client for each question, which takes longer than the question.
"""

from typing import Any

from django.core.cache.backends import redis


class _KeptClient(redis.RedisCacheClient):
    """Answers the same client for a server each time; clients of redis-py are thread-safe."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._kept: dict[int, Any] = {}

    def get_client(self, key: Any = None, *, write: bool = False) -> Any:  # noqa: ARG002 - Django's signature
        parent: Any = self  # Compat: django-stubs leaves out the protected members.
        pool = parent._get_connection_pool(write)
        try:
            return self._kept[id(pool)]
        except KeyError:
            return self._kept.setdefault(id(pool), parent._client(connection_pool=pool))


class RedisCache(redis.RedisCache):
    """Takes the same settings as Django's, for any cache of the site."""

    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = _KeptClient
