"""The harness itself: what the other tests stand on."""

import threading
import time
from importlib import import_module

import pytest
import redis
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.db import connections
from django.utils import timezone

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


def test_redis_answers(redis_url):
    """The private Redis is reachable under its address."""
    with redis.Redis.from_url(redis_url) as client:
        assert client.ping()
