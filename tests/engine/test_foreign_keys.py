"""Models with a foreign key to a session: its `on_delete` counts, whoever ends the session."""

from importlib import import_module
from io import StringIO

import pytest
from django.contrib import auth
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.core.cache import caches
from django.core.management import call_command
from django.http import HttpResponse
from django.test import Client
from django.urls import include, path

from tests.owntable.models import Basket, Evidence, LinkedSession, Order, Receipt

pytestmark = pytest.mark.urls(__name__)


def write(request):
    request.session["a"] = 1
    return HttpResponse()


def sign_in(request):
    auth.login(request, User.objects.get(), "django.contrib.auth.backends.ModelBackend")
    return HttpResponse()


def sign_out(request):
    auth.logout(request)
    return HttpResponse()


def flush(request):
    """End the session without having looked at it."""
    request.session.flush()
    return HttpResponse()


urlpatterns = [
    path("write/", write),
    path("sign-in/", sign_in),
    path("sign-out/", sign_out),
    path("flush/", flush),
    path("account/", include("sessionstore.urls")),
]


@pytest.fixture(autouse=True, params=["linked", "linked_cached"])
def linked(request, settings, database):
    """Sessions in the table that others refer to, without and with a cache: their SessionStore."""
    settings.SESSION_ENGINE = f"tests.owntable.{request.param}"
    yield import_module(settings.SESSION_ENGINE).SessionStore
    caches["default"].clear()


@pytest.fixture
def user(database):
    return User.objects.create_user("ann")


@pytest.fixture
def signed_in(user):
    """A function that answers a browser in which the user is signed in."""

    def make():
        client = Client()
        client.get("/sign-in/")
        return client

    return make


@pytest.fixture
def row_of(database):
    """A function that answers the row of a browser's session."""
    rows = LinkedSession.objects.using(database)
    return lambda client: rows.by_key(client.cookies["sessionid"].value).get()


@pytest.fixture
def link(database):
    """A function that lets a model refer to a session."""
    return lambda model, row: model.objects.using(database).create(session=row)


@pytest.fixture
def left(database):
    """A function that answers the sessions that a model's rows still refer to, and all that are."""

    def look(model):
        links = list(model.objects.using(database).values_list("session", flat=True))
        rows = list(LinkedSession.objects.using(database).values_list("pk", flat=True))
        return [pk and bytes(pk) for pk in links], [bytes(pk) for pk in rows]

    return look


def by_logout(mine, other, user, handle):
    other.get("/sign-out/")


def by_flush(mine, other, user, handle):
    other.get("/flush/")


def by_devices_page(mine, other, user, handle):
    mine.post("/account/devices/revoke/", {"handle": handle})


def by_command(mine, other, user, handle):
    call_command("revokesessions", "--handle", handle, "--no-input", stdout=StringIO())


def by_disabled_account(mine, other, user, handle):
    user.is_active = False
    user.save()


ENDS = [by_logout, by_flush, by_devices_page, by_command]


@pytest.mark.parametrize("model", [Basket, Receipt, Evidence])
def test_a_login_keeps_what_refers_to_the_session(user, row_of, link, left, model):
    """The key changes, the identity does not."""
    client = Client()
    client.get("/write/")
    link(model, row_of(client))
    client.get("/sign-in/")
    row = row_of(client)
    assert row.user_id == str(user.pk)
    assert left(model) == ([bytes(row.pk)], [bytes(row.pk)])


@pytest.mark.parametrize("end", ENDS)
def test_what_cascades_goes_with_the_session(signed_in, user, row_of, link, left, end):
    """And what refers to another session stays."""
    mine, other = signed_in(), signed_in()
    stays, goes = row_of(mine), row_of(other)
    link(Basket, stays)
    link(Basket, goes)
    end(mine, other, user, goes.handle)
    assert left(Basket) == ([bytes(stays.pk)], [bytes(stays.pk)])


@pytest.mark.parametrize("end", ENDS)
def test_what_is_set_to_null_outlives_the_session(signed_in, user, row_of, link, left, end):
    """It refers to nothing then."""
    mine, other = signed_in(), signed_in()
    link(Receipt, row_of(other))
    end(mine, other, user, row_of(other).handle)
    assert left(Receipt) == ([None], [bytes(row_of(mine).pk)])


