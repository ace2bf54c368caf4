"""Settings of the demo site, written as one would for a real site on one machine."""

import os
from datetime import timedelta
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

# Both server processes must share it, and a restart must keep it, or everybody is signed out.
# It is known to the world: a real site reads its own from the environment and has no default.
SECRET_KEY = os.environ.get("SECRET_KEY", "django-insecure-demo-the-whole-world-knows-this-key")
DEBUG = os.environ.get("DEBUG", "1") == "1"
# `make demo-https` names one. A real site has HTTPS and nothing else.
CERTIFICATE = os.environ.get("DEMO_CERTIFICATE")
HTTPS = CERTIFICATE is not None
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]

INSTALLED_APPS = [
    "sessionstore",  # first: its commands and receivers come before those of other apps
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",  # for the pages that set Django's engine beside ours, and no more
    "django.contrib.staticfiles",
    "axes",
    "demo_site",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "demo_site.middleware.content_security_policy",
    "sessionstore.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",  # last: it replaces the answer to a guess too many
]

# --- Sessions -------------------------------------------------------------------------------------

SESSION_ENGINE = "sessionstore.backends.sql"
SESSION_COOKIE_AGE = 14 * 24 * 60 * 60
SESSION_COOKIE_SAMESITE = "Lax"
# `make demo` speaks plain HTTP on loopback. A real site says True here, and names the cookie
# "__Host-sessionid", which a browser takes from this host and over HTTPS only.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS or not DEBUG
SESSION_COOKIE_NAME = "__Host-sessionid" if HTTPS else "sessionid"
SESSIONSTORE_BIND_DEVICE = HTTPS
SESSIONSTORE_IDLE_TIMEOUT = timedelta(minutes=30)
SESSIONSTORE_ABSOLUTE_TIMEOUT = timedelta(days=30)
SESSIONSTORE_KNOWN_DEVICES = True
# To the terminal: sign in as the same user with a second browser, and open the link there.
SESSIONSTORE_NEW_DEVICE_MAIL = True
SESSIONSTORE_HISTORY = timedelta(days=180)
EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

# --- Signing in -----------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # first: it refuses before a password is looked at
    "django.contrib.auth.backends.ModelBackend",
]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=5)
# A name and an address together: nobody can lock another person out from elsewhere.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_TEMPLATE = "demo_site/locked.html"

LOGIN_URL = "sessionstore:login"
LOGIN_REDIRECT_URL = "shop"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# --- The rest -------------------------------------------------------------------------------------

ROOT_URLCONF = "demo_site.urls"
WSGI_APPLICATION = "demo_site.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "demo_site" / "templates"],  # before the apps: our base replaces theirs
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "demo_site.panel.under_the_hood",
            ]
        },
    }
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DEMO_DATABASE", BASE_DIR / "demo.sqlite3"),
        # Two processes write one file: wait for each other, and take the lock before reading.
        "OPTIONS": {
            "timeout": 10,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("ko", "한국어")]
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"
X_FRAME_OPTIONS = "DENY"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {
        "sessionstore": {"handlers": ["console"], "level": "INFO"},
        "django.server": {"handlers": ["console"], "level": "WARNING", "propagate": False},
    },
}
