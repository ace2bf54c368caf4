"""What is left of a change that was refused: nothing, whatever the change did and why it ended."""

import contextlib

import pytest
from django.contrib.sessions.backends.base import UpdateError
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from sessionstore.exceptions import SessionNotSerializable, SessionStoreUnavailable
from sessionstore.models import Link
from sessionstore.signals import session_interrupted

pytestmark = pytest.mark.urls(__name__)


class RefusedError(BaseException):
    """What a change raises that is not to be kept."""


def caught(request, change):
    """Go on after a transact that met the end of the session."""
    try:
        request.session.transact(change)
    except UpdateError:
        return HttpResponse("caught")
    return HttpResponse("never")


def catching(request):
    """Meet it by what is stored after the change."""
    return caught(request, ended_meanwhile)


def saving(request):
    """Meet it by a save of the change's own."""
    return caught(request, lambda session: (ended_meanwhile(session), session.save()))


def passing(request):
    """Let the error go up."""
    request.session.transact(ended_meanwhile)


def sign_out(request):
    """End the session."""
    request.session.flush()
    return HttpResponse()


def ended_meanwhile(session):
    """Change a session that another request ends."""
    browser(session.session_key).get("/sign_out/")
    session["b"] = 1


def browser(key):
    """Return a browser that holds a key, and gets error pages."""
    client = Client(raise_request_exception=False)
    client.cookies["sessionid"] = key
    return client


urlpatterns = [path(f"{page.__name__}/", page) for page in (catching, saving, passing, sign_out)]


@pytest.fixture
def loaded(store, saved):
    """The saved session, read by a request."""
    session = store(saved.session_key)
    session.get("a")
    return session


def refused(session, change):
    """Let a change do its work and refuse it."""

    def refuse(session):
        change(session)
        raise RefusedError

    with pytest.raises(RefusedError):
        session.transact(refuse)


def taken_back(session, write):
    """Write in a block that is rolled back, and go on."""
    session["a"] = 2
    with contextlib.suppress(LookupError), transaction.atomic(using=session.table.alias):
        write()
        raise LookupError


def saved_and_taken_back(session):
    """By a save."""
    taken_back(session, session.save)


def keyed_and_taken_back(session):
    """By a change of the key."""
    taken_back(session, session.cycle_key)


CHANGES = [
    lambda session: session.update({"a": 2}),
    saved_and_taken_back,
    lambda session: session.mark_authenticated("password"),
    lambda session: session.link("https://issuer.example", "sid"),
    lambda session: session.transact(lambda inner: inner.update({"a": 2})),
]
NAMES = ["data", "a rollback", "a proof", "a link", "a change within"]


@pytest.mark.parametrize("change", CHANGES, ids=NAMES)
def test_nothing_of_it_is_saved_later(store, loaded, change):
    """Neither data nor what else a save writes."""
    before = loaded.table.fetch(loaded._known.key.digest, 0)
    refused(loaded, change)
    loaded["b"] = 1
    loaded.save()
    assert store(loaded.session_key).load() == {"a": 1, "b": 1}
    after = loaded.table.fetch(loaded._known.key.digest, 0)
    assert after.authenticated_at == before.authenticated_at
    assert (loaded.proofs, loaded.may_bind) == ((), False)
    assert not Link.objects.using(loaded.table.alias).exists()


def test_nothing_of_one_that_others_kept_overtaking_is_saved_later(store, loaded):
    """The third time it runs under a lock, whose transaction goes with it."""
    runs = []

    def overtaken(session):
        runs.append(1)
        if len(runs) < 3:
            other = store(session.session_key)
            other["b"] = len(runs)
            other.save()
            session["a"] = 2
            return
        saved_and_taken_back(session)
        session.save()
        raise RefusedError

    with pytest.raises(RefusedError):
        loaded.transact(overtaken)
    loaded.save()
    assert store(loaded.session_key).load() == {"a": 1, "b": 2}


@pytest.mark.parametrize("change", [saved_and_taken_back, keyed_and_taken_back])
def test_a_change_whose_own_block_is_taken_back_is_stored(store, loaded, change):
    """It conflicts with nobody: what it had written there never was."""
    runs = []
    loaded.transact(lambda session: (runs.append(1), change(session)))
    assert len(runs) == 1
    assert store(loaded.session_key).load() == {"a": 2}


