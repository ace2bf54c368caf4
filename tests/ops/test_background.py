"""SESSIONSTORE_CLEANUP_INTERVAL: clean-up by the web processes themselves."""

import logging
import os
import threading
import time
import warnings
from datetime import timedelta
from functools import partial

import pytest
from django.contrib.sessions.models import Session as DjangoSession
from django.core.management import call_command
from django.db import DatabaseError
from django.utils import timezone

from sessionstore.backends.sql import SessionStore
from sessionstore.cleaning import background
from sessionstore.cleaning.turn import turn
from sessionstore.models import Session
from sessionstore.moving import old_table
from tests.ops.rows import add_rows, count_rows

SOON = timedelta(milliseconds=20)


@pytest.fixture
def cleaner(monkeypatch, settings):
    """A cleaner that has not been started, and is stopped after the test."""
    cleaner = background.BackgroundCleaner()
    monkeypatch.setattr("sessionstore.middleware.cleaner", cleaner)
    yield cleaner
    settings.SESSIONSTORE_CLEANUP_INTERVAL = None
    wait_until(lambda: not is_running())


def is_running() -> bool:
    return "sessionstore-cleanup" in [thread.name for thread in threading.enumerate()]


def wait_until(is_so) -> None:
    ends_at = time.monotonic() + 30
    while not is_so() and time.monotonic() < ends_at:
        time.sleep(0.01)
    assert is_so()


def test_it_is_off_by_default(database, cleaner, client):
    """Nobody gets a thread who has not asked for one."""
    client.get("/")
    assert not is_running()


def test_the_first_request_starts_it(database, cleaner, client, settings):
    """And it deletes what had expired, again and again."""
    settings.SESSIONSTORE_CLEANUP_INTERVAL = SOON
    add_rows(3, expires_in_s=-3600, alias=database)
    assert not is_running()
    client.get("/")
    wait_until(lambda: count_rows(database) == 0)
    add_rows(3, expires_in_s=-3600, alias=database)
    wait_until(lambda: count_rows(database) == 0)


@pytest.mark.only_on("sqlite")
def test_commands_do_not_start_it(database, cleaner, settings):
    """A shell or a migration has nothing to clean."""
    settings.SESSIONSTORE_CLEANUP_INTERVAL = SOON
    call_command("check")
    call_command("clearsessions", verbosity=0)
    assert not is_running()


@pytest.mark.only_on("sqlite")
def test_one_thread_serves_the_process(database, cleaner, client, settings):
    """However many requests there are."""
    settings.SESSIONSTORE_CLEANUP_INTERVAL = timedelta(milliseconds=200)
    for _ in range(5):
        client.get("/")
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("sessionstore-cleanup") == 1


class Refused(threading.Thread):
    """A thread of a process that may have no more of them; the kernel's limits are such."""

    tries = 0

    def start(self):
        type(self).tries += 1
        raise RuntimeError("can't start new thread")


@pytest.mark.only_on("sqlite")
def test_a_thread_that_cannot_start_fails_no_request(
    database, cleaner, client, settings, monkeypatch, caplog
):
    """It is logged once and tried again a minute later, and a later success counts."""
    settings.SESSIONSTORE_CLEANUP_INTERVAL = SOON
    monkeypatch.setattr(Refused, "tries", 0)
    with monkeypatch.context() as patched:
        patched.setattr(threading, "Thread", Refused)
        assert [client.get("/login/").status_code for _ in range(3)] == [200, 200, 200]
    assert caplog.messages == ["No thread for the clean-up: can't start new thread"]
    assert Refused.tries == 1
    assert not is_running()
    cleaner._not_before_s = 0.0
    client.get("/")
    assert is_running()


@pytest.mark.only_on("sqlite")
def test_a_thread_that_has_ended_is_followed_by_another(database, cleaner, client, settings):
    """Whatever ended it."""
    ended = threading.Thread(target=int)
    ended.start()
    ended.join()
    cleaner._thread = ended
    settings.SESSIONSTORE_CLEANUP_INTERVAL = SOON
    client.get("/")
    assert is_running()


class Sleeps:
    """Stands in for the module ``time``; the setting is taken away after so many calls."""

    monotonic = staticmethod(time.monotonic)

    def __init__(self, settings, count):
        self.settings, self.count, self.seconds = settings, count, []

    def sleep(self, seconds):
        self.seconds.append(seconds)
        if len(self.seconds) == self.count:
            self.settings.SESSIONSTORE_CLEANUP_INTERVAL = None


def slept(cleaner, settings, monkeypatch, count):
    """Return for how long the thread would have slept."""
    sleeps = Sleeps(settings, count)
    monkeypatch.setattr(background, "time", sleeps)
    monkeypatch.setattr(background, "clear_once", lambda *_, **__: None)
    cleaner._run(list)
    return sleeps.seconds


