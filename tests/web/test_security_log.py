"""The logger `sessionstore.security`: one record for each event, handles and no secret."""

import logging

import pytest
from django.test import Client

from sessionstore import security_log, signals
from sessionstore.backends.sql import SessionStore
from sessionstore.models import Session
from tests.web.conftest import key_of, press, sign_in

REQUESTS = 500


@pytest.fixture(autouse=True)
def calm():
    """No test counts the refusals of another."""
    security_log._flood.__init__()


@pytest.fixture
def log(caplog):
    """The records, in order."""
    caplog.set_level(logging.INFO, logger="sessionstore.security")
    return caplog


def events(log) -> list[str]:
    return [record.session_event for record in log.records]


def test_a_life_leaves_one_record_for_each_event(log, browser, user):
    """Login, new key, logout: who, which session, from where (ASVS 16.2.1, 16.3.1)."""
    sign_in(browser, user)
    handle = browser.session.handle
    press(browser, "/account/logout/")
    assert events(log) == ["cycled", "logged in", "created", "revoked"]
    login, revoked = log.records[1], log.records[-1]
    assert login.getMessage() == (
        f"Session logged in: user={user.pk} address=127.0.0.1 methods=password"
    )
    assert (login.session_user, login.session_address) == (str(user.pk), "127.0.0.1")
    assert revoked.getMessage() == f"Session revoked: handle={handle} user={user.pk} reason=logout"
    assert {record.name for record in log.records} == {"sessionstore.security"}


@pytest.mark.parametrize(
    ("signal", "arguments", "message"),
    [
        ("session_created", {"handle": "h", "user_id": None}, "Session created: handle=h"),
        (
            "session_merged",
            {"handle": "h", "user_id": "7", "conflicts": (("a",), ("b", "c"))},
            "Session merged: handle=h user=7 conflicts=2",
        ),
        (
            "session_expired",
            {"handle": "h", "user_id": "7", "ended_at_ms": 0},
            "Session expired: handle=h user=7",
        ),
        (
            "session_interrupted",
            {"handle": "h", "user_id": "7"},
            "Session interrupted: handle=h user=7",
        ),
        (
            "session_cycled",
            {"handle": "h", "user_id": None},
            "Session cycled: handle=h",
        ),
        (
            "session_refused",
            {"handle": "h", "reason": signals.Refusal.UNKNOWN, "client": None},
            "Session refused: handle=h unknown=1",
        ),
    ],
)
def test_each_event_has_its_words(log, signal, arguments, message):
    """What is not known is left out."""
    getattr(signals, signal).send(SessionStore, **arguments)
    assert [record.getMessage() for record in log.records] == [message]


def test_a_flood_of_forged_cookies_leaves_one_record_a_second_with_a_count(log, db, clock):
    """And costs no query (cheat sheet: suspicious, and told)."""
    for number in range(REQUESTS):
        Client(headers={"cookie": f"sessionid={number:040d}"}).get("/plain/")
    assert events(log) == ["refused"]
    assert log.records[0].levelno == logging.WARNING
    clock.advance(seconds=1)
    Client(headers={"cookie": "sessionid=forged-forged"}).get("/plain/")
    assert [record.session_forged for record in log.records] == [1, REQUESTS]
    assert log.records[1].getMessage() == f"Session refused: forged={REQUESTS} address=127.0.0.1"


def test_a_clock_that_was_put_back_does_not_silence_the_log(log, clock):
    """Else a step of the clock by an hour would hide an hour of attacks."""
    arguments = {"handle": None, "reason": "forged", "client": None}
    signals.session_refused.send(SessionStore, **arguments)
    clock.advance(hours=-1)
    signals.session_refused.send(SessionStore, **arguments)
    assert len(log.records) == 2


def test_a_user_key_cannot_write_lines_of_the_log(log):
    """Control characters do not get through (ASVS 16.2.5, 16.4.1)."""
    signals.session_created.send(SessionStore, handle="h", user_id="7\r\nSession\u2028\x1b[31m")
    assert log.records[0].getMessage() == "Session created: handle=h user=7??Session??[31m"


@pytest.mark.parametrize("sign", ["\x7f", "\x9b", "\u202e", "\u2066", "\u200b", "\u2029", "\ufeff"])
def test_no_sign_that_cannot_be_seen_gets_into_the_log(log, sign):
    """Nor one that turns the rest of the line around: a record looks like what it says."""
    signals.session_created.send(SessionStore, handle="h", user_id=f"ann{sign}bob")
    assert log.messages == ["Session created: handle=h user=ann?bob"]
    assert log.records[0].session_user == "ann?bob"


def test_the_log_holds_neither_key_nor_digest(log, browser, user):
    """Handles only, from the login to the refusal of the old cookie (ASVS 3.3.4, 16.2.5)."""
    sign_in(browser, user)
    key = key_of(browser)
    row = Session.objects.get()
    digest = bytes(row.digest)
    press(browser, "/account/logout/")
    Client(headers={"cookie": f"sessionid={key}"}).get("/plain/")
    text = "\n".join(f"{record.getMessage()} {vars(record)}" for record in log.records)
    assert f"handle={row.handle}" in text
    for secret in (key, digest.hex(), repr(digest), str(digest)):
        assert secret not in text


def test_nobody_who_listens_is_no_cost(caplog, db):
    """With the level above INFO no record is made."""
    caplog.set_level(logging.WARNING, logger="sessionstore.security")
    SessionStore().create()
    assert caplog.records == []
