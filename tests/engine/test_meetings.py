"""Where two requests of one session meet, and where a request meets its own rollbacks and ends.

Each test is a program that once lost a change, brought an ended session back, or told somebody of
an end that was none. All run with signed and with encrypted data.
"""

import contextlib
import logging

import pytest
from django.conf import settings as django_settings
from django.contrib import auth
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.db import transaction
from django.http import HttpResponse, JsonResponse
from django.test import Client
from django.urls import include, path

from sessionstore import signals
from tests.harness.statements import record_statements
from tests.harness.threads import run_together

pytestmark = pytest.mark.urls(__name__)

BACKEND = "django.contrib.auth.backends.ModelBackend"
PASSWORD = "correct horse"
USER = {"_auth_user_id": "7", "_auth_user_backend": "b", "_auth_user_hash": "h"}


class TakenBackError(Exception):
    """Rolls a transaction back."""


# --- a site whose requests meet in the middle of a view


def browser(key=None):
    """Return a browser that holds a key, and gets error pages."""
    client = Client(raise_request_exception=False)
    if key is not None:
        client.cookies["sessionid"] = key
    return client


def key_of(client):
    """Return the key that a browser holds."""
    cookie = client.cookies.get("sessionid")
    return cookie.value or None if cookie else None


def user_of(key):
    """Return who is signed in for whoever sends this key."""
    return browser(key).get("/read/").json()["user"]


def meet(request):
    """Let the other request, which the address names, be served in the middle of this one."""
    if "load" in request.GET:
        request.session.get("a")
    if "meanwhile" in request.GET:
        other = browser(request.COOKIES["sessionid"])
        (response,) = run_together([lambda: other.get(request.GET["meanwhile"])])
        assert response.status_code == 200, response


def read(request):
    meet(request)
    return JsonResponse({"user": request.session.get("_auth_user_id")})


def write(request, name):
    meet(request)
    request.session[name] = 1
    return HttpResponse()


def save_early(request):
    request.session["early"] = 1
    request.session.save()
    meet(request)
    return HttpResponse()


def sign_in(request):
    meet(request)
    auth.login(request, User.objects.get(), BACKEND)
    return HttpResponse(request.session.session_key)


def sign_out(request):
    meet(request)
    request.session.flush()
    return HttpResponse()


def _set_and_save(session, name, *, fails):
    session[name] = 1
    session.save()
    if fails:
        raise TakenBackError


def twice(request):
    """Call one function of a transaction twice; the first call is rolled back."""
    step = transaction.atomic(using=django_settings.SESSIONSTORE_DATABASE)(_set_and_save)
    with contextlib.suppress(TakenBackError):
        step(request.session, "first", fails=True)
    step(request.session, "second", fails=False)
    return HttpResponse()


def outer_rolled_back(request):
    """Save in an inner and in an outer block, and answer well though the outer is rolled back."""
    with transaction.atomic(using=django_settings.SESSIONSTORE_DATABASE):
        with transaction.atomic(using=django_settings.SESSIONSTORE_DATABASE):
            _set_and_save(request.session, "first", fails=False)
        request.session.save()
        transaction.set_rollback(True, using=django_settings.SESSIONSTORE_DATABASE)
    return HttpResponse()


def deleted_in_a_block(request):
    """Store a new session and end it, in a block that is rolled back."""
    with transaction.atomic(using=django_settings.SESSIONSTORE_DATABASE):
        _set_and_save(request.session, "first", fails=False)
        request.session.delete()
        transaction.set_rollback(True, using=django_settings.SESSIONSTORE_DATABASE)
    return HttpResponse()


def ended_twice(request):
    """End the session in a block that is rolled back, and once more; tell how many rows there are.

    `unread` leaves it unread, and changes its key twice instead.
    """
    if "unread" not in request.GET:
        request.session.get("a")
    with transaction.atomic(using=django_settings.SESSIONSTORE_DATABASE):
        request.session.delete()
        transaction.set_rollback(True, using=django_settings.SESSIONSTORE_DATABASE)
    if "unread" in request.GET:
        request.session.cycle_key()
        request.session.cycle_key()
    else:
        request.session.delete()
    rows = type(request.session).get_model_class().objects
    return HttpResponse(rows.using(django_settings.SESSIONSTORE_DATABASE).count())


