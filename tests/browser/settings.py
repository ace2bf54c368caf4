"""The demo site, with a clock that a test can move and passwords that take no time."""

from demo_site.settings import *  # noqa: F403
from demo_site.settings import MIDDLEWARE

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
MIDDLEWARE = ["tests.browser.serve.follow_the_clock", *MIDDLEWARE]
