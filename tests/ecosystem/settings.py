"""A site of its own for the neighbours, so that their apps slow down no other test.

Run with `python -m pytest tests/ecosystem --ds=tests.ecosystem.settings`.
"""

from pathlib import Path

from tests.harness.databases import ALIASES, running, settings_by_alias, wanted

SECRET_KEY = "a fixed secret for the tests of the neighbours"
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "tests.ecosystem.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # only for speed
STATIC_URL = "/static/"
LOGIN_REDIRECT_URL = "/data/"
LOGOUT_REDIRECT_URL = "/data/"
LOGIN_URL = "/login/"

# The first database that the run asks for: SESSIONSTORE_TEST_DATABASES=mariadb is the neighbours
# on MariaDB.
DATABASES = {"default": settings_by_alias(running())[ALIASES[wanted()[0]]]}

INSTALLED_APPS = [
    "sessionstore",
    "django.contrib.sessions",  # its table is the one that proves the tests right
    "django.contrib.admin",  # for the log of django-loginas
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",  # for allauth's templates
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.sites",
    "allauth",
    "allauth.account",
    "allauth.usersessions",
    "allauth.headless",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "axes",
    "channels",
    "debug_toolbar",
    "django_cas_ng",
    "django_otp",
    "django_otp.plugins.otp_static",
    "django_otp.plugins.otp_totp",
    "formtools",  # for two_factor
    "hijack",
    "impersonate",
    "loginas",
    "mozilla_django_oidc",
    "rest_framework",
    "social_django",
    "two_factor",
    "wagtail.admin",
    "wagtail.users",
    "wagtail.images",
    "wagtail.documents",
    "wagtail.search",
    "wagtail",
    "taggit",
    "modelcluster",
]

SESSION_ENGINE = "sessionstore.backends.sql"
# The fixture `stack` puts the session middleware of the case at the first place.
MIDDLEWARE = [
    "sessionstore.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "hijack.middleware.HijackUserMiddleware",
]

AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [str(Path(__file__).parent / "templates")],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# The tables are made from the models: thousands of migration steps prove nothing here.
MIGRATION_MODULES = dict.fromkeys(
    [
        "account",
        "admin",
        "auth",
        "axes",
        "contenttypes",
        "debug_toolbar",
        "django_cas_ng",
        "impersonate",
        "mfa",
        "otp_static",
        "otp_totp",
        "sessions",
        "sites",
        "social_django",
        "socialaccount",
        "taggit",
        "usersessions",
        "wagtailadmin",
        "wagtailcore",
        "wagtaildocs",
        "wagtailimages",
        "wagtailsearch",
        "wagtailusers",
    ]
)

SITE_ID = 1
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_RATE_LIMITS = False
USERSESSIONS_TRACK_ACTIVITY = True
OIDC_RP_CLIENT_ID = "shop"
OIDC_RP_CLIENT_SECRET = "a secret that the shop shares with its provider"
OIDC_OP_AUTHORIZATION_ENDPOINT = "https://op.example/authorize"
OIDC_OP_TOKEN_ENDPOINT = "https://op.example/token"
OIDC_OP_USER_ENDPOINT = "https://op.example/user"
OIDC_STORE_ID_TOKEN = True
OIDC_USE_NONCE = False
SOCIAL_AUTH_PIPELINE = ["tests.ecosystem.providers.find_ann"]
TWO_FACTOR_REMEMBER_COOKIE_AGE = 3600
HEADLESS_CLIENTS = ("app", "browser")
AXES_ENABLED = False  # its own tests switch it on
WAGTAIL_SITE_NAME = "tests"
WAGTAILADMIN_BASE_URL = "http://testserver"