urlpatterns = [
    path("read/", read),
    path("write/<name>/", write),
    path("save-early/", save_early),
    path("sign-in/", sign_in),
    path("sign-out/", sign_out),
    path("twice/", twice),
    path("outer-rolled-back/", outer_rolled_back),
    path("deleted-in-a-block/", deleted_in_a_block),
    path("ended-twice/", ended_twice),
    path("account/", include("sessionstore.urls")),
]


# --- what the tests share


@pytest.fixture(autouse=True, params=[False, True], ids=["signed", "encrypted"])
def encrypted(request, settings):
    """Whether the data are encrypted under the cookie's own bytes."""
    settings.SESSIONSTORE_ENCRYPT = request.param
    return request.param


@pytest.fixture
def user(db):
    return User.objects.create_user("ann", password=PASSWORD)


@pytest.fixture
def count(store, database):
    """A function that counts the rows of the table."""
    return store.get_model_class().objects.using(database).count


@pytest.fixture
def block(database):
    """A function that answers a transaction of the session's alias."""
    return lambda: transaction.atomic(using=database)


@pytest.fixture
def rolled_back(database):
    """A function that makes changes inside a transaction that is rolled back."""

    def run(*changes):
        with transaction.atomic(using=database):
            for change in changes:
                change()
            transaction.set_rollback(True, using=database)

    return run


@pytest.fixture
def heard():
    """The signals of sessions, as pairs of the name and the arguments."""
    told, receivers = [], []
    for name, signal in vars(signals).items():
        if name.startswith("session_"):

            def receiver(sender, signal, name=name, **arguments):
                told.append((name, arguments))

            signal.connect(receiver)
            receivers.append((signal, receiver))
    yield told
    for signal, receiver in receivers:
        signal.disconnect(receiver)


# --- an end that comes after a committed block


def test_a_saved_login_does_not_bring_a_revoked_session_back(store, block, count):
    """A visitor signs in and saves in a block; somebody revokes; the middleware saves once more."""
    session = store()
    with block():
        session.update(USER)
        session.save()
    store(session.session_key).flush()
    with contextlib.suppress(UpdateError):
        session.save()
    assert count() == 0


def test_a_change_after_the_revocation_of_a_saved_login_is_told(store, block, count):
    """The same, and the view had more to save."""
    session = store()
    with block():
        session.update(USER)
        session.save()
    store(session.session_key).flush()
    session["late"] = 1
    with pytest.raises(UpdateError):
        session.save()
    assert count() == 0


def test_a_login_in_a_block_over_a_visit_stays_ended(store, saved, block, count):
    """The session of a visitor gets a user and a new key in a block, and is then revoked."""
    session = store(saved.session_key)
    with block():
        session.update(USER)
        session.cycle_key()
        session.save()
    store(session.session_key).flush()
    session["late"] = 1
    with pytest.raises(UpdateError):
        session.save()
    assert count() == 0


def test_a_new_key_of_a_committed_login_undoes_no_revocation(store, block, count):
    """Nor does changing the key once more."""
    session = store()
    with block():
        session.update(USER)
        session.save()
    store(session.session_key).flush()
    with pytest.raises(UpdateError):
        session.cycle_key()
    assert count() == 0


# --- one function of a transaction, called twice


def test_a_visitor_is_served_though_the_first_of_two_calls_was_rolled_back(store, user, database):
    """`@transaction.atomic` enters the same object each time: that tells nothing."""
    client = browser()
    assert client.get("/twice/").status_code == 200
    assert store(key_of(client)).load() == {"first": 1, "second": 1}


def test_both_calls_are_stored_though_the_first_was_rolled_back(store, saved):
    """What the session holds at its last save is stored."""
    assert browser(saved.session_key).get("/twice/").status_code == 200
    assert store(saved.session_key).load() == {"a": 1, "first": 1, "second": 1}


def test_a_later_call_that_is_rolled_back_takes_nothing_of_the_first(store, saved, database):
    """First committed, second rolled back, and no save after it."""
    session = store(saved.session_key)
    step = transaction.atomic(using=database)(_set_and_save)
    step(session, "first", fails=False)
    with contextlib.suppress(TakenBackError):
        step(session, "second", fails=True)
    assert store(saved.session_key).load() == {"a": 1, "first": 1}
    session.save()
    assert store(saved.session_key).load() == {"a": 1, "first": 1, "second": 1}


