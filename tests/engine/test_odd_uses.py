"""Odd but legal uses of a session, by other apps and by views that change their mind."""

import copy
import pickle
import uuid
from functools import partial

import pytest
from asgiref.sync import async_to_sync
from django.contrib.sessions.backends.base import UpdateError
from django.db import transaction
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.urls import path

from sessionstore.core import journal
from sessionstore.core.record import Client as Device
from sessionstore.exceptions import SessionStoreError
from sessionstore.models import Session
from tests.harness.statements import record_statements

pytestmark = pytest.mark.urls(__name__)


class TakenBackError(Exception):
    """Rolls a transaction back."""


def _other_request_changes_the_key(request):
    session = type(request.session)(request.COOKIES["sessionid"])
    session.cycle_key()


def overtaken(request):
    """A view during which another request of the same browser signs in."""
    request.session.get("a")
    _other_request_changes_the_key(request)
    return HttpResponse("late")


async def clear_async(request):
    request.session.clear()
    return HttpResponse("cleared")


def cycle_in_a_rolled_back_block(request):
    try:
        with transaction.atomic(using=request.session.table.alias):
            request.session["b"] = 2
            request.session.cycle_key()
            raise TakenBackError
    except TakenBackError:
        return HttpResponse("went on")


def without_session(request):
    del request.session
    return HttpResponse("none")


urlpatterns = [
    path("overtaken", overtaken),
    path("clear-async", clear_async),
    path("cycle-in-a-rolled-back-block", cycle_in_a_rolled_back_block),
    path("without-session", without_session),
]


@pytest.fixture
def browser(saved):
    browser = Client()
    browser.cookies["sessionid"] = saved.session_key
    return browser


# --- late answers


def test_a_late_answer_sends_no_key_that_is_gone(browser, settings, clock):
    """It would wipe the cookie of the login that has just happened."""
    settings.SESSION_SAVE_EVERY_REQUEST = True
    assert "sessionid" not in browser.get("/overtaken").cookies


def test_a_late_answer_with_a_touch_sends_no_key_that_is_gone(browser, settings, clock):
    """A touch that finds no row is no error, and no reason to send its key."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = 3600
    clock.advance(minutes=10)
    assert "sessionid" not in browser.get("/overtaken").cookies


# --- rollbacks


def _rolled_back(session, change):
    with transaction.atomic(using=session.table.alias):
        change()
        transaction.set_rollback(True, using=session.table.alias)


def test_a_save_that_was_rolled_back_is_made_up_for(store, saved):
    """As with Django's engine, whose middleware saves a changed session in any case."""
    session = store(saved.session_key)
    session["b"] = 2
    _rolled_back(session, session.save)
    session.save()
    assert store(saved.session_key).load() == {"a": 1, "b": 2}


def test_a_change_after_a_rolled_back_save_loses_nothing(store, saved):
    """Neither what was rolled back, nor what came after."""
    session = store(saved.session_key)
    session["b"] = 2
    _rolled_back(session, session.save)
    session["c"] = 3
    session.save()
    assert store(saved.session_key).load() == {"a": 1, "b": 2, "c": 3}


def test_a_new_session_that_was_rolled_back_is_stored_later(store, database):
    """Under the key that the view has seen."""
    session = store()
    session["a"] = 1
    _rolled_back(session, session.save)
    session.save()
    assert store(session.session_key).load() == {"a": 1}


def test_a_new_key_that_was_rolled_back_becomes_valid_at_the_save(store, saved):
    """And the old one ends with it."""
    session = store(saved.session_key)
    _rolled_back(session, session.cycle_key)
    session.save()
    assert store(session.session_key).load() == {"a": 1}
    assert not store().exists(saved.session_key)


def test_a_browser_gets_a_key_that_works_after_a_rolled_back_block(browser, store):
    """No key goes out that no row has."""
    response = browser.get("/cycle-in-a-rolled-back-block")
    assert store(browser.cookies["sessionid"].value).load() == {"a": 1, "b": 2}
    assert response.status_code == 200


