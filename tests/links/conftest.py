"""What the tests of the links share."""

from importlib import import_module

import pytest
from django.core.cache import caches


@pytest.fixture
def store(engine):
    """The SessionStore class of one engine after the other."""
    return import_module(engine).SessionStore


@pytest.fixture
def saved(store, database):
    """A session with one key, already in the table, that no cache knows."""
    session = store()
    session["a"] = 1
    session.save()
    caches["default"].clear()
    return session


@pytest.fixture
def signed_in(store, database):
    """A session with a user, already in the table."""
    session = store()
    session.update({"_auth_user_id": "7", "_auth_user_backend": "b", "_auth_user_hash": "h"})
    session.save()
    return session
