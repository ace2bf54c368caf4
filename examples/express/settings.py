"""The demo site on the table that it shares with Express: what differs from demo_site.settings."""

import os
from pathlib import Path

from demo_site.settings import *  # noqa: F403 - everything else stays as it is
from demo_site.settings import TEMPLATES

SESSION_ENGINE = "sessionstore.backends.express"
SESSION_COOKIE_NAME = "connect.sid"
SESSIONSTORE_EXPRESS = {
    # The secret of express-session. A real site reads it from the environment, on both sides.
    "secrets": ["keyboard cat"],
    # A login in Express is a login here: passport keeps the user's primary key.
    "user": True,
}

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.mysql",
        "NAME": "shop",
        "USER": "root",
        "HOST": "127.0.0.1",
        "PORT": os.environ.get("DEMO_DATABASE_PORT", "3306"),
        "OPTIONS": {"charset": "utf8mb4", "isolation_level": "read committed"},
    }
}

# The panel shows the shared row, and where the other half of the shop is.
HALF = TEMPLATES[0]
HALF["DIRS"] = [Path(__file__).parent / "templates", *HALF["DIRS"]]
HALF["OPTIONS"]["context_processors"].remove("demo_site.panel.under_the_hood")
HALF["OPTIONS"]["context_processors"].append("examples.express.panel.shared_row")
