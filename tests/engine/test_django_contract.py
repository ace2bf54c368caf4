"""Django's own tests of sessions, run against each of our engines on each database.

Once inside the transaction of Django's TestCase, as Django does it, and once with real commits.
It stays green through many faults: it is the floor, not the proof.
"""

import os
import unittest
from collections.abc import Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from django.test import TransactionTestCase, override_settings

from tests.harness.databases import ALIASES, ENGINES, running, wanted
from tests.harness.django_sdist import SdistMissingError, sessions_tests

PLAIN_KEY = "it looks a row up by the plain key, and only its digest is stored"
LEFT_OUT = {
    "test_session_str": PLAIN_KEY,
    "test_session_get_decoded": PLAIN_KEY,
    "test_sessionmanager_save": PLAIN_KEY,
    "test_extra_session_field": PLAIN_KEY,
}
MIDDLEWARE = ["django.contrib.sessions.middleware", "sessionstore.middleware"]

try:
    contract = sessions_tests()
except SdistMissingError as error:
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
        str(error), allow_module_level=True
    )


def engine_tests(engine: str, name: str) -> Iterator[type]:
    """Answer classes of Django's tests for one engine on one database."""
    store = import_module(engine).SessionStore
    here = {"SESSION_ENGINE": engine, "SESSIONSTORE_DATABASE": ALIASES[name]}
    own: dict[str, Any] = {
        "backend": store,
        "session_engine": engine,
        "model": property(lambda _: store.get_model_class()),
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
        names = {
            "DatabaseSession": store,
            "SessionMiddleware": middleware(path),
            "Session": looked_up_by_key(store),
        }
        replaced = patch.multiple(contract, **names)
        base = contract.SessionMiddlewareTests
        tests = type(title, (base,), {"databases": own["databases"]})
        for test in unittest.TestLoader().getTestCaseNames(tests):
            setattr(tests, test, replaced(getattr(base, test)))
        yield override_settings(**here)(tests)


def looked_up_by_key(store: Any) -> Any:
    """Answer what takes `Session.objects.get(session_key=...)` as our `by_key()`."""

    def get(*, session_key: str) -> Any:
        return store.get_model_class().objects.by_key(session_key).get()

    return SimpleNamespace(objects=SimpleNamespace(get=get))


def middleware(path: str) -> Any:
    """Answer the middleware of a module."""
    return import_module(path).SessionMiddleware


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
