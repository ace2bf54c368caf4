"""Django's settings of the tests. Databases come from tests/harness/databases.py."""

from tests.harness.databases import running, settings_by_alias

SECRET_KEY = "only-for-tests-" + "x" * 50
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
ROOT_URLCONF = "tests.urls"
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# The default hasher needs 0.2 s for each login, which no test here is about.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

DATABASES = settings_by_alias(running())
DATABASE_ROUTERS = ["sessionstore.routers.SessionRouter"]

_now = running()
REDIS_URL = f"redis://127.0.0.1:{_now.ports['redis']}/0" if _now and "redis" in _now.ports else None
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

SESSION_ENGINE = "sessionstore.backends.sql"
INSTALLED_APPS = [
    "sessionstore",
    "tests.owntable",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    # Never the engine: the table that sessions are moved from, and Django's own tests of sessions.
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "tests.web.accounts",
    # Engines that sessions are moved from.
    "qsessions",
    "user_sessions",
]
# Those two name their user field's way back alike; nobody uses it here.
SILENCED_SYSTEM_CHECKS = ["fields.E304", "fields.E305"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "sessionstore.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
