"""How long a clean-up waits after each batch: live traffic gets at least half of the time."""

import time

import pytest
from django.db import connections

from sessionstore.backends.sql import SessionStore
from sessionstore.cleaning import Pace, batches, clear_expired
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
