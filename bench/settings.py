"""Settings of the benchmark: every engine is installed, each as its documentation recommends."""

import json
import os
from typing import Any

from bench.machine import servers
from bench.routers import Router
from tests.harness.databases import settings_by_alias

SECRET_KEY = "only-for-the-benchmark-" + "x" * 40
USE_TZ = True
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "bench.views"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Each engine names its user field's way back `session_set`; nobody uses it here.
SILENCED_SYSTEM_CHECKS = ["fields.E304", "fields.E305"]

_now = servers()
# What a server of `bench.serving` is to serve.
_site = json.loads(os.environ.get("BENCH_SITE", "{}"))
# Under ASGI each request has a thread of its own, and a connection that is kept would be lost.
_age = 0 if _site.get("asgi") else None
DATABASES: dict[str, dict[str, Any]] = {
    alias: {**options, "CONN_MAX_AGE": _age} for alias, options in settings_by_alias(_now).items()
}
Router.alias = _site.get("alias", Router.alias)
DATABASE_ROUTERS = [Router()]
CACHES = {
    alias: {"BACKEND": backend, "LOCATION": f"redis://127.0.0.1:{_now.ports.get('redis', 0)}/0"}
    for alias, backend in {
        "default": "django.core.cache.backends.redis.RedisCache",
        "kept": "sessionstore.caches.RedisCache",
    }.items()
}

INSTALLED_APPS = [
    "sessionstore",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "qsessions",
    "user_sessions",
]
SESSION_ENGINE = _site.get("engine") or "sessionstore.backends.sql"
SESSION_CACHE_ALIAS = _site.get("cache", "default")
MIDDLEWARE: list[str] = list(_site.get("middleware", []))
if MIDDLEWARE:
    MIDDLEWARE.append("django.contrib.auth.middleware.AuthenticationMiddleware")
