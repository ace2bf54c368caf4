"""What is written down, of whom, and when it stands."""

import logging
from urllib.parse import unquote

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.db import connections, transaction
from django.db.models.signals import post_delete
from django.test import Client

from sessionstore.conf import conf
from sessionstore.exceptions import AppendOnly
from sessionstore.models import KnownDevice, Session, SessionEvent
from sessionstore.users import end_sessions_of
from tests.docs.pages import DOCS, Shop
from tests.express.conftest import express_site, shared_table  # noqa: F401 - fixtures
from tests.harness.commands import run
from tests.harness.statements import record_statements
from tests.history.conftest import sign_in
from tests.ops.rows import add_rows
from tests.web.conftest import PASSWORD

DJANGOS = "django.contrib.sessions.middleware.SessionMiddleware"
OURS = "sessionstore.middleware.SessionMiddleware"


@pytest.fixture(params=["ours", "djangos"])
def middleware(request, settings):
    """Our middleware, and Django's own."""
    if request.param == "djangos":
        settings.MIDDLEWARE = [DJANGOS if one == OURS else one for one in settings.MIDDLEWARE]
    return request.param


def test_a_sign_in_and_a_sign_out_are_told(database, engine, ann, browser, told):
    """With who, where from and by which session; the handle lasts from the one to the other."""
    handle = sign_in(browser).session.handle
    browser.post("/account/logout/")
    own = (str(ann.pk), str(ann.pk), handle, "127.0.0.1", "Firefox/140.0")
    assert told("what", "reason", "user_id", "actor_id", "handle", "ip", "user_agent") == [
        ("signed_in", None, *own),
        ("ended", "logout", *own),
    ]


@pytest.mark.parametrize(
    ("requests", "methods"),
    [
        (["login"], [["password"]]),
        (["login-code"], [["password", "otp"]]),
        (["login", "code"], [["password"], ["otp"]]),
        (["login", "confirm"], [["password"], []]),
        (["login-code", "login"], [["password", "otp"], ["password"]]),
    ],
)
@pytest.mark.only_on("sqlite")
def test_each_proof_is_told_with_how(database, middleware, ann, browser, told, requests, methods):
    """What this request has proved, and nothing of an earlier one."""
    for steps in requests:
        browser.get(f"/do/{steps}/")
    found = [facts.get("methods", []) for facts in told("facts")]
    assert [[one["method"] for one in how] for how in found] == methods


@pytest.mark.only_on("sqlite")
def test_a_new_device_is_told(database, ann, browser, told, settings):
    """After its sign-in and by its session; the first one of all is none."""
    settings.SESSIONSTORE_KNOWN_DEVICES = True
    sign_in(browser)
    handle = sign_in(Client(headers={"user-agent": "Safari/1"})).session.handle
    assert told() == ["signed_in", "signed_in", "new_device"]
    device = KnownDevice.objects.get(user_agent="Safari/1")
    assert told("handle", "actor_id", "user_agent", "facts")[-1] == (
        handle,
        str(ann.pk),
        "Safari/1",
        {"device": device.handle},
    )


@pytest.mark.only_on("sqlite")
def test_nothing_is_recorded_of_a_client_that_the_site_does_not_want(
    database, ann, browser, told, settings
):
    """As in the session table."""
    settings.SESSIONSTORE_RECORD_CLIENT = "nothing"
    sign_in(browser)
    assert told("ip", "user_agent") == [(None, None)]


@pytest.mark.only_on("sqlite")
def test_a_second_look_at_the_password_is_told(database, ann, browser, told):
    """Whether it was right or wrong."""
    sign_in(browser)
    browser.post("/account/confirm/", {"password": "wrong"})
    browser.post("/account/confirm/", {"password": PASSWORD})
    assert told() == ["signed_in", "not_confirmed", "confirmed"]


@pytest.mark.only_on("sqlite")
def test_a_wrong_password_of_a_visitor_is_not_told(database, ann, browser, told):
    """There is no session that it happened to."""
    browser.post("/account/login/", {"username": "ann", "password": "wrong"})
    assert told() == []


