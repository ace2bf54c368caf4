"""Checks of the cache in front of ``cached_sql``."""

from typing import Any

from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's names

from sessionstore.backends.cached_sql import SessionStore
from sessionstore.checks.engine import runs_on
from sessionstore.conf import conf

DJANGOS = "django.core.cache.backends."
PER_PROCESS = {f"{DJANGOS}locmem.LocMemCache", f"{DJANGOS}dummy.DummyCache"}
# Their incr() reads and then writes, so that two at once count as one.
NOT_ATOMIC = {f"{DJANGOS}db.DatabaseCache", f"{DJANGOS}filebased.FileBasedCache"}
PYMEMCACHE = f"{DJANGOS}memcached.PyMemcacheCache"
MEMCACHED = {PYMEMCACHE, f"{DJANGOS}memcached.PyLibMCCache"}
REDIS = {f"{DJANGOS}redis.RedisCache", "sessionstore.caches.RedisCache"}
_TIMEOUTS = {"socket_timeout": 0.2, "socket_connect_timeout": 0.2}
# pymemcache would leave a server alone for a minute, though it may be back and we know it first.
_OF_PYMEMCACHE = {"timeout": 0.2, "connect_timeout": 0.2, "retry_timeout": 0, "dead_timeout": 0}
WANTED = dict.fromkeys(REDIS, _TIMEOUTS) | {PYMEMCACHE: _OF_PYMEMCACHE}


def check_cache(**_: Any) -> list[CheckMessage]:
    """E062: it cannot keep our promises. W062, W063: it may hang, it is of one process."""
    if not runs_on(SessionStore):
        return []
    options = conf.cache_options
    hint = "Use Redis (sessionstore.caches.RedisCache), or the engine sql."
    name = f"SESSION_CACHE_ALIAS = {conf.cache_alias!r}"
    reason = "there is no such cache" if options is None else _reason(options)
    if options is None or reason:
        return [Error(f"{name}: {reason}.", hint=hint, id="sessionstore.E062")]
    backend = options.get("BACKEND")
    if backend in PER_PROCESS:
        # No error: one process is all that tests and a developer have.
        message = f"{name}: {backend} is of one process, others would not see a logout for 60 s."
        return [Warning(message, hint=hint, id="sessionstore.W063")]
    wanted = WANTED.get(str(backend), {})
    if wanted.keys() - options.get("OPTIONS", {}).keys():
        message = f"{name} lacks options: when it hangs every request does, or it stays away long."
        return [Warning(message, hint=f"Set OPTIONS = {wanted} there.", id="sessionstore.W062")]
    return []


def _reason(options: dict[str, Any]) -> str | None:
    """Return why a logout on one worker would not count on another."""
    backend = options.get("BACKEND")
    if backend in NOT_ATOMIC:
        return f"{backend} cannot count atomically, a reader could see an old session"
    location = options.get("LOCATION", "")
    servers = location.replace(",", ";").split(";") if isinstance(location, str) else location
    if backend in REDIS and len(servers) > 1:
        return "it reads from replicas, and one that lags would not know of a logout"
    if backend in MEMCACHED and len(servers) > 1:
        return "whoever does not reach one of its servers tells another one of a logout"
    if _hides_failures(options):
        return "it hides its failures, so that nobody knows which logout it has not heard of"
    return None


def _hides_failures(options: dict[str, Any]) -> bool:
    given = options.get("OPTIONS", {})
    is_django_redis = str(options.get("BACKEND")).startswith("django_redis.")
    return bool(
        given.get("ignore_exc")  # pymemcache
        or given.get("IGNORE_EXCEPTIONS", is_django_redis and conf.django_redis_hides_failures)
    )


CHECKS = [check_cache]