def test_an_end_that_was_taken_back_can_be_made_again(saved, count):
    """At once, not only by the middleware after the response."""
    response = browser(saved.session_key).get("/ended-twice/")
    assert (response.content, count()) == (b"0", 0)


def test_an_end_that_was_taken_back_outlives_new_keys(store, saved):
    """Also one of a session that was not read: its row would be found by its old key only."""
    client = browser(saved.session_key)
    client.get("/ended-twice/?unread")
    assert store(saved.session_key).load() == {}
    assert store(key_of(client)).load() == {}


# --- nested blocks


def test_a_change_of_an_inner_block_outlives_the_rollback_of_the_outer(store, saved):
    """Saved in both, rolled back as a whole, and the answer is a good one, as with DRF."""
    assert browser(saved.session_key).get("/outer-rolled-back/").status_code == 200
    assert store(saved.session_key).load() == {"a": 1, "first": 1}


def test_a_visitor_gets_no_key_without_a_row_after_nested_blocks(store, database):
    """The row was rolled back with the outer block, so it is inserted at the end."""
    client = browser()
    assert client.get("/outer-rolled-back/").status_code == 200
    assert store(key_of(client)).load() == {"first": 1}


def test_an_inner_rollback_loses_nothing_of_the_outer_block(store, saved, block, rolled_back):
    """Only the savepoint is gone; the outer block's save is there, and the rest is made up for."""
    session = store(saved.session_key)
    with block():
        session["outer"] = 1
        session.save()
        rolled_back(lambda: session.update({"inner": 1}), session.save)
        session["after"] = 1
        session.save()
    assert store(saved.session_key).load() == {"a": 1, "outer": 1, "inner": 1, "after": 1}


# --- an end inside a block


def test_a_row_that_its_own_block_deleted_does_not_come_back(store, block, count):
    """Inserted, deleted, committed: the save at the end of the request says that it is gone."""
    session = store()
    with block():
        session["a"] = 1
        session.save()
        session.delete()
    with pytest.raises(UpdateError):
        session.save()
    assert count() == 0


def test_a_delete_that_was_rolled_back_with_its_row_leaves_none(store, database, count):
    """Neither the row nor its end was stored, and the view meant the end."""
    client = browser()
    client.get("/deleted-in-a-block/")
    assert (count(), key_of(client)) == (0, None)


def test_a_deleted_session_gets_no_new_key(store, signed_in, count):
    """A new key would undo the end: nobody is signed in afterwards."""
    session = store(signed_in.session_key)
    session.get("a")
    session.delete()
    with pytest.raises(UpdateError):
        session.cycle_key()
    with contextlib.suppress(UpdateError):
        session.save()
    assert count() == 0


# --- a key that no row has yet


def test_a_key_that_was_taken_survives_a_reload(store, database, heard):
    """It is ours: the row comes with the save, and nobody refuses it."""
    session = store()
    session.cycle_key()
    promised = session.session_key
    session.reload()
    assert session.session_key == promised
    assert "session_refused" not in [name for name, _ in heard]
    session["a"] = 1
    session.save()
    assert (session.session_key, store(promised).load()) == (promised, {"a": 1})


def test_a_change_beside_a_new_key_that_was_rolled_back_is_kept(
    store, saved, rolled_back, caplog, heard
):
    """Another request writes under the old key meanwhile: merged, and no word of damage."""
    session = store(saved.session_key)
    session["ours"] = 1
    rolled_back(session.cycle_key)
    other = store(saved.session_key)
    other["theirs"] = 1
    other.save()
    session.save()
    assert store(session.session_key).load() == {"a": 1, "ours": 1, "theirs": 1}
    assert not store().exists(saved.session_key)
    assert "damaged" not in caplog.text


@pytest.mark.parametrize("end", ["flush", "delete"])
def test_an_end_after_a_new_key_that_was_rolled_back_ends_the_row(
    store, saved, rolled_back, count, end
):
    """The row has its old key still; the cookie that is out there opens nothing."""
    session = store(saved.session_key)
    rolled_back(session.cycle_key)
    getattr(session, end)()
    assert not store().exists(saved.session_key)
    assert count() == 0


