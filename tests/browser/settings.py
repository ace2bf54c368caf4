"""The demo site, with a clock that a test can move and passwords that take no time."""

import os

from demo_site.settings import *  # noqa: F403
from demo_site.settings import ALLOWED_HOSTS, HTTPS, MIDDLEWARE

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
MIDDLEWARE = [
    "tests.browser.serve.note_requests",
    "tests.browser.serve.follow_the_clock",
    *MIDDLEWARE,
]
ALLOWED_HOSTS = [*ALLOWED_HOSTS, "app.test", "evil.test"]
ROOT_URLCONF = "tests.browser.urls"
SESSIONSTORE_REAUTH_URL = {2: "code"}
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = os.path.join(os.environ.get("SESSIONSTORE_TEST_FOLDER", "/nonexistent"), "mails")  # noqa: PTH118 - Django wants text
SESSIONSTORE_BIND_DEVICE = HTTPS and os.environ.get("SESSIONSTORE_TEST_BINDS") != "no"
