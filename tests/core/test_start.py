"""What the app adds to the start of a process."""

import json
import subprocess
import sys

STARTS = """
import json, sys
from django.conf import settings
settings.configure(
    SECRET_KEY="x" * 50,
    INSTALLED_APPS=["sessionstore", "django.contrib.auth", "django.contrib.contenttypes"],
    SESSION_ENGINE="sessionstore.backends.sql",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
import django
django.setup()
print(json.dumps(sorted(sys.modules)))
"""
# What runs in commands only, and what features need that are off by default.
NOT_NEEDED = (
    *("sessionstore.admin", "sessionstore.checks.", "sessionstore.express.", "sessionstore.moving"),
    *("sessionstore.management", "sessionstore.views", "sessionstore.forms", "sessionstore.caches"),
    *("django.contrib.auth.views", "django.contrib.auth.forms"),
    *("cryptography.hazmat", "jwt", "ua_parser", "geoip2", "redis", "tqdm"),
)


def test_a_process_starts_without_what_it_may_never_need():
    """Checks, commands, pages, the other engines, and the libraries of extras."""
    done = subprocess.run(
        [sys.executable, "-c", STARTS], capture_output=True, text=True, check=True
    )
    modules = json.loads(done.stdout)
    assert [name for name in modules if name.startswith(NOT_NEEDED)] == []
    assert len([name for name in modules if name.startswith("sessionstore")]) <= 110
