"""The harness itself: what the other tests stand on."""

import threading
import time
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

import coverage
import pytest
import redis
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import connections, models, transaction
from django.utils import timezone

from tests.harness import cleaning
from tests.harness.cleaning import clean
from tests.harness.clock import pauses_skipped
from tests.harness.process import ServerFailedError, launch
from tests.harness.servers import ServerMissingError, Servers, find_mysql
from tests.harness.statements import record_statements
from tests.harness.threads import run_together
from tests.harness.tracing import REPEATS


def test_each_database_stores_rows(database):
    """A test that asks for a database can commit to it."""
    store = import_module(django_settings.SESSION_ENGINE).SessionStore()
    store["a"] = 1
    store.create()
    assert type(store)(store.session_key)["a"] == 1


def test_each_test_is_measured_on_one_of_its_databases(request, database, engine):
    """Coverage pauses for the others, and one and the same remains in each worker."""
    name = request.node.originalname
    runs = [item for item in request.session.items if item.name.startswith(f"{name}[")]
    assert [item.stash[REPEATS] for item in runs].count(False) == 1
    measured = coverage.Coverage.current() is not None
    assert (measured and request.node.stash[REPEATS]) is False


@pytest.mark.parametrize("round_number", [1, 2])
def test_the_next_test_finds_the_database_empty(database, round_number):
    """Rows that one test committed are gone in the next."""
    assert User.objects.count() == 0
    User.objects.create_user("ann")


MODELS = [
    model
    for model in apps.get_models(include_auto_created=True)
    if model._meta.managed and not model._meta.proxy
]
VALUES = {
    models.BinaryField: b"x",
    models.BooleanField: True,
    models.DateTimeField: timezone.now(),
    models.GenericIPAddressField: "127.0.0.1",
    models.JSONField: {},
    models.IntegerField: 1,
}


def write_row(model: type[models.Model], alias: str) -> None:
    """Write a row of anything, whose foreign keys lead nowhere."""
    values: dict[str, Any] = {}
    for field in model._meta.local_concrete_fields:
        if not (field.null or field.has_default() or isinstance(field, models.AutoField)):
            is_key = isinstance(field, models.ForeignKey)
            held = field.target_field if is_key else field
            kinds = [value for kind, value in VALUES.items() if isinstance(held, kind)]
            values[field.attname] = (kinds or [1 if is_key else "x"])[0]
    model(**values).save_base(raw=True, force_insert=True, using=alias)


def write_to_each_table(alias: str) -> None:
    connection = connections[alias]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
    with connection.constraint_checks_disabled():
        for model in MODELS:
            write_row(model, alias)


def counts(alias: str) -> dict[str, int]:
    """Count the rows of each table that has some."""
    found = {model.__name__: model._base_manager.using(alias).count() for model in MODELS}
    return {name: count for name, count in found.items() if count}


def insert_session(cursor: Any) -> None:
    cursor.execute(
        "INSERT INTO django_session (session_key, session_data, expire_date)"
        " VALUES ('k', 'd', '2030-01-01 00:00:00')"
    )


@pytest.mark.parametrize("round_number", [1, 2])
def test_the_next_test_finds_each_table_as_it_was(database, round_number):
    """A row in any table is removed, and what migrations wrote about models is there."""
    about_models = {"ContentType": len(apps.get_models()), "Permission": Permission.objects.count()}
    assert counts(database) == about_models
    write_to_each_table(database)
    assert counts(database).keys() == {model.__name__ for model in MODELS}


def test_rows_of_another_connection_are_removed(database):
    """Who wrote, and whether through Django, does not matter."""
    clean(database)
    other = connections[database].copy()
    other.connect()
    insert_session(other.connection.cursor())
    other.close()
    clean(database)
    assert "Session" not in counts(database)


@pytest.mark.parametrize("commits", [True, False])
def test_cleaning_waits_for_who_still_writes(database, commits):
    """A transaction that ends later leaves nothing: neither what it wrote nor what it revived."""
    clean(database)
    if not commits:
        with connections[database].cursor() as cursor:
            insert_session(cursor)
    wrote = threading.Event()

    def write():
        with transaction.atomic(using=database), connections[database].cursor() as cursor:
            if commits:
                insert_session(cursor)
            else:
                cursor.execute("DELETE FROM django_session")
            wrote.set()
            time.sleep(0.3)
            transaction.set_rollback(not commits, using=database)

    def clean_then():
        wrote.wait(10)
        clean(database)
        return counts(database)

    _, left = run_together([write, clean_then])
    assert "Session" not in left