def test_what_a_change_within_has_done_is_the_outer_ones(store, loaded):
    """Who catches what it raises goes on with what it has done: it is one change."""

    def outer(session):
        with pytest.raises(RefusedError):
            session.transact(within)

    def within(session):
        session["inner"] = True
        raise RefusedError

    loaded.transact(outer)
    assert store(loaded.session_key).load() == {"a": 1, "inner": True}


def test_what_waited_before_it_still_waits(loaded):
    """A link whose save was rolled back with the block in which the change was refused."""
    with contextlib.suppress(LookupError), transaction.atomic(using=loaded.table.alias):
        loaded.link("https://issuer.example", "sid")
        refused(loaded, lambda session: session.update({"a": 2}))
        raise LookupError
    loaded["b"] = 1
    loaded.save()
    assert Link.objects.using(loaded.table.alias).count() == 1


def test_a_session_that_a_refused_change_has_flushed_leaves_its_links(loaded):
    """What begins after it is another session, perhaps of somebody else."""
    loaded.link("https://issuer.example", "sid")
    refused(loaded, lambda session: session.flush())
    loaded["b"] = 1
    loaded.save()
    assert not Link.objects.using(loaded.table.alias).filter(session_id=loaded.row_id).exists()


def test_a_link_of_a_change_is_stored_with_it_once(store, loaded):
    """Also when the change is run twice."""
    runs = []

    def change(session):
        runs.append(1)
        session.link(f"https://{len(runs)}.example", "sid")
        if len(runs) == 1:
            other = store(session.session_key)
            other["b"] = 1
            other.save()
        session["a"] = 2

    loaded.transact(change)
    links = Link.objects.using(loaded.table.alias)
    assert [link.issuer for link in links] == ["https://2.example"]


def test_a_change_that_declines_is_dropped_all_the_same(store, loaded):
    """`modified = False` in it makes nothing of it the base of later saves."""

    def change(session):
        session["a"] = 2
        session.modified = False

    refused(loaded, change)
    loaded["b"] = 1
    loaded.save()
    assert store(loaded.session_key).load() == {"a": 1, "b": 1}


def test_data_that_cannot_be_written_are_dropped(store, loaded):
    """The save after it is not refused too."""
    with pytest.raises(SessionNotSerializable):
        loaded.transact(lambda session: session.update({"a": object()}))
    loaded.save()
    assert store(loaded.session_key).load() == {"a": 1}


def test_a_session_that_no_longer_slides_does_not_slide_by_it(clock, loaded):
    """`modified = False` stays said."""
    loaded.modified = False
    before = loaded._known.row.last_seen_at
    refused(loaded, lambda session: session.update({"a": 2}))
    clock.advance(hours=1)
    loaded.save()
    assert loaded._known.row.last_seen_at == before


def test_a_failed_reload_in_it_is_the_error_that_is_told(loaded, monkeypatch):
    """And whoever goes on writes nothing over what could not be read."""

    def fails(*_, **__):
        raise SessionStoreUnavailable

    def change(session):
        monkeypatch.setattr(type(session.table), "fetch", fails)
        session.reload()

    with pytest.raises(SessionStoreUnavailable):
        loaded.transact(change)
    with pytest.raises(SessionStoreUnavailable):
        loaded.save()


def test_what_befalls_another_session_in_it_is_no_end_of_this_one(store, loaded):
    """An UpdateError that the change itself raises says nothing of its session."""
    other = store()
    other["c"] = 1
    other.save()
    late = store(other.session_key)
    late["c"] = 2
    other.delete()
    with pytest.raises(UpdateError):
        loaded.transact(lambda _: late.save())
    loaded["b"] = 1
    loaded.save()
    assert store(loaded.session_key).load() == {"a": 1, "b": 1}


@pytest.mark.parametrize(("page", "times"), [("catching", 1), ("passing", 1), ("saving", 2)])
def test_an_end_that_it_meets_is_told(saved, page, times):
    """By a 400 and the signal, for each save: also where the view goes on."""
    told = []

    def note(**named):
        told.append(named)

    session_interrupted.connect(note)
    try:
        response = browser(saved.session_key).get(f"/{page}/")
    finally:
        session_interrupted.disconnect(note)
    assert (response.status_code, len(told)) == (400, times)
