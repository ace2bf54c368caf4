"""Checks of the cache in front of ``cached_sql``."""

from typing import Any

from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's names

from sessionstore.backends.cached_sql import SessionStore
from sessionstore.conf import conf

from .engine import runs_on

DJANGOS = "django.core.cache.backends."
PER_PROCESS = {f"{DJANGOS}locmem.LocMemCache", f"{DJANGOS}dummy.DummyCache"}
# Their incr() reads and then writes, so that two at once count as one.
NOT_ATOMIC = {f"{DJANGOS}db.DatabaseCache", f"{DJANGOS}filebased.FileBasedCache"}
REDIS = {f"{DJANGOS}redis.RedisCache", "sessionstore.caches.RedisCache"}


def check_cache(**_: Any) -> list[CheckMessage]:
    """E062: the cache does not keep its promises. W062, W063: a hanging one, one per process."""
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
    if backend in REDIS and not _has_timeouts(options):
        message = f"{name} has no socket_timeout: a Redis that hangs holds up every request."
        hint = "Set OPTIONS = {'socket_timeout': 0.2, 'socket_connect_timeout': 0.2} there."
        return [Warning(message, hint=hint, id="sessionstore.W062")]
    return []


def _reason(options: dict[str, Any]) -> str | None:
    """Answer why a logout on one worker would not count on another."""
    backend = options.get("BACKEND")
    if backend in NOT_ATOMIC:
        return f"{backend} cannot count atomically, a reader could see an old session"
    location = options.get("LOCATION", "")
    servers = location.replace(",", ";").split(";") if isinstance(location, str) else location
    if backend in REDIS and len(servers) > 1:
        return "it reads from replicas, and one that lags would not know of a logout"
    return None


def _has_timeouts(options: dict[str, Any]) -> bool:
    given = options.get("OPTIONS", {})
    return "socket_timeout" in given and "socket_connect_timeout" in given


CHECKS = [check_cache]