def test_a_reload_after_a_new_key_that_was_rolled_back_reads_the_row(store, saved, rolled_back):
    """The row can always be opened, whatever key it is to have."""
    session = store(saved.session_key)
    rolled_back(session.cycle_key)
    session.reload()
    assert session["a"] == 1
    session["b"] = 2
    session.save()
    assert store(session.session_key).load() == {"a": 1, "b": 2}


# --- save nothing of this


def test_a_stamp_that_was_declined_is_not_written(store, signed_in):
    """`modified = False` means "save nothing of this", and the save keeps to it."""
    session = store(signed_in.session_key)
    session.mark_authenticated()
    session.modified = False
    with record_statements() as seen:
        session.save()
    assert not session.modified
    assert not [sql for sql in seen.about("sessionstore_session") if not sql.startswith("SELECT")]
    assert store(signed_in.session_key).authenticated_at_ms is None


# --- what the view holds stays a part of the session


@pytest.fixture
def shop(store, database):
    """A session with a cart, in the table."""
    session = store()
    session.update({"cart": {"lines": {"tea": 1}}, "seen": [1]})
    session.save()
    return session


def _somebody_saves(store, shop, change):
    other = store(shop.session_key)
    change(other)
    other.save()


def _set_other(session):
    session["x"] = 1


def test_a_dict_that_the_view_holds_outlives_a_merge(store, shop):
    """It is still the session's own, so a change of it is stored."""
    session = store(shop.session_key)
    cart = session["cart"]
    _somebody_saves(store, shop, _set_other)
    session["y"] = 1
    session.save()
    cart["q"] = 5
    session.save()
    found = store(shop.session_key).load()
    assert found["cart"] == {"lines": {"tea": 1}, "q": 5}
    assert (found["x"], found["y"]) == (1, 1)


def test_a_nested_dict_that_the_view_holds_takes_the_other_change_in(store, shop):
    """Two levels down, and the other request has changed the same dict."""
    session = store(shop.session_key)
    lines = session["cart"]["lines"]
    _somebody_saves(store, shop, lambda other: other["cart"]["lines"].update(milk=2))
    session["y"] = 1
    session.save()
    assert lines == {"tea": 1, "milk": 2}
    lines["jam"] = 3
    session.save()
    assert store(shop.session_key)["cart"]["lines"] == {"tea": 1, "milk": 2, "jam": 3}


def test_a_list_that_the_view_holds_outlives_a_merge(store, shop):
    """The other request has changed something else."""
    session = store(shop.session_key)
    seen = session["seen"]
    _somebody_saves(store, shop, _set_other)
    session["y"] = 1
    session.save()
    seen.append(5)
    session.save()
    assert store(shop.session_key)["seen"] == [1, 5]


def test_a_list_that_the_view_holds_takes_the_other_change_in(store, shop):
    """The other request has changed this very list, and this one had not."""
    session = store(shop.session_key)
    seen = session["seen"]
    _somebody_saves(store, shop, lambda other: other["seen"].append(7))
    session["y"] = 1
    session.save()
    assert seen == [1, 7]
    seen.append(5)
    session.save()
    assert store(shop.session_key)["seen"] == [1, 7, 5]


def test_what_the_view_holds_outlives_a_new_key(store, shop, encrypted):
    """cycle_key() merges like a save."""
    session = store(shop.session_key)
    cart, seen = session["cart"], session["seen"]
    _somebody_saves(store, shop, _set_other)
    session["y"] = 1
    session.cycle_key()
    cart["q"] = 5
    seen.append(5)
    session.save()
    found = store(session.session_key).load()
    assert (found["cart"]["q"], found["seen"], found["x"]) == (5, [1, 5], 1)


def test_what_the_view_holds_outlives_a_transact(store, shop):
    """The change was run again on fresh data: they came into the objects of the view."""
    session = store(shop.session_key)
    cart, lines, seen = session["cart"], session["cart"]["lines"], session["seen"]
    _somebody_saves(store, shop, lambda other: other["cart"]["lines"].update(milk=2))
    session.transact(lambda session: session.update({"y": 1}))
    cart["q"], lines["jam"] = 5, 3
    seen.append(5)
    session.save()
    found = store(shop.session_key).load()
    assert found["cart"] == {"lines": {"tea": 1, "milk": 2, "jam": 3}, "q": 5}
    assert (found["seen"], found["y"]) == ([1, 5], 1)


