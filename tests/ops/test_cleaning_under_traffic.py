"""Clean-up beside live traffic, and with a rival that ignores the lock."""

import random
import threading
from contextlib import nullcontext
from functools import partial

from sessionstore.backends.sql import SessionStore
from sessionstore.cleaning import Pace, batches
from sessionstore.models import Session
from tests.harness.threads import run_together
from tests.ops.rows import add_rows, count_rows

LIVE, EXPIRED, WRITERS = 40, 3000, 6


def signed_in(number: int) -> SessionStore:
    session = SessionStore()
    session["_auth_user_id"] = str(number)
    session.save()
    return session


def test_no_write_fails_and_no_live_session_is_lost(database, monkeypatch):
    """Two cleaners without a lock and six writers: nothing but expired rows goes."""
    monkeypatch.setattr(batches, "turn", lambda *_: nullcontext(True))
    add_rows(EXPIRED, expires_in_s=-3600, alias=database)
    sessions = [signed_in(number) for number in range(LIVE)]
    done = threading.Event()

    def clean() -> int:
        pace = Pace(batch_size=100, pause_s=0)
        try:
            cleaned = batches.clear_expired(SessionStore.get_table(), pace=pace)
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
    rows = SessionStore.get_table()
    expired = rows.expired

    def extend_meanwhile(before: int, limit: int) -> list[bytes]:
        found = expired(before, limit)
        Session.objects.using(database).update(expires_at=before + 10**9)
        return found

    monkeypatch.setattr(rows, "expired", extend_meanwhile)
    assert batches.clear_expired(rows).removed == 0
    assert Session.objects.using(database).filter(pk=row.pk).exists()
