"""Sessions from code outside a request: by a handle, and those of a user."""

from functools import partial

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import transaction

from sessionstore.core import journal
from sessionstore.exceptions import KeyNeeded, NoSuchSession, WrongSetting
from sessionstore.models import Session
from sessionstore.signals import Reason, session_created, session_merged, session_revoked
from sessionstore.users import end_session, end_sessions_of, sessions_of
from tests.harness.statements import record_statements

LOGIN = {"_auth_user_id": "7", "_auth_user_backend": "b", "_auth_user_hash": "h"}


def add(name, session):
    session[name] = session.get(name, 0) + 1
    return session[name]


def sign_in(store, user_id="7", **data):
    session = store()
    session.update({**LOGIN, "_auth_user_id": user_id, **data})
    session.save()
    return session


@pytest.fixture
def told():
    """What ``session_revoked`` tells."""
    seen = []

    def note(sender, handle, user_id, reason, **_):
        seen.append((sender.__module__, handle, user_id, reason))

    session_revoked.connect(note)
    yield seen
    session_revoked.disconnect(note)


def test_a_change_by_handle_is_seen_by_the_browser(saved, store, database):
    """Its next request holds it, on every engine: a cache in front is told."""
    assert store(saved.session_key)["a"] == 1
    assert store.by_handle(saved.handle).transact(partial(add, "a")) == 2
    assert store(saved.session_key)["a"] == 2


def test_a_change_by_handle_awaits_too(saved, store, database):
    """The same in one hop to a thread each."""

    async def job():
        session = await store.aby_handle(saved.known_handle)
        return await session.atransact(partial(add, "a"))

    assert async_to_sync(job)() == 2


def test_a_change_by_handle_takes_two_statements(saved, store, database):
    """One to read, one to write; nothing to look for a key."""
    handle = saved.handle
    with record_statements() as seen:
        store.by_handle(handle).transact(partial(add, "a"))
    assert len(seen.about("sessionstore_session")) == 2


def test_a_change_by_handle_meets_a_login(signed_in, store, database):
    """The key is changed while it runs: it runs once more, and the browser stays signed in."""
    browser = store(signed_in.session_key)

    def change(session):
        if not browser.has_new_key:
            browser.cycle_key()
        return add("n", session)

    store.by_handle(signed_in.handle).transact(change)
    assert store(browser.session_key)["n"] == 1


def test_a_change_by_handle_keeps_what_a_request_writes(saved, store, database):
    """Both changes are kept, and the signal names the engine."""
    senders = []
    note = lambda sender, **_: senders.append(sender)  # noqa: E731 - kept alive by its name
    session_merged.connect(note)
    named, browser = store.by_handle(saved.handle), store(saved.session_key)
    browser["b"] = 2
    browser.save()
    named["c"] = 3
    named.save()
    session_merged.disconnect(note)
    assert dict(store(saved.session_key).items()) == {"a": 1, "b": 2, "c": 3}
    assert senders == [store]


def test_a_change_by_handle_keeps_nobody_signed_in(saved, store, database, clock, settings):
    """A job is no use of the session: with an idle timeout it ends when its user was away."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = 600
    saved.reload()
    saved.touch()
    clock.advance(minutes=9)
    store.by_handle(saved.handle).transact(partial(add, "a"))
    clock.advance(minutes=2)
    assert store(saved.session_key).get("a") is None


def test_a_session_by_handle_has_no_key(saved, store, database):
    """It sends none, it is given none, and no second row is made of it."""
    session = store.by_handle(saved.handle)
    assert (session.session_key, session.handle) == (None, saved.handle)
    for call in (session.cycle_key, session.create):
        with pytest.raises(KeyNeeded, match=saved.handle):
            call()
    session.reload()
    assert session["a"] == 1
    assert Session.objects.using(database).count() == 1


def test_a_session_by_handle_that_has_ended_is_an_error(saved, store, database):
    """Before and after it was got, and it never comes back."""
    session, handle = store.by_handle(saved.handle), saved.handle
    saved.flush()
    session["b"] = 2
    for call in (
        session.save,
        partial(session.save, must_create=True),
        partial(session.transact, partial(add, "a")),
        partial(store.by_handle, handle),
        partial(store.by_handle, "no handle"),
    ):
        with pytest.raises(NoSuchSession):
            call()
    assert not Session.objects.using(database).exists()


def test_an_expired_session_is_none_by_handle(saved, store, database, clock):
    """Also one that only a timeout of today's has ended."""
    handle = saved.handle
    clock.advance(days=15)
    with pytest.raises(NoSuchSession, match="has ended"):
        store.by_handle(handle)


def test_flush_by_handle_ends_the_session(saved, store, database, told):
    """For the browser too; the journal of the request that does it keeps its own cookie."""
    session = store.by_handle(saved.handle)
    session.flush()
    assert store(saved.session_key).get("a") is None
    assert told == [(store.__module__, saved.known_handle, None, Reason.DELETED)]


@pytest.mark.only_on("sqlite")
def test_a_session_by_handle_is_not_the_one_at_work(saved, store, database):
    """Or a job that reads it and sets a password would leave it signed in."""
    journal.forget_loaded()
    kept = store.by_handle(saved.handle)
    assert journal.session_at_work() is None
    assert kept["a"] == 1