# --- a request that loaded before the key changed


def test_a_late_save_keeps_both_changes_and_the_new_key(store, signed_in, encrypted, count):
    """The same user signs in again meanwhile; the late request still means this session.

    Encrypted data under the new key cannot be read with the old one: there it is told.
    """
    late, login = store(signed_in.session_key), store(signed_in.session_key)
    late["late"] = 1
    login["login"] = 1
    login.cycle_key()
    if encrypted:
        with pytest.raises(UpdateError):
            late.save()
    else:
        late.save()
    found = store(login.session_key).load()
    expected = {"login": 1} if encrypted else {"login": 1, "late": 1}
    assert (found, count()) == ({**USER, **expected}, 1)
    assert not store().exists(signed_in.session_key)


def test_a_late_save_of_a_visitor_signs_nobody_out(store, saved, encrypted):
    """The login's keys come from the stored side, the change from this one."""
    late, login = store(saved.session_key), store(saved.session_key)
    late["late"] = 1
    login.update(USER)
    login.cycle_key()
    with pytest.raises(UpdateError) if encrypted else contextlib.nullcontext():
        late.save()
    expected = {"a": 1, **USER} if encrypted else {"a": 1, "late": 1, **USER}
    assert store(login.session_key).load() == expected


def test_a_late_request_does_not_replace_the_login_that_came_meanwhile(store, signed_in, encrypted):
    """Its own user came without a new key, which is no login."""
    late, login = store(signed_in.session_key), store(signed_in.session_key)
    late.get("a")
    login.update({**USER, "_auth_user_id": "8", "_auth_user_hash": "i"})
    login.cycle_key()
    late.update({"_auth_user_id": "9", "_auth_user_hash": "j", "late": 1})
    with pytest.raises(UpdateError) if encrypted else contextlib.nullcontext():
        late.save()
    stored = store(login.session_key)
    expected = {} if encrypted else {"late": 1}
    assert stored.load() == {**USER, "_auth_user_id": "8", "_auth_user_hash": "i", **expected}


def test_the_answer_after_an_early_save_carries_no_old_key(saved, user, count):
    """The view has saved, then somebody signs in, and there is nothing left to save."""
    response = browser(saved.session_key).get("/save-early/?meanwhile=/sign-in/")
    assert (response.status_code, count()) == (200, 1)
    assert "sessionid" not in response.cookies


def test_a_late_answer_carries_no_old_key(store, saved, user, encrypted):
    """Else its cookie would sign the browser out."""
    response = browser(saved.session_key).get("/write/late/?load&meanwhile=/sign-in/")
    assert "sessionid" not in response.cookies
    assert response.status_code == (400 if encrypted else 200)


def test_a_late_transact_is_told(store, saved):
    """It would have to read what stands in the row since its key was replaced."""
    late, login = store(saved.session_key), store(saved.session_key)
    late.get("a")
    login.cycle_key()
    with pytest.raises(UpdateError):
        late.transact(lambda session: session.update({"a": session["a"] + 1}))
    assert store(login.session_key)["a"] == 1
    late.save()  # as the middleware does for a view that goes on
    assert store(login.session_key)["a"] == 1


@pytest.mark.parametrize("end", ["flush", "delete"])
@pytest.mark.parametrize("kind", ["saved", "signed_in"])
def test_a_late_end_ends_the_row_whose_key_has_changed(request, store, count, kind, end):
    """A logout means the session, not its key of a moment ago; a visitor's too."""
    key = request.getfixturevalue(kind).session_key
    late, other = store(key), store(key)
    late.get("a")
    other.cycle_key()
    getattr(late, end)()
    assert count() == 0
    assert not store().exists(other.session_key)


def test_two_logins_of_one_visitor_both_get_a_working_key(store, saved, user):
    """Whichever answer arrives last, the browser is signed in."""
    first = browser(saved.session_key)
    response = first.get("/sign-in/?load&meanwhile=/sign-in/")
    assert response.status_code == 200
    assert user_of(key_of(first)) == str(user.pk)