@pytest.mark.only_on("sqlite")
def test_a_new_password_is_told_when_it_is_committed(database, ann, browser, told):
    """And with it the ends of the others."""
    sign_in(browser)
    with transaction.atomic():
        ann.set_password("another")
        ann.save()
        transaction.set_rollback(True)
    assert told() == ["signed_in"]
    ann.set_password("another")
    ann.save()
    assert (
        told("what", "reason")
        == [
            ("signed_in", None),
            ("password_changed", None),
            ("ended", "password_changed"),
        ][: len(told())]
    )
    assert len(told()) == 3


@pytest.mark.only_on("sqlite")
def test_an_end_by_staff_names_them_and_not_where_they_are(database, ann, browser, told):
    """The user may read it."""
    boss = User.objects.create_superuser("boss", password=PASSWORD)
    sign_in(browser)
    admin = sign_in(Client(), "boss")
    handle = browser.session.handle
    data = {"action": "end_selected", "_selected_action": handle, "confirmed": "yes"}
    admin.post("/admin/sessionstore/session/", data)
    assert told("what", "reason", "actor_id", "ip")[-1] == ("ended", "admin", str(boss.pk), None)


@pytest.mark.only_on("sqlite")
def test_an_end_by_the_command_names_who_ran_it(database, ann, browser, told, monkeypatch):
    """On the server; it is no user of the site."""
    monkeypatch.setenv("LOGNAME", "operator")
    sign_in(browser)
    run("revokesessions", "--user=ann", "--no-input")
    assert told("reason", "actor_id", "facts")[-1] == ("command", None, {"ran_by": "operator"})


def test_a_session_that_ran_out_is_told_once(database, ann, browser, told, clock):
    """When its cookie comes, with the moment at which it ended; as often as that may come."""
    sign_in(browser)
    ends_at = Session.objects.using(database).get().expires_at
    clock.advance(days=15)
    for _ in range(3):
        browser.get("/plain/")
    assert told("what", "happened_at")[1:] == [("expired", ends_at)]


def test_thousands_of_ends_take_few_statements(database, ann, told):
    """One INSERT for each batch of them."""
    add_rows(1200, expires_in_s=3600, alias=database, user_id=str(ann.pk))
    with record_statements() as seen:
        assert end_sessions_of(ann) == 1200
    inserts = [one for one in seen.about("sessionstore_event") if one.startswith("INSERT")]
    assert len(told()) == 1200
    assert len(inserts) < 30  # SQLite takes fewer values in one


@pytest.mark.parametrize(
    ("steps", "stands"),
    [
        ("login", ["signed_in"]),
        ("login-save", ["signed_in"]),
        ("login-save!", ["signed_in"]),  # the middleware saves it again
        ("login-save!?fails=1", []),
        ("login!?fails=1", []),
        ("login-save-renew", ["signed_in", "new_key"]),
        ("login-save-logout", ["signed_in", "ended"]),
    ],
)
def test_an_event_stands_when_what_it_tells_stands(
    database, middleware, ann, browser, told, steps, stands
):
    """In blocks that are kept or rolled back, with and without an error page."""
    path, _, query = steps.partition("?")
    browser.get(f"/do/{path}/", {"fails": 1} if query else {})
    assert told() == stands
    row = Session.objects.using(database).filter(user_id=str(ann.pk))
    assert row.exists() is (stands[-1:] in (["signed_in"], ["new_key"]))


@pytest.mark.parametrize(
    ("steps", "stands"),
    [
        ("logout", ["ended"]),
        ("flush", ["ended"]),  # though nothing has read whose it is
        ("flush!", ["ended"]),
        ("delete", ["ended"]),
        ("drop", ["ended"]),  # by its key, from outside
        ("logout!", ["ended"]),  # repeated after the response, and told once
        ("logout!?fails=1", ["ended"]),
        ("renew!", ["new_key"]),
        ("renew!?fails=1", []),
        ("renew-confirm-save!", ["confirmed"]),
        ("save-login!", ["signed_in"]),
        ("confirm-save!?fails=1", []),
        ("confirm-renew", ["confirmed"]),
    ],
)
def test_an_end_stands_when_a_rollback_is_repeated(database, ann, browser, told, steps, stands):
    """And a renewed key that was rolled back is told when it is given after all."""
    sign_in(browser)
    path, _, query = steps.partition("?")
    browser.get(f"/do/{path}/", {"fails": 1} if query else {})
    assert told()[1:] == stands


