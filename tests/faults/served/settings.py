"""Settings of the site; `SERVED_SITE` says with which engine, on which databases."""

import json
import os

SITE = json.loads(os.environ["SERVED_SITE"])

if SITE["driver"] == "PyMySQL":
    import pymysql

    pymysql.version_info = (2, 2, 8, "final", 0)  # as which release of mysqlclient it is taken
    pymysql.install_as_MySQLdb()

SECRET_KEY = SITE["secret"]
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
INSTALLED_APPS = [
    "sessionstore",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
]
MIDDLEWARE = [
    "tests.faults.served.pauses.PauseMiddleware",
    SITE["middleware"],
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "tests.faults.served.views"
DATABASES = SITE["databases"]
DATABASE_ROUTERS = ["sessionstore.routers.SessionRouter", "tests.faults.sites.StockRouter"]
SESSIONSTORE_DATABASE = SITE["alias"]
SESSION_ENGINE = SITE["engine"]
CACHES = {"default": SITE["cache"]}
# Into the log of the server.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"]},
}
