"""Django's own tests of sessions, run against each of our engines on each database.

Once inside the transaction of Django's TestCase, as Django does it, and once with real commits.
It stays green through many faults: it is the floor, not the proof.
"""

import unittest
from collections.abc import Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from django.test import TransactionTestCase, override_settings

from tests.harness.databases import ALIASES, ENGINES, running, wanted
from tests.harness.django_sdist import SdistMissingError, sessions_tests
from tests.harness.missing import give_up

LEFT_OUT = {
    "test_session_str": "asks that a row shows the plain key; it holds only its digest",
    "test_sessionmanager_save": "writes a row by the plain key; only the engine can seal data",
    "test_extra_session_field": "extends Django's own model; tests of ours show extra columns",
}
# Django answers this with the project's page for a 400; ours tells itself why the session ended.
ANSWERED = {"test_session_update_error_redirect"}
MIDDLEWARE = ["django.contrib.sessions.middleware", "sessionstore.middleware"]

try:
    contract = sessions_tests()
except SdistMissingError as error:
    give_up(str(error), whole_module=True)


class Rows:
    """The model's manager, which takes Django's `get(session_key=...)` as our `by_key()`."""

    def __init__(self, store: Any) -> None:
        self.own = store.get_model_class().objects

    def get(self, *, session_key: str) -> Any:
        return self.own.by_key(session_key).get()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.own, name)


def engine_tests(engine: str, name: str) -> Iterator[type]:
    """Yield classes of Django's tests for one engine on one database."""
    store = import_module(engine).SessionStore
    here = {"SESSION_ENGINE": engine, "SESSIONSTORE_DATABASE": ALIASES[name]}
    model = SimpleNamespace(objects=Rows(store))
    own: dict[str, Any] = {
        "backend": store,
        "session_engine": engine,
        "model": model,
        "databases": {"default", ALIASES[name]},
        **dict.fromkeys(LEFT_OUT),
    }
    stock = contract.DatabaseSessionTests
    commits = (contract.SessionTestsMixin, TransactionTestCase)
    for use_tz in (False, True):
        title = "InTransactionWithTimeZones" if use_tz else "InTransaction"
        yield override_settings(USE_TZ=use_tz, **here)(type(title, (stock,), own))
    yield override_settings(**here)(type("WithCommits", commits, own))
    for path in MIDDLEWARE:
        title = "UnderDjangosMiddleware" if path.startswith("django") else "UnderOurMiddleware"
        replaced = patch.multiple(
            contract,
            DatabaseSession=store,
            Session=model,
            SessionMiddleware=import_module(path).SessionMiddleware,
        )
        base = contract.SessionMiddlewareTests
        left_out = dict.fromkeys(() if path.startswith("django") else ANSWERED)
        tests = type(title, (base,), {"databases": own["databases"], **left_out})
        for test in unittest.TestLoader().getTestCaseNames(tests):
            setattr(tests, test, replaced(getattr(base, test)))
        yield override_settings(**here)(tests)


for name in wanted():
    for engine in ENGINES:
        for group in engine_tests(engine, name):
            title = f"Test{engine.rpartition('.')[2].title()}{name.title()}{group.__name__}"
            globals()[title] = type(title, (group,), {"__module__": __name__})
            if name in running().missing:
                globals()[title] = unittest.skip(f"{name} is missing")(globals()[title])
        del group


def test_at_most_four_of_djangos_tests_are_left_out():
    """Each by its name, and each still exists in Django."""
    assert len(LEFT_OUT) <= 4
    assert not [test for test in LEFT_OUT if not hasattr(contract.CustomDatabaseSessionTests, test)]
