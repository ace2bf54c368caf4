"""A database that is there, takes connections and never answers."""

import time

import pytest
from django.contrib.auth.models import User
from django.db import connections

from tests.faults.conftest import another_alias
from tests.faults.sites import browser, key_of

pytestmark = pytest.mark.django_db(transaction=True, databases=["default"])
TIMEOUTS = {
    "mysql": {"connect_timeout": 1, "read_timeout": 1, "write_timeout": 1},
    "postgresql": {"connect_timeout": 1},
}
BOUND_S = 6


@pytest.fixture
def impatient(own, site, settings):
    """A server of its own, and the alias that does not wait for it for ever."""
    alias, server = own
    options = TIMEOUTS[connections[alias].vendor]
    with another_alias(alias, f"impatient_{alias}", OPTIONS=options) as name:
        settings.SESSIONSTORE_DATABASE = name
        yield name, server


def answers_in_time(alias, server, *, connected):
    """Ask each page while the database is frozen; the cookie stays, and so does the row."""
    User.objects.create_user("ann")
    client = browser()
    assert client.get("/login/").status_code == 200
    assert client.get("/write/?value=old").status_code == 200
    key = key_of(client)
    for page in ("read", "write", "cycle", "logout"):
        connections[alias].ensure_connection() if connected else connections[alias].close()
        with server.frozen():
            started = time.monotonic()
            response = client.get(f"/{page}/")
            took = time.monotonic() - started
        assert (response.status_code, response["Retry-After"]) == (503, "5")
        assert (key_of(client), bool(response.cookies)) == (key, False)
        assert took < BOUND_S
        assert client.get("/read/").json()["value"] == "old"


def test_a_frozen_database_is_a_503_in_time(impatient, site):
    """Whoever connects gets no answer: connect_timeout."""
    answers_in_time(*impatient, connected=False)


# libpq has no timeout for an answer: docs/reliability.md.
@pytest.mark.parametrize("own", ["mariadb"], indirect=True)
def test_a_database_that_freezes_under_an_open_connection_is_a_503_in_time(impatient, site):
    """The connection was good a moment ago: read_timeout."""
    answers_in_time(*impatient, connected=True)
