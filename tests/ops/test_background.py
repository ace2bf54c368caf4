"""SESSIONSTORE_CLEANUP_INTERVAL: clean-up by the web processes themselves."""

import logging
import os
import threading
import time
import warnings
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import DatabaseError

from sessionstore.backends.sql import SessionStore
from sessionstore.cleaning import background
from sessionstore.cleaning.turn import turn
from sessionstore.models import Session
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
    return [SessionStore.get_rows()]


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