def test_neither_of_two_logins_takes_the_key_of_the_other(store, saved):
    """Two rows then, for one row has one key."""
    first, second = store(saved.session_key), store(saved.session_key)
    first.update(USER)
    second.update(USER)
    first.cycle_key()
    second.cycle_key()
    second.save()
    first.save()
    keys = {first.session_key, second.session_key}
    assert len(keys) == 2
    assert [store(key).load() for key in keys] == [{"a": 1, **USER}] * 2


# --- a session that has reached its end


@pytest.fixture(params=["IDLE", "ABSOLUTE"])
def ended(request, settings, clock, store, database):
    """A signed-in session that a request has loaded, and whose end has come since."""
    setattr(settings, f"SESSIONSTORE_{request.param}_TIMEOUT", 600)
    session = store()
    session.update(USER)
    session.save()
    loaded = store(session.session_key)
    loaded.get("a")
    clock.advance(seconds=601)
    return loaded


def _change(session):
    session["late"] = 1
    session.save()


def _prolong(session):
    session.set_expiry(14 * 86_400)
    session.save()


@pytest.mark.parametrize("act", [_change, _prolong, lambda session: session.cycle_key()])
def test_nothing_that_a_request_does_later_makes_an_ended_session_live(store, ended, act):
    """Neither a save nor a new key: an end is final, also one by time."""
    key = ended.session_key
    with pytest.raises(UpdateError):
        act(ended)
    assert not store().exists(key)
    assert not store().exists(ended.session_key)


def test_a_visit_that_has_expired_gets_no_new_key(settings, clock, store, database):
    """An anonymous session that was deleted goes on as a new one; one that has expired does not."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = 600
    session = store()
    session["a"] = 1
    session.save()
    clock.advance(seconds=601)
    with pytest.raises(UpdateError):
        session.cycle_key()
    with contextlib.suppress(UpdateError):
        session.save()
    assert not any(row.is_live for row in store.get_model_class().objects.using(database))


def test_a_transact_does_not_make_an_ended_session_live(store, ended):
    """It is told as well."""
    with pytest.raises(UpdateError):
        ended.transact(lambda session: session.update({"late": 1}))
    assert not store().exists(ended.session_key)


def test_a_touch_does_not_make_an_ended_session_live(store, ended):
    """And it is no error: nothing was lost."""
    assert not ended.touch()
    assert not store().exists(ended.session_key)


@pytest.mark.parametrize("timeout", ["IDLE", "ABSOLUTE"])
def test_a_timeout_that_was_tightened_counts_at_once(settings, clock, store, signed_in, timeout):
    """The row was written under the old policy and says later; the load knows better."""
    clock.advance(seconds=601)
    assert store().exists(signed_in.session_key)
    setattr(settings, f"SESSIONSTORE_{timeout}_TIMEOUT", 600)
    assert not store().exists(signed_in.session_key)
    assert store(signed_in.session_key).load() == {}


# --- a request that arrives with a key that was replaced a moment ago


@pytest.fixture
def replaced(store, saved, user):
    """A key that was good when the request was sent, and the one of the login that overtook it."""
    client = browser(saved.session_key)
    assert client.get("/sign-in/").status_code == 200
    assert user_of(key_of(client)) == str(user.pk)
    return saved.session_key, key_of(client)


def test_a_write_that_a_login_has_overtaken_is_told(store, saved, user, count):
    """Two requests of one cookie: the login is served in the middle of the other one."""
    response = browser(saved.session_key).get("/write/late/?meanwhile=/sign-in/")
    assert (response.status_code, count()) == (400, 1)
    assert "sessionid" not in response.cookies


def test_a_write_with_a_replaced_key_is_told_and_makes_no_row(replaced, count, user):
    """Its cookie would sign the browser out of the login that has just happened."""
    old, new = replaced
    response = browser(old).get("/write/late/")
    assert (response.status_code, count()) == (400, 1)
    assert "sessionid" not in response.cookies
    assert user_of(new) == str(user.pk)


def test_the_engine_itself_tells_of_a_replaced_key(store, replaced, count):
    """So it is the same under Django's own middleware."""
    session = store(replaced[0])
    session["late"] = 1
    with pytest.raises(UpdateError):
        session.save()
    assert count() == 1


def test_a_transact_with_a_replaced_key_is_told(store, replaced, count):
    """A read-modify-write is a write."""
    with pytest.raises(UpdateError):
        store(replaced[0]).transact(lambda session: session.update({"late": 1}))
    assert count() == 1


