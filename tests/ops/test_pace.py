"""How long a clean-up waits after each batch: live traffic gets at least half of the time."""

import time

import pytest
from django.contrib.sessions.models import Session as DjangoSession
from django.db import connections

from sessionstore.backends.sql import SessionStore
from sessionstore.cleaning import Pace, batches, clear_expired
from sessionstore.moving.old_table import OldTable
from sessionstore.users import mass_revocation
from tests.engine.old_sessions import DJANGO, make_old_sessions
from tests.harness import commands
from tests.ops.rows import add_rows

HOUR_AGO = -3600


@pytest.fixture
def naps(monkeypatch) -> list[float]:
    """The seconds of each pause; none is waited for."""
    seen: list[float] = []
    monkeypatch.setattr(batches, "nap", lambda seconds, _: seen.append(seconds))
    return seen


def test_the_pause_is_that_of_the_database(database, naps):
    """InnoDB goes on with a DELETE after it has answered."""
    add_rows(4, expires_in_s=HOUR_AGO, alias=database)
    rows = SessionStore.get_table()
    clear_expired(rows, pace=Pace(batch_size=2))
    assert rows.pause_s == (0.08 if connections[database].vendor == "mysql" else 0.02)
    assert len(naps) == 2
    assert min(naps) >= rows.pause_s


@pytest.mark.only_on("sqlite")
def test_the_command_sets_the_pause(database, naps):
    """--sleep, once after each batch."""
    add_rows(4, expires_in_s=HOUR_AGO, alias=database)
    commands.run("clearsessions", "--batch-size=2", "--sleep=60")
    assert naps == [60, 60]


@pytest.mark.only_on("sqlite")
def test_a_slow_batch_is_followed_by_as_long_a_pause(database, naps, monkeypatch):
    """However short the pause was to be."""
    add_rows(1, expires_in_s=HOUR_AGO, alias=database)
    rows = SessionStore.get_table()
    expired = rows.expired
    monkeypatch.setattr(rows, "expired", lambda *of: time.sleep(0.1) or expired(*of))
    clear_expired(rows, pace=Pace(batch_size=1, pause_s=0))
    assert len(naps) == 1
    assert naps[0] >= 0.1


def test_revoking_pauses_as_a_clean_up_does(database, naps):
    """After each batch but the last, and before each further pass."""
    rows = SessionStore.get_table()
    add_rows(rows.batch_size + 1, expires_in_s=3600, alias=database)
    assert "Ended" in commands.run("revokesessions", "--all", "--no-input")
    assert len(naps) == 2
    assert min(naps) >= rows.pause_s


def test_revoking_what_has_not_moved_pauses_as_the_old_table_asks(database, naps, settings):
    """It may lie on another database than ours."""
    settings.SESSIONSTORE_ADOPT_FROM = DJANGO
    rows = OldTable(DjangoSession)
    make_old_sessions(rows.batch_size + 1)
    assert "Ended" in commands.run("revokesessions", "--all", "--no-input")
    assert len(naps) == 1
    assert naps[0] >= rows.pause_s


@pytest.mark.only_on("sqlite")
def test_a_stop_ends_a_revocation_before_the_next_batch(database, naps):
    """What it leaves is still there."""
    add_rows(401, expires_in_s=3600, alias=database)
    done: list[int] = []
    which = mass_revocation.all_until_now(SessionStore())
    ended = mass_revocation.revoke(
        SessionStore(), which, stop=lambda: bool(done), on_batch=done.append
    )
    assert (ended.rows, done) == (200, [200])
