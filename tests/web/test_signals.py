"""Each event of a session's life sends its signal, with its arguments and nothing secret."""

import ast
import logging.config
import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.dispatch import Signal
from django.test import Client

from sessionstore import signals
from sessionstore.backends.sql import SessionStore
from sessionstore.conf import conf
from sessionstore.models import Session
from sessionstore.signals import Reason, Refusal
from tests.web.conftest import key_of, press, sign_in

DOCUMENT = (Path(__file__).parents[2] / "docs" / "signals.md").read_text()
SIGNALS = {name: value for name, value in vars(signals).items() if isinstance(value, Signal)}
ARGUMENTS = {
    "session_created": {"handle", "user_id"},
    "session_logged_in": {"handle", "user_id", "request"},
    "session_cycled": {"handle", "user_id"},
    "session_merged": {"handle", "user_id", "conflicts"},
    "session_revoked": {"handle", "user_id", "reason"},
    "session_expired": {"handle", "user_id", "ended_at_ms"},
    "session_refused": {"handle", "reason", "client"},
    "session_interrupted": {"handle", "user_id"},
    "session_bound": {"handle", "request"},
    "new_device": {"user", "device", "handle", "request"},
    "session_secured": {"handle", "user_id", "session", "is_login", "is_proof", "has_new_key"},
}


@pytest.fixture
def heard():
    """What was sent while the test ran: names and arguments, in order."""
    events: list[tuple[str, dict]] = []
    receivers = []
    for name, signal in SIGNALS.items():

        def receive(sender, signal, name=name, **arguments):
            assert issubclass(sender, SessionStore)
            assert set(arguments) == ARGUMENTS[name]
            # Beside the others, of the same writes; tests/history is about when it is sent.
            if name != "session_secured":
                events.append((name.removeprefix("session_"), arguments))

        signal.connect(receive, weak=False)
        receivers.append((signal, receive))
    yield events
    for signal, receive in receivers:
        signal.disconnect(receive)


@pytest.fixture
def session(db) -> SessionStore:
    """A session with a row."""
    session = SessionStore()
    session["a"] = 1
    session.save()
    return session


def names(heard) -> list[str]:
    return [name for name, _ in heard]


def test_every_signal_is_listed_here():
    """A new one must be tested too."""
    assert set(SIGNALS) == set(ARGUMENTS)


def test_a_login_is_told_by_handle_user_and_request(heard, browser, user):
    """A new key, the login, and the row, which alone gives the handle."""
    sign_in(browser, user)
    assert names(heard) == ["cycled", "logged_in", "created"]
    handle, user_id = browser.session.handle, str(user.pk)
    arguments = dict(heard)
    assert arguments["created"] == {"handle": handle, "user_id": user_id}
    request = arguments["logged_in"].pop("request")
    assert (request.path, request.user) == ("/account/login/", user)
    assert arguments["logged_in"] == {"handle": None, "user_id": user_id}
    assert arguments["cycled"] == {"handle": None, "user_id": None}
    heard.clear()
    sign_in(browser, user)
    assert [(name, arguments["handle"]) for name, arguments in heard] == [
        ("cycled", handle),
        ("logged_in", handle),
    ]


def test_a_new_key_leaves_the_handle(heard, session):
    """Whoever follows a session in the log goes on with the same name."""
    before = session.handle
    session.cycle_key()
    assert heard[1:] == [("cycled", {"handle": before, "user_id": None})]
    assert session.handle == before


def test_a_merge_names_the_paths_that_both_changed(heard, session):
    """Ours was taken."""
    other = SessionStore(session.session_key)
    other["a"] = 2
    other.save()
    session["a"] = 3
    session.save()
    expected = {"handle": session.handle, "user_id": None, "conflicts": (("a",),)}
    assert heard[1:] == [("merged", expected)]