def test_an_async_login_is_told(database, ann, told, async_client):
    """In the thread in which it is stored."""
    async_to_sync(async_client.alogin)(username="ann", password=PASSWORD)
    assert told() == ["signed_in"]


def test_a_broken_history_fails_no_login(database, ann, browser, caplog):
    """Nor the transaction of the caller, on PostgreSQL too: it is one line in the log."""
    table = connections[database].ops.quote_name("sessionstore_event")
    with connections[database].cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO lost")
    try:
        with caplog.at_level(logging.WARNING, "sessionstore"):
            assert browser.get("/do/login-save/").status_code == 200
            assert browser.get("/plain/").content == b"ann"
    finally:
        with connections[database].cursor() as cursor:
            cursor.execute(f"ALTER TABLE lost RENAME TO {table}")
    assert "1 event(s) of the history are lost" in caplog.text


def test_an_ordinary_request_costs_nothing_more(database, ann, browser):
    """One SELECT of the session, one of the user, and nothing of the history."""
    sign_in(browser)
    with record_statements() as seen:
        browser.get("/plain/")
    assert len(seen.about("sessionstore_event")) == 0


def test_a_login_costs_one_insert_more(database, ann, browser):
    """Outside a transaction, that is."""
    with record_statements() as seen:
        sign_in(browser)
    assert [one.split()[0] for one in seen.about("sessionstore_event")] == ["INSERT"]


@pytest.mark.only_on("sqlite")
def test_nothing_is_written_where_it_is_off(database, ann, browser, told, settings):
    """That is the default."""
    settings.SESSIONSTORE_HISTORY = None
    with record_statements() as seen:
        sign_in(browser).post("/account/logout/")
    assert len(seen.about("sessionstore_event")) == 0


def test_the_history_is_never_changed(database, ann, browser):
    """Neither by an instance nor by a query."""
    sign_in(browser)
    event = SessionEvent.objects.using(database).get()
    events = SessionEvent.objects.using(database).all()
    for call in (event.save, event.delete, events.delete, lambda: events.update(what="x")):
        with pytest.raises(AppendOnly, match="forget"):
            call()
    assert events.get().what == "signed_in"


def test_what_is_kept_of_a_user_can_be_forgotten(database, ann, browser, told):
    """For whoever has a right to that; where they have acted for others, their name goes."""
    sign_in(browser)
    SessionEvent(what="ended", user_id="other", actor_id=str(ann.pk)).save(using=database)
    assert SessionEvent.objects.using(database).forget(ann) == 1
    assert told("what", "user_id", "actor_id") == [("ended", "other", None)]


def test_a_clean_up_deletes_what_is_too_old(database, ann, browser, told, clock):
    """And says how many it were; the younger stay."""
    sign_in(browser)
    clock.advance(days=60)
    sign_in(Client())
    clock.advance(days=31)
    assert "1 expired event from sessionstore_event" in run("clearsessions", "--dry-run")
    assert "Deleted 1 expired event from sessionstore_event" in run("clearsessions")
    assert told() == ["signed_in"]


@pytest.mark.only_on("mariadb", "postgresql")
def test_a_session_that_express_shares_is_told(database, shared_table, ann, told):  # noqa: F811
    """By the handle that its login has, though its own id there is a secret."""
    from sessionstore.backends.express import SessionStore  # noqa: PLC0415 - its settings are made

    shared_table()
    browser = Client()
    browser.force_login(ann)
    key = browser.cookies[conf.cookie_name].value
    session = SessionStore(unquote(key))
    handle = session.handle
    session.flush()
    assert told("what", "user_id", "handle") == [
        ("signed_in", str(ann.pk), handle),
        ("ended", str(ann.pk), handle),
    ]


@pytest.mark.only_on("sqlite")
def test_an_account_can_take_its_history_along(database, ann, browser, told, monkeypatch):
    """By the receiver that the documentation shows; the ends at the commit go, too."""
    shop = Shop(DOCS / "history.md", monkeypatch)
    try:
        sign_in(browser)
        assert shop.staff.ends_by_staff(ann) == []
        ann.delete()
        assert told() == []
    finally:
        post_delete.disconnect(shop.receivers.forget, sender=User)