def test_a_read_with_a_replaced_key_is_a_visit(replaced, count):
    """It sees nothing, and nothing is sent."""
    response = browser(replaced[0]).get("/read/")
    assert (response.status_code, response.json()["user"], count()) == (200, None, 1)
    assert "sessionid" not in response.cookies


@pytest.mark.parametrize("seconds", [59, 61])
def test_after_a_minute_a_replaced_key_is_an_unknown_one(store, clock, saved, user, count, seconds):
    """Then whoever writes is a new visitor, with a session and a cookie of the own."""
    browser(saved.session_key).get("/sign-in/")
    clock.advance(seconds=seconds)
    late = browser(saved.session_key)
    status = late.get("/write/late/").status_code
    assert (status, count()) == ((400, 1) if seconds < 60 else (200, 2))
    if seconds > 60:
        assert store(key_of(late)).load() == {"late": 1}


@pytest.mark.parametrize("url", ["/sign-out/", "/sign-out/?load"])
def test_a_logout_with_a_replaced_key_ends_the_session(replaced, count, url):
    """Whether or not the request has looked at its session before."""
    client = browser(replaced[0])
    assert client.get(url).status_code == 200
    assert (user_of(replaced[1]), count()) == (None, 0)


def test_a_logout_that_a_login_has_overtaken_ends_the_session(saved, user, count):
    """The login is served in the middle of the logout, which had not loaded yet."""
    assert browser(saved.session_key).get("/sign-out/?meanwhile=/sign-in/").status_code == 200
    assert count() == 0


def test_a_double_click_on_log_in_signs_in_twice(replaced, user):
    """The second click carries the replaced key; both answers carry a key that works."""
    second = browser(replaced[0])
    assert second.get("/sign-in/").status_code == 200
    assert [user_of(key) for key in (replaced[1], key_of(second))] == [str(user.pk)] * 2


# --- one name for the whole life


@pytest.fixture
def pages(settings):
    settings.LOGIN_URL, settings.LOGIN_REDIRECT_URL = "sessionstore:login", "/read/"


def _log_in(client, user):
    fields = {"username": user.get_username(), "password": PASSWORD}
    assert client.post("/account/login/", fields).status_code == 302


def test_a_form_of_the_devices_page_ends_a_session_that_has_changed_its_key(pages, database, user):
    """The page was shown before the other browser signed in again."""
    mine, other = browser(), browser()
    _log_in(mine, user)
    _log_in(other, user)
    devices = mine.get("/account/devices/").context["page"].devices
    (handle,) = [device.handle for device in devices if not device.is_this]
    _log_in(other, user)
    mine.post("/account/devices/revoke/", {"handle": handle})
    assert (user_of(key_of(other)), user_of(key_of(mine))) == (None, str(user.pk))


def test_a_session_has_one_handle_for_its_life(store, heard, saved):
    """A login changes the key and not the name."""
    handle = saved.handle
    session = store(saved.session_key)
    session.update(USER)
    session.cycle_key()
    session.save()
    again = store(session.session_key)
    again.get("a")
    assert (session.handle, again.handle) == (handle, handle)
    session.flush()
    assert [(name, told["handle"]) for name, told in heard] == [
        ("session_created", handle),
        ("session_secured", handle),
        ("session_cycled", handle),
        ("session_revoked", handle),
    ]


def test_one_search_in_the_security_log_finds_a_whole_life(pages, store, database, user, caplog):
    """First write, login, confirmation, logout: all under one handle."""
    caplog.set_level(logging.INFO, logger="sessionstore.security")
    client = browser()
    client.get("/write/a/")
    visit = store(key_of(client))
    visit.get("a")
    _log_in(client, user)
    assert client.post("/account/confirm/", {"password": PASSWORD}).status_code == 302
    assert client.post("/account/logout/").status_code == 200
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split(":")[0] for line in lines if visit.handle in line] == [
        "Session created",
        "Session cycled",
        "Session logged in",
        "Session cycled",
        "Session revoked",
    ]
    assert len(lines) == 5


def test_a_session_made_with_a_replaced_key_is_told(store, database, replaced):
    """`create()`, as shops call it for visitors, is a write like any other."""
    late = store(replaced[0])
    late.get("a")
    with pytest.raises(UpdateError):
        late.create()