def test_a_logout_is_a_revocation_with_its_reason(heard, browser, user):
    """And one that finds nothing to end is no event."""
    sign_in(browser, user)
    handle = browser.session.handle
    heard.clear()
    press(browser, "/account/logout/")
    expected = {"handle": handle, "user_id": str(user.pk), "reason": Reason.LOGOUT}
    assert heard == [("revoked", expected)]
    heard.clear()
    press(browser, "/account/logout/")
    assert heard == []


def test_other_ends_tell_their_reason(heard, session):
    """flush() and delete() are called by all kinds of code."""
    others = [SessionStore() for _ in range(2)]
    for one in others:
        one.create()
    handles = [session.handle, others[0].handle]
    heard.clear()
    session.delete()
    others[0].flush()
    SessionStore().delete(others[1].session_key)
    assert [(name, arguments["reason"]) for name, arguments in heard] == [
        ("revoked", Reason.DELETED),
        ("revoked", Reason.FLUSHED),
        ("revoked", Reason.DELETED),
    ]
    # Nobody has read the row of the last one: that would be a statement more.
    assert [arguments["handle"] for _, arguments in heard] == [*handles, None]


@pytest.mark.django_db(transaction=True)
def test_ends_by_account_tell_each_session(heard, user):
    """One event for each, with the reason."""
    handles = []
    for _ in range(2):
        browser = Client()
        browser.force_login(user)
        handles.append(browser.session.handle)
    heard.clear()
    user.set_password("another one")
    user.save()
    assert {(name, arguments["reason"]) for name, arguments in heard} == {
        ("revoked", Reason.PASSWORD_CHANGED)
    }
    assert sorted(arguments["handle"] for _, arguments in heard) == sorted(handles)
    for change, reason in (
        ({"is_active": False}, Reason.ACCOUNT_DISABLED),
        (None, Reason.ACCOUNT_DELETED),
    ):
        browser = Client()
        browser.force_login(User.objects.get())
        heard.clear()
        User.objects.update(**change) if change else User.objects.all()._raw_delete("default")
        browser.get("/plain/")
        assert [arguments["reason"] for _, arguments in heard] == [reason]
        User.objects.update(is_active=True)


def test_an_end_by_the_owner_is_told_with_the_user(heard, browser, user):
    """Of each session that is named."""
    other = Client()
    other.force_login(user)
    handle = other.session.handle
    sign_in(browser, user)
    heard.clear()
    browser.get("/account/devices/")
    token = browser.cookies["csrftoken"].value
    browser.post("/account/devices/revoke/", {"csrfmiddlewaretoken": token, "handle": handle})
    assert heard == [
        ("revoked", {"handle": handle, "user_id": str(user.pk), "reason": Reason.OWNER})
    ]


@pytest.mark.django_db(transaction=True)
def test_what_had_ended_before_is_not_told_again(heard, user, clock):
    """A row that waits to be cleaned up is no session that a new password ends."""
    browser = Client()
    browser.force_login(user)
    clock.advance(days=15)
    browser = Client()
    browser.force_login(user)
    handle = browser.session.handle
    heard.clear()
    user.set_password("another one")
    user.save()
    why = {"user_id": str(user.pk), "reason": Reason.PASSWORD_CHANGED}
    assert heard == [("revoked", {"handle": handle, **why})]


@pytest.mark.django_db(transaction=True)
def test_a_login_too_many_is_told_with_the_session_that_it_ended(heard, user, settings, clock):
    """Whose it was, which, and why; not the one that has just begun."""
    settings.SESSIONSTORE_MAX_PER_USER = 1
    first, second = Client(), Client()
    first.force_login(user)
    handle = first.session.handle
    clock.advance(seconds=1)
    heard.clear()
    second.force_login(user)
    assert [arguments for name, arguments in heard if name == "revoked"] == [
        {"handle": handle, "user_id": str(user.pk), "reason": Reason.LIMIT}
    ]


