"""The harness itself: what the other tests stand on."""

import threading
import time
from importlib import import_module
from pathlib import Path

import pytest
import redis
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.db import connections
from django.utils import timezone

from tests.harness.process import ServerFailedError, launch
from tests.harness.servers import ServerMissingError, Servers, find_mysql
from tests.harness.statements import record_statements
from tests.harness.threads import run_together


def test_each_database_stores_rows(database):
    """A test that asks for a database can commit to it."""
    store = import_module(django_settings.SESSION_ENGINE).SessionStore()
    store["a"] = 1
    store.create()
    assert type(store)(store.session_key)["a"] == 1


@pytest.mark.parametrize("round_number", [1, 2])
def test_the_next_test_finds_the_database_empty(database, round_number):
    """Rows that one test committed are gone in the next."""
    assert User.objects.count() == 0
    User.objects.create_user("ann")


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


def test_redis_answers(redis_url):
    """The private Redis is reachable under its address."""
    with redis.Redis.from_url(redis_url) as client:
        assert client.ping()