def test_processes_spread_over_the_interval(cleaner, settings, monkeypatch):
    """The first time at any moment of it, later about once in each."""
    settings.SESSIONSTORE_CLEANUP_INTERVAL = 100
    later = slept(cleaner, settings, monkeypatch, 300)[1:]
    assert 80 <= min(later) < 85
    assert 115 < max(later) <= 120
    firsts = []
    for _ in range(100):
        settings.SESSIONSTORE_CLEANUP_INTERVAL = 100
        firsts += slept(cleaner, settings, monkeypatch, 1)
    assert 0 <= min(firsts) < 20
    assert 100 < max(firsts) <= 120


@pytest.mark.parametrize("interval", [timedelta.max, 10**400], ids=["longest", "huge"])
def test_an_interval_of_any_length_is_slept(cleaner, settings, monkeypatch, interval):
    """time.sleep() takes no more than 292 years."""
    settings.SESSIONSTORE_CLEANUP_INTERVAL = interval
    [seconds] = slept(cleaner, settings, monkeypatch, 1)
    assert seconds <= 1.2 * 365 * 86_400


@pytest.mark.only_on("sqlite")
def test_it_runs_on_the_engine_that_leaves(database, cleaner, client, settings):
    """Just then there are two tables to clear; that engine is Django's, with ``get_table()``."""
    settings.SESSION_ENGINE = "sessionstore.backends.leaving"
    settings.SESSIONSTORE_CLEANUP_INTERVAL = SOON
    hours_ago = timezone.now() - timedelta(hours=3)
    DjangoSession.objects.create(session_key="a", session_data="", expire_date=hours_ago)
    add_rows(1, expires_in_s=-3600, alias=database)
    client.get("/")
    wait_until(lambda: count_rows(database) + DjangoSession.objects.count() == 0)


@pytest.mark.only_on("sqlite")
def test_djangos_engine_has_no_table_of_ours_to_clean(database, cleaner, client, settings):
    """With the middleware in place before the engine is switched."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    settings.SESSIONSTORE_CLEANUP_INTERVAL = SOON
    client.get("/")
    assert not is_running()


@pytest.mark.only_on("sqlite")
def test_our_table_is_cleared_though_the_old_one_is_gone(database, settings, monkeypatch, caplog):
    """SESSIONSTORE_ADOPT_FROM stayed when its app went, whose model then raises RuntimeError."""

    def gone(_):
        raise RuntimeError("Model class isn't in an application in INSTALLED_APPS.")

    settings.SESSIONSTORE_ADOPT_FROM = "django.contrib.sessions.backends.db"
    monkeypatch.setattr(old_table, "old_engine", gone)
    add_rows(1, expires_in_s=-3600, alias=database)
    background.clear_once(partial(old_table.tables_to_clear, SessionStore), max_seconds=1)
    assert count_rows(database) == 0
    assert caplog.messages == ["Clean-up failed: RuntimeError (None)"]


@pytest.mark.only_on("sqlite")
def test_a_forked_worker_starts_its_own(database, cleaner):
    """A thread does not survive a fork, and the child must know."""
    cleaner._thread = threading.current_thread()
    cleaner._starting.acquire()
    with warnings.catch_warnings():
        # Python 3.12 warns of a fork beside threads, which is what this is about.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os._exit(0 if cleaner._thread is None and cleaner._starting.acquire(blocking=False) else 1)
    cleaner._starting.release()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_other_processes_leave_it_to_the_one_that_cleans(database):
    """They find its lock, and nothing else happens."""
    add_rows(1, expires_in_s=-3600, alias=database)
    with turn(database, "sessionstore_session"):
        background.clear_once(tables, max_seconds=1)
    assert count_rows(database) == 1


def tables():
    return [SessionStore.get_table()]


@pytest.mark.only_on("sqlite")
def test_a_failure_is_logged_by_its_code_and_goes_no_further(database, monkeypatch, caplog):
    """The process answers requests, and the driver's message may hold data."""

    def fail(*_, **__):
        raise DatabaseError(3, "secret")

    monkeypatch.setattr(background, "clear_expired", fail)
    with caplog.at_level(logging.WARNING, "sessionstore"):
        background.clear_once(tables, max_seconds=1)
    assert caplog.messages == ["Clean-up failed: DatabaseError (3)"]


@pytest.mark.only_on("sqlite")
def test_it_goes_on_after_a_failure(database, cleaner, client, settings, monkeypatch, caplog):
    """A database that was away for a moment is cleaned an interval later."""
    failures = iter([DatabaseError(3), DatabaseError(3)])
    clear = background.clear_expired

    def fail_twice(rows, **options):
        for failure in failures:
            raise failure
        return clear(rows, **options)

    monkeypatch.setattr(background, "clear_expired", fail_twice)
    settings.SESSIONSTORE_CLEANUP_INTERVAL = SOON
    add_rows(1, expires_in_s=-3600, alias=database)
    client.get("/")
    wait_until(lambda: not Session.objects.exists())
    assert caplog.messages.count("Clean-up failed: DatabaseError (3)") == 2
