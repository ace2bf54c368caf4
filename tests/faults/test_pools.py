"""Connections that are short: a pool that lends them out, a server that lets nobody in."""

import time
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import connections

from sessionstore.cleaning import Ending, clear_expired
from tests.faults.conftest import another_alias
from tests.faults.figures import note
from tests.faults.own_server import wait_for_answer
from tests.faults.sites import browser, key_of
from tests.harness.threads import run_together

on_postgresql = pytest.mark.only_on("postgresql")
KEPT = "session and change kept"


@pytest.fixture
def pooled(database, site, settings) -> Iterator[str]:
    """The alias of a pool of one connection, where the sessions are."""
    pytest.importorskip("psycopg_pool", reason="pip install --group test")
    options = {"pool": {"min_size": 1, "max_size": 1, "timeout": 0.3}}
    with another_alias(database, "pooled", CONN_MAX_AGE=0, OPTIONS=options) as alias:
        settings.SESSIONSTORE_DATABASE = alias
        try:
            yield alias
        finally:
            connections[alias].close()
            connections[alias].close_pool()


@on_postgresql
def test_a_clean_up_gives_its_connections_back_in_order(pooled, site, clock, caplog):
    """The pool has nothing to roll back, and says nothing; also one of a single connection."""
    session = site.store()
    session.set_expiry(60)
    session.create()
    clock.advance(hours=1)
    table = site.store.get_table()
    cleaned = clear_expired(table)
    connections[pooled].close()
    assert (cleaned.removed, cleaned.ending) == (1, Ending.DONE)
    assert [one.getMessage() for one in caplog.records if one.name.startswith("psycopg")] == []


@on_postgresql
@pytest.mark.parametrize("page", ["read", "write"])
def test_an_exhausted_pool_is_a_503_after_two_tries(pooled, site, signed_in, caplog, page):
    """Nobody gives a connection back in time: whoever asks again and again makes it worse."""
    client = signed_in()
    key, pool = key_of(client), connections[pooled].pool
    connections[pooled].close()
    before, lent = pool.get_stats()["requests_num"], pool.getconn()
    try:
        response = client.get(f"/{page}/")
    finally:
        asked = pool.get_stats()["requests_num"] - before - 1
        pool.putconn(lent)
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert (asked, key_of(client), bool(response.cookies)) == (2, key, False)
    assert "database error PoolTimeout" in caplog.text
    assert client.get("/read/").json()["value"] == "old"
    note("pools", site, f"psycopg's, exhausted: {page}", f"503 after {asked} tries; {KEPT}")


@on_postgresql
def test_a_queue_that_is_full_is_a_503_too(pooled, site, signed_in, settings, caplog):
    """TooManyRequests, where the site lets only so many wait."""
    client = signed_in()
    connections[pooled].close()
    connections[pooled].close_pool()
    queue = {"min_size": 1, "max_size": 1, "timeout": 3, "max_waiting": 1}
    connections[pooled].settings_dict["OPTIONS"]["pool"] = queue
    pool = connections[pooled].pool
    pool.open()
    lent = pool.getconn()
    seen = run_together([lambda: browser(key=key_of(client)).get("/read/").status_code] * 4)
    pool.putconn(lent)
    assert seen.count(503) >= 3
    assert "database error TooManyRequests" in caplog.text
    assert client.get("/read/").json()["value"] == "old"
    note("pools", site, "psycopg's, its queue full", f"503 to {seen.count(503)} of 4; {KEPT}")


MAKE = {
    "mysql": [
        "DROP USER IF EXISTS single@'127.0.0.1'",
        "CREATE USER single@'127.0.0.1' WITH MAX_USER_CONNECTIONS 1",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON *.* TO single@'127.0.0.1'",
    ],
    "postgresql": [
        "DROP ROLE IF EXISTS single",
        "CREATE ROLE single LOGIN CONNECTION LIMIT 1",
        "GRANT pg_read_all_data, pg_write_all_data TO single",
    ],
}
DROP = {"mysql": "DROP USER single@'127.0.0.1'", "postgresql": "DROP ROLE single"}


@pytest.fixture
def crowded(database, site, signed_in, settings) -> Iterator[object]:
    """A signed-in browser of a site whose database user may have one connection, which is taken."""
    client, vendor = signed_in(), connections[database].vendor
    with connections[database].cursor() as cursor:
        for statement in MAKE[vendor]:
            cursor.execute(statement)
    try:
        with another_alias(database, f"crowded_{database}", USER="single") as alias:
            holder = connections[alias].copy()
            holder.connect()
            settings.SESSIONSTORE_DATABASE = alias
            yield client
            holder.close()
    finally:
        connections[database].close()
        with connections[database].cursor() as cursor:
            cursor.execute(DROP[vendor])


@pytest.mark.only_on("mariadb", "mysql", "postgresql")
@pytest.mark.parametrize("page", ["read", "write", "cycle", "logout"])
def test_a_server_that_lets_nobody_in_is_a_503_after_two_tries(
    crowded, settings, database, caplog, page
):
    """1226 or 53300, from the server itself, at the connect: not now, and the session is there."""
    caplog.set_level("INFO", "sessionstore")
    client, key = crowded, key_of(crowded)
    started = time.monotonic()
    response = client.get(f"/{page}/")
    took = time.monotonic() - started
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert (key_of(client), bool(response.cookies)) == (key, False)
    assert len([one for one in caplog.records if one.name == "sessionstore"]) == 2  # and giving up
    assert took < 1
    settings.SESSIONSTORE_DATABASE = database
    assert client.get("/read/").json()["value"] == "old"


@pytest.mark.soak
@pytest.mark.django_db(transaction=True, databases=["default"])
@pytest.mark.parametrize("own", ["postgresql"], indirect=True)
def test_a_pool_of_dead_connections_is_not_noticed(own, site, settings, caplog):
    """A restart leaves four of them: they are dropped at the first that is used."""
    caplog.set_level("INFO", "sessionstore")
    alias, server = own
    User.objects.create_user("ann")
    options = {"pool": {"min_size": 4, "max_size": 4, "timeout": 3}}
    with another_alias(alias, "pool_own", CONN_MAX_AGE=0, OPTIONS=options) as name:
        settings.SESSIONSTORE_DATABASE = name
        client = browser()
        assert client.get("/login/").status_code == 200
        connections[name].close()
        connections[name].pool.wait()
        server.kill_and_restart()
        wait_for_answer(alias)
        try:
            assert client.get("/write/?value=new").status_code == 200
            assert client.get("/read/").json()["value"] == "new"
        finally:
            connections[name].close()
            connections[name].close_pool()
    assert "try 2 of" in caplog.text, "no connection was dead"
    note("pools", site, "psycopg's, killed by a restart", "2 of 2 requests answered 200")
