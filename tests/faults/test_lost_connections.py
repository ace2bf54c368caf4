"""Connections that the server really ends, before a statement or after it was carried out."""

import random
import threading
from contextlib import contextmanager
from functools import partial

import pytest
from django.db import DatabaseError, connections, transaction

from sessionstore.exceptions import SessionStoreUnavailable
from tests.faults.conftest import another_alias
from tests.faults.figures import note
from tests.faults.injection import ALWAYS, kill, killed
from tests.faults.sites import WITH_TABLE, browser, key_of
from tests.faults.verbs import VERBS, cases, summary, trial
from tests.harness.threads import run_together

servers = pytest.mark.only_on("mariadb", "mysql", "postgresql")
each_store = pytest.mark.parametrize("site", WITH_TABLE, indirect=True)


@servers
@each_store
def test_a_killed_connection_is_replaced(database, site, signed_in):
    """Each verb succeeds, whether its first statements were carried out or not."""
    outcomes = {
        (*case, after): trial(
            VERBS[case[0]],
            killed(database, case[1], after=after, writes_only=case[2]),
            signed_in,
            site,
        )
        for case in cases()
        for after in (False, True)
    }
    note("lost", site, f"{database}, killed before or after the statement", summary(outcomes))
    if site.is_ours:
        assert {key: value for key, value in outcomes.items() if value != "right"} == {}


@servers
def test_an_insert_whose_answer_was_lost_leaves_one_row(database, site, user):
    """It is repeated with the same id, and recognised: no orphaned login."""
    client = browser()
    with killed(database, 1, after=True) as injection:
        assert client.get("/login/").status_code == 200
    assert injection.fired == 1
    assert site.rows().count() == 1
    assert client.get("/read/").json()["user"] == str(user.pk)


@servers
def test_an_update_whose_answer_was_lost_is_not_counted_twice(database, site):
    """A transact that was carried out is recognised by its bytes."""
    session = site.store()
    session["count"] = 0
    session.create()

    def count(session):
        session["count"] += 1

    for number in range(1, 6):
        with killed(database, 1, after=True) as injection:
            session.transact(count)
        assert injection.fired == 1
        assert site.store(session.session_key)["count"] == number


@servers
def test_a_transact_that_nobody_can_judge_is_never_run_again(database, site):
    """The answer was lost and two others wrote since: 503, and the count is not doubled."""
    session = site.store()
    session["count"] = 0
    session.create()
    key = session.session_key
    once = threading.Event()

    def count(session):
        session["count"] += 1

    def others_write(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if sql.startswith("UPDATE") and not once.is_set():
            once.set()
            run_together([partial(site.store(key).transact, count)])
            run_together([partial(site.store(key).transact, count)])
            kill(connections[database])
            execute("SELECT 1", None, False, context)
        return result

    with (
        connections[database].execute_wrapper(others_write),
        pytest.raises(SessionStoreUnavailable, match="cannot be known"),
    ):
        session.transact(count)
    assert once.is_set()
    assert site.store(key)["count"] == 3


@servers
def test_counts_stay_true_while_connections_are_killed(database, site):
    """Eight threads count under kills: each success counts once, a refusal at most once."""
    session = site.store()
    session["count"] = 0
    session.create()
    key = session.session_key
    luck = random.Random(7)  # noqa: S311 - decides which connections break
    kills = []

    def count(session):
        session["count"] += 1

    def run():
        done = 0

        def wrapper(execute, sql, params, many, context):
            result = execute(sql, params, many, context)
            if "UPDATE" in sql and luck.random() < 0.1:
                kills.append(1)
                kill(connections[database])
                execute("SELECT 1", None, False, context)
            return result

        with connections[database].execute_wrapper(wrapper):
            for _ in range(10):
                try:
                    site.store(key).transact(count)
                    done += 1
                except SessionStoreUnavailable:
                    continue
        return done

    counted = run_together([run] * 8)
    assert kills
    done = sum(counted)
    assert done <= site.store(key)["count"] <= 80


@servers
def test_a_server_that_has_become_read_only_is_left(database, site, signed_in, settings):
    """After a switch the old primary refuses writes (1290, 25006): 503, and the cookie stays."""
    client = signed_in()
    key = key_of(client)
    with read_only(database) as alias:
        settings.SESSIONSTORE_DATABASE = alias
        assert client.get("/read/").json()["value"] == "old"
        response = client.get("/write/?value=new")
        assert response.status_code == 503
        assert not response.cookies
    settings.SESSIONSTORE_DATABASE = database
    assert client.get("/write/?value=new").status_code == 200
    assert key_of(client) == key


@contextmanager
def read_only(database):
    """Yield an alias of a server that lets nobody write."""
    if connections[database].vendor == "postgresql":
        options = {"options": "-c default_transaction_read_only=on"}
        with another_alias(database, "readonly_postgresql", OPTIONS=options) as alias:
            yield alias
        return
    with connections[database].cursor() as cursor:
        cursor.execute("CREATE USER IF NOT EXISTS plain@'127.0.0.1'")
        # No privilege that lets a user write all the same.
        cursor.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON *.* TO plain@'127.0.0.1'")
        cursor.execute("SET GLOBAL read_only = 1")
    try:
        with another_alias(database, f"readonly_{database}", USER="plain") as alias:
            yield alias
    finally:
        with connections[database].cursor() as cursor:
            cursor.execute("SET GLOBAL read_only = 0")


@servers
def test_a_database_that_keeps_ending_connections_is_given_up(database, site, signed_in):
    """Each try loses its connection: 503 after five tries, and the session is still there."""
    client = signed_in()
    with killed(database, ALWAYS, after=False) as injection:
        assert client.get("/write/?value=x").status_code == 503
    assert 3 <= injection.fired <= 5
    assert client.get("/read/").json()["value"] == "old"


@servers
def test_inside_a_transaction_the_original_error_goes_up(database, site):
    """Nothing is retried there: the server has rolled back the caller's own work."""
    session = site.store()
    session.create()
    session["a"] = 1
    with (
        killed(database, 1, after=False) as injection,
        pytest.raises(DatabaseError),
        transaction.atomic(using=database),
    ):
        session.save()
    assert injection.fired == 1
