"""Django's own tests of sessions, run on a table that Express could use at the same time."""

import io
import unittest
from importlib import import_module
from typing import Any
from unittest.mock import patch

from django.core.management import call_command
from django.db import connections
from django.test import TestCase, TransactionTestCase, override_settings

from sessionstore.backends.express import SessionStore
from tests.express.conftest import create_table
from tests.express.peer import SECRETS
from tests.harness.databases import ALIASES, running, wanted
from tests.harness.django_sdist import SdistMissingError, sessions_tests
from tests.harness.missing import give_up

try:
    contract = sessions_tests()
except SdistMissingError as error:
    give_up(str(error), whole_module=True)

PLAIN: dict[str, Any] = {"table": "contract_plain"}
MARKED: dict[str, Any] = {"table": "contract_marked", "columns": {"revoked_at": "ended"}}


# It looks the row up in the table of Django's own engine.
LEFT_OUT = "test_empty_session_saved"
# Django answers this with the project's page for a 400; ours tells itself why the session ended.
ANSWERED = "test_session_update_error_redirect"


def on_a_table(name: str, express: dict[str, Any], base: tuple[type, ...]) -> type:
    """Return Django's tests on one table of one database."""

    class Group(*base):
        databases = {"default", ALIASES[name]}
        backend = SessionStore

        @classmethod
        def setUpClass(cls) -> None:
            # Before the transaction of the class: on MySQL, DDL commits.
            with override_settings(**here):
                create_table(ALIASES[name])
                if "columns" in express:
                    call_command("expresstable", "--add-mark", stdout=io.StringIO())
            super().setUpClass()

        @classmethod
        def tearDownClass(cls) -> None:
            super().tearDownClass()
            with connections[ALIASES[name]].cursor() as cursor:
                cursor.execute(f"DROP TABLE {express['table']}")

    here = {
        "SESSION_ENGINE": "sessionstore.backends.express",
        "SESSIONSTORE_DATABASE": ALIASES[name],
        "SESSIONSTORE_EXPRESS": {"secrets": SECRETS, **express},
    }
    return override_settings(**here)(Group)


def middleware_tests(path: str) -> type:
    """Return Django's tests of its middleware, for a middleware and this engine."""
    replaced = patch.multiple(
        contract,
        DatabaseSession=SessionStore,
        SessionMiddleware=import_module(path).SessionMiddleware,
    )
    base = contract.SessionMiddlewareTests
    left_out = {LEFT_OUT} if path.startswith("django") else {LEFT_OUT, ANSWERED}
    names = set(unittest.TestLoader().getTestCaseNames(base)) - left_out
    tests: dict[str, Any] = {test: replaced(getattr(base, test)) for test in names}
    return type("Middleware", (base,), {**tests, **dict.fromkeys(left_out)})


GROUPS = {
    "InTransaction": (PLAIN, (contract.SessionTestsMixin, TestCase)),
    "WithCommits": (MARKED, (contract.SessionTestsMixin, TransactionTestCase)),
    "UnderDjangosMiddleware": (PLAIN, (middleware_tests("django.contrib.sessions.middleware"),)),
    "UnderOurMiddleware": (MARKED, (middleware_tests("sessionstore.middleware"),)),
}
for name in wanted():
    for group, (express, base) in GROUPS.items():
        # Emptying all tables after each test takes long, and commits are no different elsewhere.
        if group == "WithCommits" and name not in ("sqlite", "mariadb"):
            continue
        title = f"TestExpress{name.title()}{group}"
        made = on_a_table(name, express, base)
        made.__name__ = made.__qualname__ = title
        made.__module__ = __name__
        if name in running().missing:
            made = unittest.skip(f"{name} is missing")(made)
        globals()[title] = made
        del made
