"""A replica that never catches up: reads and deletes go to the database that is written to."""

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from tests.faults.conftest import another_alias
from tests.faults.sites import OURS, browser, key_of, user_of


class LaggingRouter:
    """Reads from a replica that has heard of nothing yet."""

    def db_for_read(self, model, **_):
        """The replica, for either engine's table."""
        labels = {"sessions", "sessionstore"}
        return settings.LAGGING_REPLICA if model._meta.app_label in labels else None

    def db_for_write(self, *_, **__):
        """No opinion: the routers after this one have theirs."""
        return


@pytest.fixture
def lagging(database, site, settings, tmp_path):
    """An alias to read from whose tables are empty and stay so."""
    with another_alias("default", "lagging", NAME=str(tmp_path / "lagging.sqlite3")):
        call_command("migrate", database="lagging", verbosity=0)
        settings.LAGGING_REPLICA = "lagging"
        settings.DATABASE_ROUTERS = [
            "tests.faults.test_replicas.LaggingRouter",
            *settings.DATABASE_ROUTERS,
        ]
        yield connections["lagging"]


def test_a_login_counts_at_once_and_a_logout_too(site, signed_in, lagging):
    """The next request is signed in (D8), and the logout deletes the row (D7)."""
    client = signed_in()
    key = key_of(client)
    assert client.get("/read/").json()["value"] == "old"
    assert client.get("/logout/").status_code == 200
    assert user_of(key) is None
    assert site.rows().using(settings.SESSIONSTORE_DATABASE).count() == 0


def test_the_replica_is_never_asked(site, signed_in, lagging):
    """Not by a read, a save, a new key, a logout or a clean-up."""
    asked = []

    def note(execute, sql, params, many, context):
        asked.append(sql)
        return execute(sql, params, many, context)

    with lagging.execute_wrapper(note):
        client = signed_in()
        for page in ("read", "write", "cycle", "logout"):
            client.get(f"/{page}/")
        browser(key="x").get("/read/")
        OURS.store.clear_expired()
    assert asked == []