@pytest.mark.parametrize(("model", "links"), [(Basket, []), (Receipt, [None, None])])
def test_a_disabled_account_ends_all_its_sessions_with_what_refers_to_them(
    signed_in, user, row_of, link, left, model, links
):
    """Many rows at once go the same way."""
    mine, other = signed_in(), signed_in()
    link(model, row_of(mine))
    link(model, row_of(other))
    by_disabled_account(mine, other, user, None)
    assert left(model) == (links, [])


@pytest.mark.parametrize("end", [by_logout, by_flush, by_devices_page, by_disabled_account])
def test_a_protected_row_stays_and_opens_nothing(linked, signed_in, user, row_of, link, left, end):
    """An end is an end: the row that somebody else keeps is empty and has expired."""
    mine, other = signed_in(), signed_in()
    row = row_of(other)
    link(Evidence, row)
    key = other.cookies["sessionid"].value
    end(mine, other, user, row.handle)
    links, rows = left(Evidence)
    assert (links, bytes(row.pk) in rows) == ([bytes(row.pk)], True)
    row.refresh_from_db()
    assert (row.is_live, bytes(row.data), linked().exists(key)) == (False, b"", False)


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_protected_row_opens_nothing_by_any_clock(
    linked, signed_in, user, row_of, link, clock, minutes
):
    """Neither one that had only minutes left by the clock of whoever ends it, nor a late save."""
    other = signed_in()
    row = row_of(other)
    link(Evidence, row)
    late = linked(other.cookies["sessionid"].value)
    late.set_expiry(300)
    late.save()
    clock.advance(minutes=minutes)
    by_disabled_account(None, other, user, row.handle)
    clock.advance(minutes=-minutes)
    late["b"] = 2
    with pytest.raises(UpdateError):
        late.save()
    row.refresh_from_db()
    assert (row.is_live, bytes(row.data)) == (False, b"")


def _ended(store, count):
    """Return the keys of sessions that ended an hour ago."""
    made = []
    for _ in range(count):
        session = store()
        session.set_expiry(-3600)
        session.create()
        made.append(session.session_key)
    return made


def _cleaned():
    out = StringIO()
    call_command("clearsessions", stdout=out, stderr=out)
    return out.getvalue()


@pytest.mark.parametrize(("model", "links"), [(Basket, []), (Receipt, [None])])
def test_the_clean_up_does_what_on_delete_says(linked, database, link, left, model, links):
    """In its batches, with rows that nobody refers to."""
    rows = LinkedSession.objects.using(database)
    first, *_ = _ended(linked, 3)
    link(model, rows.by_key(first).get())
    assert "Deleted 3 expired sessions" in _cleaned()
    assert left(model) == (links, [])


def test_the_clean_up_leaves_a_protected_row_alone(linked, database, link, left):
    """The others of its batch are deleted, and the clean-up ends."""
    rows = LinkedSession.objects.using(database)
    first, *_ = _ended(linked, 3)
    row = rows.by_key(first).get()
    link(Evidence, row)
    said = _cleaned()
    assert left(Evidence) == ([bytes(row.pk)], [bytes(row.pk)])
    assert "Deleted 2 expired sessions" in said


def test_a_revocation_by_command_ends_a_protected_session_too(signed_in, row_of, link, left):
    """It counts among those that have ended, and its row stays."""
    signed_in()
    row = row_of(signed_in())
    link(Evidence, row)
    out = StringIO()
    args = ["--user", "ann", "--no-input"]
    call_command("revokesessions", *args, stdout=out, stderr=out)
    assert left(Evidence) == ([bytes(row.pk)], [bytes(row.pk)])
    assert "Ended 2 sessions" in out.getvalue()
    row.refresh_from_db()
    assert not row.is_live


def test_the_clean_up_ends_where_a_cascade_is_kept_further_on(linked, database, link, left):
    """An order keeps the basket that would go with its session, and so the session's row."""
    rows = LinkedSession.objects.using(database)
    first, second, _ = _ended(linked, 3)
    for key in (first, second):
        Order.objects.using(database).create(basket=link(Basket, rows.by_key(key).get()))
    assert linked.clear_expired() == 1
    assert {bytes(row.pk) for row in rows.all()} == {bytes(pk) for pk in left(Basket)[0]}
