"""Concurrent requests never lose each other's changes. Real threads, real connections."""

import threading
from functools import partial

import pytest
from django.contrib.sessions.backends.base import UpdateError

from sessionstore.signals import session_merged
from tests.harness.threads import run_together

REQUESTS = 50


def errors(outcomes):
    return [outcome for outcome in outcomes if isinstance(outcome, BaseException)]


def test_fifty_requests_keep_fifty_changes(store, saved):
    """Each sets another key; Django's engine keeps one of fifty (D10)."""

    def request(number):
        session = store(saved.session_key)
        session[f"key{number}"] = number
        session.save()

    assert errors(run_together([partial(request, number) for number in range(REQUESTS)])) == []
    data = store(saved.session_key).load()
    assert [data.get(f"key{number}") for number in range(REQUESTS)] == list(range(REQUESTS))


def test_fifty_requests_keep_fifty_lines_of_one_cart(store, saved):
    """The changes are inside one dict under one key."""
    saved["cart"] = {"lines": {}}
    saved.save()

    def request(number):
        session = store(saved.session_key)
        session["cart"]["lines"][str(number)] = 1
        session.save()

    assert errors(run_together([partial(request, number) for number in range(REQUESTS)])) == []
    assert len(store(saved.session_key)["cart"]["lines"]) == REQUESTS


def test_fifty_increments_make_fifty(store, saved):
    """A read-modify-write of one value, through transact()."""

    def add_one(session):
        session["counter"] = session.get("counter", 0) + 1
        return session["counter"]

    def request():
        return store(saved.session_key).transact(add_one)

    outcomes = run_together([request] * REQUESTS)
    assert errors(outcomes) == []
    assert sorted(outcomes) == list(range(1, REQUESTS + 1))
    assert store(saved.session_key)["counter"] == REQUESTS


def test_a_logout_among_fifty_writers_is_final(store, signed_in):
    """Whoever comes late is told; nobody brings the session back."""
    gone = threading.Event()
    sessions = [store(signed_in.session_key) for _ in range(30)]
    for number, session in enumerate(sessions):
        session[f"key{number}"] = number

    def save_after_it(session):
        assert gone.wait(60)
        session.save()

    def log_out():
        store(signed_in.session_key).flush()
        gone.set()

    early, late = sessions[:15], sessions[15:]
    writers = [*(one.save for one in early), *(partial(save_after_it, one) for one in late)]
    *outcomes, _ = run_together([*writers, log_out])
    assert [isinstance(one, UpdateError | None) for one in outcomes[:15]] == [True] * 15
    assert [isinstance(one, UpdateError) for one in outcomes[15:]] == [True] * 15
    assert not store().exists(signed_in.session_key)
    assert store.get_model_class().objects.using(signed_in.table.alias).count() == 0


def test_a_logout_that_races_with_a_new_key_is_final(store, database):
    """The key changes under the logout's hands; the stock engine loses a third of these."""
    for _ in range(20):
        session = store()
        session.update({"_auth_user_id": "7"})
        session.save()
        other, third = store(session.session_key), store(session.session_key)
        assert other["_auth_user_id"] == third["_auth_user_id"]
        new_key, logout = run_together([other.cycle_key, third.flush])
        assert (isinstance(new_key, UpdateError | None), logout) == (True, None)
        assert store.get_model_class().objects.using(database).count() == 0


def test_two_changes_of_one_value_are_told(store, saved):
    """Ours is kept, and the signal names the path that somebody else lost."""
    told = []

    def receiver(sender, handle, user_id, conflicts, **_):
        told.append((handle, user_id, conflicts))

    ours, theirs = store(saved.session_key), store(saved.session_key)
    ours["a"], theirs["a"] = 2, 3
    theirs.save()
    session_merged.connect(receiver)
    try:
        ours.save()
    finally:
        session_merged.disconnect(receiver)
    assert told == [(saved.handle, None, (("a",),))]
    assert store(saved.session_key)["a"] == 2


def test_a_new_key_keeps_the_other_requests_change(store, saved):
    """cycle_key() merges like a save."""
    ours, theirs = store(saved.session_key), store(saved.session_key)
    ours["ours"] = 1
    theirs["theirs"] = 1
    theirs.save()
    ours.cycle_key()
    assert store(ours.session_key).load() == {"a": 1, "ours": 1, "theirs": 1}
    assert store(saved.session_key).load() == {}


def test_transact_runs_again_on_fresh_data(store, saved):
    """And saves what was waiting before it."""
    session = store(saved.session_key)
    session["waiting"] = True
    calls = []

    def change(session):
        calls.append(session.get("a"))
        if len(calls) == 1:
            other = store(saved.session_key)
            other["a"] = 10
            other.save()
        session["a"] += 1
        return session["a"]

    assert session.transact(change) == 11
    assert calls == [1, 10]
    assert store(saved.session_key).load() == {"a": 11, "waiting": True}


def test_transact_drops_the_changes_of_a_failed_change(store, saved):
    """What it raises goes up, and a later save stores nothing of it."""
    session = store(saved.session_key)

    def change(session):
        session["half"] = "done"
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        session.transact(change)
    session.save()
    assert store(saved.session_key).load() == {"a": 1}


def test_transact_on_a_session_that_is_gone(store, saved):
    """A logout is final here too."""
    session = store(saved.session_key)
    session.load()
    session.get("a")
    saved.delete()
    with pytest.raises(UpdateError):
        session.transact(lambda session: session.update({"a": 2}))


def test_a_first_transact_creates_the_session(store, database):
    """A visitor without a session can have a counter too."""
    session = store()
    assert session.transact(lambda session: session.setdefault("counter", 1)) == 1
    assert store(session.session_key)["counter"] == 1