def test_a_rolled_back_save_resurrects_no_session(store, saved):
    """Logout stays final."""
    session = store(saved.session_key)
    session["b"] = 2
    _rolled_back(session, session.save)
    store(saved.session_key).flush()
    with pytest.raises(UpdateError):
        session.save()


def test_a_committed_save_is_not_repeated(store, saved):
    """Nor looked after: Django has told of the commit."""
    session = store(saved.session_key)
    session["b"] = 2
    with transaction.atomic(using=session.table.alias):
        session.save()
    with record_statements() as seen:
        session.save()
    assert seen.about("sessionstore_session") == []


# --- keys and data put in by others


def test_a_key_put_in_after_loading_changes_no_key(store, saved, signed_in):
    """The session of the other key gets the data, and its own key stays valid."""
    session = store(saved.session_key)
    session["b"] = 2
    session._session_key = signed_in.session_key
    session.save()
    assert store(saved.session_key).load() == {"a": 1}
    assert store(signed_in.session_key).load() == {"a": 1, "b": 2}


def test_a_new_key_for_data_that_were_put_in_ends_the_old_key(store, saved):
    """Never two valid keys, also for a session that was not loaded."""
    session = store(saved.session_key)
    session._session_cache = {"b": 2}
    session.cycle_key()
    session.save()
    assert not store().exists(saved.session_key)
    assert store(session.session_key).load() == {"b": 2}


def test_clear_works_in_an_async_view(engine, browser, store, saved):
    """Where nothing can be loaded, as in Django's engine."""

    async def answer():
        client = AsyncClient()
        client.cookies["sessionid"] = saved.session_key
        return await client.get("/clear-async")

    assert async_to_sync(answer)().status_code == 200
    assert store(saved.session_key).load() == {}


def test_a_given_expiry_is_answered_without_loading(store, saved):
    """Django promises it."""
    with record_statements() as seen:
        assert store(saved.session_key).get_expiry_age(expiry=5) == 5
    assert not seen.about("sessionstore_session")


def _pickled(session):
    return pickle.loads(pickle.dumps(session))  # noqa: S301 - our own bytes


@pytest.mark.parametrize("copied", [copy.deepcopy, _pickled])
def test_a_copy_of_a_session_can_be_saved(store, saved, copied):
    """Its sentinels are the same in the copy."""
    session = copied(saved)
    session["b"] = 2
    session.save()
    assert store(saved.session_key).load() == {"a": 1, "b": 2}


def test_a_flush_forgets_the_stamp_of_a_login(store, saved):
    """The next session in this request has proved nothing."""
    saved.mark_authenticated()
    saved.flush()
    saved["b"] = 2
    saved.save()
    assert saved.authenticated_at_ms is None


def test_modified_false_also_declines_a_client_that_moved(store, signed_in, clock):
    """It means: save nothing of this."""
    clock.advance(hours=1)
    session = store(signed_in.session_key)
    session.client = Device(ip="10.0.0.1")
    session.get("a")
    session.modified = False
    assert not session.modified


def test_a_view_that_drops_the_session_is_served(browser):
    """As under Django's middleware."""
    assert browser.get("/without-session").status_code == 200


# --- merges


def test_a_tuple_is_no_change_once_it_is_stored_as_a_list(store, database):
    """What the serializer made of a value is what a merge compares."""
    ours = store()
    ours["pair"] = (1, 2)
    ours["counts"] = {5: 1}
    ours.save()
    theirs = store(ours.session_key)
    theirs["pair"] = [3, 4]
    theirs["counts"]["5"] = 2
    theirs.save()
    ours["b"] = 2
    ours.save()
    assert store(ours.session_key).load() == {"pair": [3, 4], "counts": {"5": 2}, "b": 2}