@pytest.mark.only_on("sqlite")
def test_what_is_encrypted_is_left_alone_by_handle(signed_in, store, database, settings):
    """Neither read nor written over: the error says so, and that it can be ended."""
    settings.SESSIONSTORE_ENCRYPT = True
    session = store(signed_in.session_key)
    with pytest.raises(KeyNeeded, match=r"SESSIONSTORE_ENCRYPT.*end_session"):
        store.by_handle(session.handle)
    session["a"] = 1
    session.save()
    settings.SESSIONSTORE_ENCRYPT = False
    with pytest.raises(KeyNeeded):
        store.by_handle(session.handle)
    assert store(signed_in.session_key)["a"] == 1
    assert end_session(session.handle)


@pytest.mark.only_on("sqlite")
def test_what_is_encrypted_while_a_change_runs_is_left_alone(signed_in, store, database, settings):
    """As when servers are given the setting one after the other."""
    session = store.by_handle(signed_in.handle)

    def change(session):
        settings.SESSIONSTORE_ENCRYPT = True
        browser = store(signed_in.session_key)
        browser["b"] = 2
        browser.save()
        settings.SESSIONSTORE_ENCRYPT = False
        return add("a", session)

    with pytest.raises(KeyNeeded):
        session.transact(change)
    assert store(signed_in.session_key)["b"] == 2


@pytest.mark.only_on("sqlite")
def test_what_was_imported_waits_for_its_browser(saved, store, database):
    """A write would make its old cookie too old to open it."""
    Session.objects.using(database).update(version=0)
    caches["default"].clear()
    with pytest.raises(KeyNeeded, match="imported"):
        store.by_handle(saved.handle)


@pytest.mark.only_on("sqlite")
def test_a_bound_device_keeps_no_code_out(signed_in, store, database, settings, clock):
    """That is for other browsers."""
    settings.SESSIONSTORE_BIND_DEVICE = True
    Session.objects.using(database).update(bound_at=1, device_key=b"4" * 65)
    caches["default"].clear()
    store.by_handle(signed_in.handle).transact(partial(add, "a"))
    assert Session.objects.using(database).get().get_decoded()["a"] == 1


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_change_by_handle_is_a_part_of_the_callers_block(saved, store, database, is_kept):
    """Rolled back with it; afterwards the same object goes on with what is stored."""
    session = store.by_handle(saved.handle)
    with transaction.atomic(using=database):
        session.transact(partial(add, "a"))
        transaction.set_rollback(not is_kept, using=database)
    assert store(saved.session_key)["a"] == (2 if is_kept else 1)
    assert session.transact(partial(add, "b")) == 1
    assert store(saved.session_key)["b"] == 1


def test_the_sessions_of_a_user_in_words(store, database):
    """One query, whoever else is signed in; by an instance or a key of any type."""
    User.objects.create(pk=7, username="ann")
    own = {sign_in(store).handle for _ in range(3)}
    sign_in(store, "8")
    with record_statements() as seen:
        found = sessions_of(7)
    assert ({one.handle for one in found}, len(seen.about("sessionstore_session"))) == (own, 1)
    assert sessions_of(User(pk=7)) == sessions_of("7")


def test_one_session_ends_from_code(store, database, told):
    """By its handle, with the reason that the caller gives; a second time there is none."""
    session = sign_in(store)
    assert store(session.session_key)["_auth_user_id"] == "7"
    assert end_session(session.handle, reason=Reason.ADMIN)
    assert store(session.session_key).get("_auth_user_id") is None
    assert not end_session(session.handle)
    assert told == [(store.__module__, session.handle, "7", Reason.ADMIN)]


def test_all_sessions_of_a_user_end_but_one(store, database, told):
    """And then all; those of others stay."""
    kept, other = sign_in(store), sign_in(store, "8")
    ended = [sign_in(store) for _ in range(2)]
    assert end_sessions_of("7", but=kept.handle) == 2
    assert [one.handle for one in sessions_of("7")] == [kept.handle]
    assert {handle for _, handle, *_ in told} == {one.handle for one in ended}
    assert end_sessions_of("7") == 1
    assert [one.handle for one in sessions_of("8")] == [other.handle]


def test_no_session_ends_when_the_kept_one_is_unknown(store, database):
    """Another user's, an ended one, a typing mistake: the caller meant something else."""
    sign_in(store)
    other = sign_in(store, "8")
    for handle in (other.handle, "typo"):
        with pytest.raises(NoSuchSession, match=handle):
            end_sessions_of("7", but=handle)
    assert len(sessions_of("7")) == 1


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    "path", ["sessionstore.backends.leaving", "django.contrib.sessions.backends.db"]
)
def test_another_engine_is_an_error_and_not_nobody(database, settings, path):
    """An empty answer would be taken for "signed in nowhere"."""
    settings.SESSION_ENGINE = path
    for call in (sessions_of, end_sessions_of, end_session):
        with pytest.raises(WrongSetting, match=path):
            call("7")


@pytest.mark.only_on("sqlite")
def test_nothing_is_created_from_code(saved, store, database):
    """Nor is a row after a flush by handle."""
    made = []
    note = lambda **_: made.append(1)  # noqa: E731 - kept alive by its name
    session_created.connect(note)
    session = store.by_handle(saved.handle)
    session.flush()
    session["b"] = 2
    with pytest.raises(NoSuchSession):
        session.save()
    session_created.disconnect(note)
    assert made == []