def test_a_session_past_its_end_is_told_with_its_user(heard, browser, user, clock):
    """The row is still there, so it is known whose it was."""
    sign_in(browser, user)
    handle, ended_at_ms = browser.session.handle, browser.session.expires_at_ms
    heard.clear()
    clock.advance(days=15)
    browser.get("/plain/")
    told = {"handle": handle, "user_id": str(user.pk), "ended_at_ms": ended_at_ms}
    assert heard == [("expired", told)]


@pytest.mark.parametrize("forged", ["0" * 40, "x" * 40, "';DROP TABLE", "0" * 39])
def test_a_forged_cookie_is_told_with_its_client(heard, browser, db, forged):
    """It has no handle: whatever stands there was not made by us."""
    browser.cookies["sessionid"] = forged
    browser.get("/plain/")
    [(name, arguments)] = heard
    assert name == "refused"
    assert (arguments["handle"], arguments["reason"]) == (None, Refusal.FORGED)
    assert arguments["client"].ip == "127.0.0.1"


def test_a_key_of_ours_without_a_row_is_told(heard, browser, db):
    """Somebody may be trying the cookie of a session that was ended; the row had the handle."""
    browser.cookies["sessionid"] = conf.keyring.mint().text
    browser.get("/plain/")
    [(name, arguments)] = heard
    assert name == "refused"
    assert (arguments["handle"], arguments["reason"]) == (None, Refusal.UNKNOWN)
    assert arguments["client"].ip == "127.0.0.1"


def test_a_save_that_comes_after_the_logout_is_told(heard, session):
    """And nothing is resurrected."""
    Session.objects.all().delete()
    heard.clear()
    session["a"] = 2
    with pytest.raises(UpdateError):
        session.save()
    assert heard == [("interrupted", {"handle": session.handle, "user_id": None})]
    assert Session.objects.count() == 0


def test_an_anonymous_visitor_is_no_event(heard, browser, db):
    """No cookie, no signal."""
    browser.get("/plain/")
    assert (heard, key_of(browser)) == ([], "")


def test_what_a_receiver_raises_goes_up(session):
    """A receiver that must know, such as an audit trail, can stop what it cannot record."""

    def refuse(**_):
        raise RuntimeError("the audit trail is full")

    signals.session_cycled.connect(refuse)
    try:
        with pytest.raises(RuntimeError, match="audit trail"):
            session.cycle_key()
    finally:
        signals.session_cycled.disconnect(refuse)


# --- docs/signals.md


def test_the_document_lists_signals_with_their_arguments():
    """Neither a signal nor an argument too few or too many."""
    rows = re.findall(r"^\| `(session_\w+|new_device)` \| (.+?) \|", DOCUMENT, re.MULTILINE)
    assert {name: set(re.findall(r"\w+", words)) for name, words in rows} == ARGUMENTS


def test_the_document_lists_reasons():
    """By the values that a receiver gets."""
    for header, values in (("Reason", Reason), ("Refusal", Refusal)):
        table = DOCUMENT.split(f"| `{header}` |")[1].split("\n\n")[0]
        assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == [str(one) for one in values]


def test_the_example_of_the_document_runs():
    """As it stands there."""
    [source] = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    names: dict = {}
    exec(source, names)  # noqa: S102 - our own document
    assert signals.session_revoked.disconnect(names["tell_the_user"])


def test_the_logging_of_the_document_works(capsys, db):
    """The settings that it names make the records visible."""
    [settings] = re.findall(r"`LOGGING = (\{.*\})`", DOCUMENT)
    logger = logging.getLogger("sessionstore.security")
    before = logger.handlers[:], logger.level
    logging.config.dictConfig({**ast.literal_eval(settings), "disable_existing_loggers": False})
    try:
        SessionStore().create()
        assert "Session created: handle=" in capsys.readouterr().err
    finally:
        logger.handlers = before[0]
        logger.setLevel(before[1])  # forgets, too, what it has found out for each level