# --- transact


def _increment(session):
    session["n"] = session.get("n", 0) + 1


def test_a_transact_inside_a_transact_is_part_of_it(store, saved):
    """Both count once."""
    saved.transact(lambda session: (session.transact(_increment), _increment(session)))
    assert store(saved.session_key)["n"] == 2


def test_a_change_that_saves_is_run_once(store, saved):
    """It does not conflict with itself."""
    runs = []

    def change(session):
        runs.append(1)
        _increment(session)
        session.save()
        session["after"] = 1

    saved.transact(change)
    assert store(saved.session_key).load() == {"a": 1, "n": 1, "after": 1}
    assert len(runs) == 1


# --- limits


def test_a_user_id_that_does_not_fit_is_an_error(store, database):
    """Never cut to a shorter one, which is another user."""
    session = store()
    session["_auth_user_id"] = "7" * 256
    with pytest.raises(SessionStoreError, match="255"):
        session.save()
    assert session.session_key is None


def test_a_broken_transaction_is_no_failed_load(store, saved):
    """After its rollback the session is read."""
    session = store(saved.session_key)
    with transaction.atomic(using=session.table.alias):
        transaction.set_rollback(True, using=session.table.alias)
        with pytest.raises(transaction.TransactionManagementError):
            session.get("a")
    assert session["a"] == 1


def test_flush_without_autocommit(rf, store, saved):
    """Who manages transactions by hand may sign out."""
    alias = saved.table.alias
    request = rf.get("/")
    journal.begin(request)
    transaction.set_autocommit(False, using=alias)
    try:
        store(saved.session_key).flush()
        transaction.commit(using=alias)
    finally:
        transaction.set_autocommit(True, using=alias)
        journal.end()
    assert not store().exists(saved.session_key)


# --- what does nothing says so


@pytest.mark.parametrize("ask", ["open", "exists", "delete", "by_key"])
@pytest.mark.parametrize("name", ["id", "digest", "uuid", "number", "row"])
def test_what_is_no_key_is_an_error_that_names_the_ways(store, saved, ask, name):
    """A row's id opens nothing: neither another session without a word, nor none."""
    row = Session.objects.using(saved.table.alias).get()
    values = {"id": row.pk, "digest": row.digest, "uuid": uuid.uuid4(), "number": 7, "row": row}
    questions = {"open": store, "by_key": Session.objects.by_key}
    question = questions.get(ask) or getattr(store(), ask)
    with pytest.raises(TypeError, match=rf"not {type(values[name]).__name__}.*by_handle"):
        question(values[name])
    assert store(saved.session_key)["a"] == 1


@pytest.mark.parametrize("text", [None, "", "x", "\x00", "\ud800" * 40, "a" * 40, "z" * 10_000])
def test_whatever_a_cookie_holds_is_no_error(store, saved, text):
    """Other apps hand on what the browser sends; so is a handle, which could be a cookie too."""
    for one in (text, saved.handle):
        session = store(one)
        assert (dict(session.items()), session.exists(one)) == ({}, False)
        session.delete(one)
    assert store(saved.session_key)["a"] == 1


async def never(session):
    """What nobody awaits."""
    session["b"] = 2


async def never_ends(session):
    """The same with a yield."""
    session["b"] = 2
    yield


@pytest.mark.parametrize("change", [never, never_ends, partial(never)])
@pytest.mark.parametrize("nested", [False, True])
def test_a_change_that_would_have_to_be_awaited_is_refused(store, saved, change, nested):
    """It would do nothing, without a word; nothing of it is stored."""
    session = store(saved.session_key)
    calls = [session.transact, async_to_sync(session.atransact)]
    for call in calls:
        with pytest.raises(TypeError, match=r"ordinary function.*await"):
            call((lambda session: session.transact(change)) if nested else change)
    assert dict(store(saved.session_key).items()) == {"a": 1}