@pytest.mark.only_on("postgresql")
def test_dead_rows_and_statistics_are_dropped(database):
    """An estimate of a table's size must not know of rows that another test had."""
    clean(database)
    with connections[database].cursor() as cursor:
        insert_session(cursor)
        cursor.execute("ANALYZE django_session")
        cursor.execute("DELETE FROM django_session")
    with patch.object(cleaning, "_flush") as flush:
        clean(database)
    assert not flush.called
    with connections[database].cursor() as cursor:
        cursor.execute(
            "SELECT relpages, reltuples > 0 FROM pg_class WHERE relname = 'django_session'"
        )
        assert cursor.fetchone() == (0, False)


def test_nothing_is_flushed_for_a_few_rows(database):
    """The ordinary test costs a few statements, which is what this is for."""
    clean(database)
    User.objects.using(database).create(username="ann")
    with patch.object(cleaning, "_flush") as flush:
        clean(database)
    assert not flush.called
    assert not User.objects.using(database).exists()


def test_lost_content_types_come_back(database):
    """Tables that are never empty are compared, and written anew when they differ."""
    clean(database)
    before = counts(database)
    ContentType.objects.using(database).all().delete()
    clean(database)
    assert counts(database) == before


def test_threads_start_together_and_see_one_database(database):
    """Each thread has a connection of its own to the same test database."""

    def count():
        with connections[database].cursor() as cursor:
            cursor.execute("SELECT COUNT(*) FROM auth_user")
            return cursor.fetchone(), threading.get_ident()

    outcomes = run_together([count] * 8)
    assert {rows for rows, _ in outcomes} == {(0,)}
    assert len({thread for _, thread in outcomes}) == 8


def test_exceptions_of_threads_are_answered():
    """A function that raises is an outcome, not a lost thread."""
    [outcome] = run_together([lambda: 1 / 0])
    assert isinstance(outcome, ZeroDivisionError)


def test_statements_are_counted_per_alias(database):
    """Statements of other threads count too, transaction control does not."""

    def ask():
        with connections[database].cursor() as cursor:
            cursor.execute("SELECT 1")

    with record_statements() as seen:
        run_together([ask, ask])
    assert seen.on(database) == ["SELECT 1", "SELECT 1"]


def test_the_clock_moves_only_when_told(clock):
    """Django, datetime and time show the same moved time."""
    before = time.time()
    clock.advance(minutes=5)
    assert time.time() - before == pytest.approx(300)
    assert timezone.now() == clock.now


def test_a_server_that_ended_is_named_at_the_end(tmp_path):
    """By how it ended and what it wrote; one that runs, or has done its work, is not."""
    servers = Servers(tmp_path)
    servers.launch("initdb", ["sh", "-c", "exit 0"], account=None)
    servers.launch("redis", ["sh", "-c", "sleep 60"], account=None)
    gone = servers.launch("memcached", ["sh", "-c", "echo no memory; exit 3"], account=None)
    servers.ports |= {"redis": 1, "memcached": 2}
    gone.process.wait(10)
    assert servers.endings() == [
        f"memcached (process {gone.process.pid}) ended with exit code 3; it wrote:\nno memory"
    ]
    servers.stop()


def test_a_helper_that_ends_before_it_is_ready_is_told_of_at_once(tmp_path):
    """With what it wrote, which has not the line that is waited for."""
    helper = launch("helper", ["sh", "-c", "echo port taken; exit 1"], log=tmp_path / "log")
    with pytest.raises(ServerFailedError, match="helper did not start:\nport taken"):
        helper.wait_for_line("listens")


def test_without_mysql_proper_the_cure_is_named(tmp_path, monkeypatch):
    """In the list of what did not run, by a target that exists."""
    monkeypatch.setattr("tests.harness.servers.CACHE", tmp_path)
    monkeypatch.setattr("tests.harness.servers._executable", lambda *_: None)
    with pytest.raises(ServerMissingError, match="`make mysql`"):
        find_mysql()
    assert "\nmysql: ## " in (Path(__file__).parents[1] / "Makefile").read_text()


def test_skipped_pauses_count_but_take_no_time():
    """A deadline comes as near as if somebody had waited; other threads do wait."""
    started = time.perf_counter()
    with pauses_skipped():
        before = time.monotonic()
        time.sleep(60)
        assert time.monotonic() - before >= 60
        waited = time.perf_counter()
        run_together([lambda: time.sleep(0.1)])
        assert time.perf_counter() - waited >= 0.1
    assert time.perf_counter() - started < 30


def test_redis_answers(redis_url):
    """The private Redis is reachable under its address."""
    with redis.Redis.from_url(redis_url) as client:
        assert client.ping()
