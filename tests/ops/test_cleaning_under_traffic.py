"""Clean-up beside live traffic, and with a rival that ignores the lock."""

import random
import sys
import threading
from functools import partial
from io import StringIO

import pytest

from sessionstore.backends.sql import SessionStore
from sessionstore.cleaning import Pace, batches
from sessionstore.management.progress import progress
from sessionstore.models import Session
from tests.harness.threads import run_together
from tests.ops.rows import add_rows, count_rows

LIVE, EXPIRED, WRITERS = 40, 3000, 6


def signed_in(number: int) -> SessionStore:
    session = SessionStore()
    session["_auth_user_id"] = str(number)
    session.save()
    return session


def test_no_write_fails_and_no_live_session_is_lost(database):
    """Two cleaners without a lock and six writers: nothing but expired rows goes."""
    add_rows(EXPIRED, expires_in_s=-3600, alias=database)
    sessions = [signed_in(number) for number in range(LIVE)]
    done = threading.Event()

    def clean() -> int:
        pace = Pace(batch_size=100, pause_s=0)
        try:
            cleaned = batches._loop(SessionStore.get_rows(), pace, lambda: False, lambda _: None, 0)
        finally:
            done.set()
        return cleaned.removed

    def write(share: list[SessionStore]) -> None:
        while not done.is_set():
            session = random.choice(share)  # noqa: S311 - any will do
            session["count"] = session.get("count", 0) + 1
            session.save()
            if session["count"] % 5 == 0:
                session.cycle_key()

    writers = [partial(write, sessions[number::WRITERS]) for number in range(WRITERS)]
    *written, first, second = run_together([*writers, clean, clean])
    assert written == [None] * WRITERS
    assert first + second == EXPIRED
    assert count_rows(database) == LIVE
    for session in sessions:
        assert SessionStore(session.session_key).get("count", 0) == session.get("count", 0)


def test_a_session_that_was_just_extended_stays(database, monkeypatch):
    """It was expired when the ids were read, and is not when they are deleted."""
    [row] = add_rows(1, expires_in_s=-3600, alias=database)
    rows = SessionStore.get_rows()
    expired = rows.expired

    def extend_meanwhile(before: int, limit: int) -> list[bytes]:
        found = expired(before, limit)
        Session.objects.using(database).update(expires_at=before + 10**9)
        return found

    monkeypatch.setattr(rows, "expired", extend_meanwhile)
    assert batches.clear_expired(rows).removed == 0
    assert Session.objects.using(database).filter(pk=row.pk).exists()


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_progress(monkeypatch):
    """A bar with the number that is left to do."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress(lambda: 200, wanted=True) as tell:
        tell(200)
    assert "200/200" in sys.stderr.getvalue()


@pytest.mark.parametrize(
    ("stream", "wanted", "library"),
    [(StringIO, True, True), (Terminal, False, True), (Terminal, True, False)],
)
def test_nothing_is_shown_elsewhere(monkeypatch, stream, wanted, library):
    """Not in a pipe, not when it is unwanted, and not without tqdm; nor is anything counted."""
    monkeypatch.setattr(sys, "stderr", stream())
    if not library:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    with progress(pytest.fail, wanted=wanted) as tell:
        tell(200)
    assert sys.stderr.getvalue() == ""
