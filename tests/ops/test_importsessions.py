"""The command that moves the sessions of another engine's table."""

import json
from datetime import timedelta
from functools import partial

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session as DjangoSession
from django.core.management import CommandError
from django.db import connection
from django.utils import timezone

from sessionstore.backends.sql import SessionStore
from sessionstore.cleaning import Pace
from sessionstore.management.commands import importsessions
from sessionstore.moving.adoption import derived_keys
from sessionstore.moving.importer import Importer
from sessionstore.moving.old_engine import OldEngine
from tests.engine.old_sessions import (
    DJANGO,
    make_old_sessions,
    old_session,
    ours,
    sign_over,
    signed_in,
)
from tests.engine.pages import MIDDLEWARE, browser, cookie_of
from tests.harness import commands
from tests.harness.gaps import asleep_in_gap
from tests.harness.statements import record_statements
from tests.harness.threads import run_together

QSESSIONS = "qsessions.backends.db"

run = partial(commands.run, "importsessions")


@pytest.fixture(autouse=True)
def site(settings):
    """A site that has just switched from Django's engine to ours."""
    settings.ROOT_URLCONF = "tests.engine.pages"
    settings.MIDDLEWARE = MIDDLEWARE["ours"]
    settings.SESSIONSTORE_ADOPT_FROM = DJANGO


def counts() -> tuple[int, int]:
    """Return the rows of the old and of the new table."""
    return DjangoSession.objects.count(), ours().count()


def test_every_session_moves_and_every_cookie_still_works(place, database):
    """In batches; the first use of an old cookie starts its last minute."""
    cookies = make_old_sessions(450)
    assert "Moved 450 sessions" in run("--from", DJANGO, "--batch-size=100", "--sleep=0")
    assert counts() == (0, 450)
    for number in (0, 99, 100, 449):
        client = browser(cookies[number])
        assert client.get("/read/").json() == {"number": number}
        assert cookie_of(client) != cookies[number]
        assert client.get("/read/").json() == {"number": number}


@pytest.mark.django_db(transaction=True)
def test_the_minute_of_an_imported_cookie_begins_with_its_first_use(clock):
    """A user who comes back days after the import is not logged out."""
    cookie = old_session()
    run()
    clock.advance(days=5)
    assert browser(cookie).get("/read/").json() == {"a": 1}
    clock.advance(seconds=59)
    assert browser(cookie).get("/read/").json() == {"a": 1}
    clock.advance(seconds=1)
    assert browser(cookie).get("/read/").json() == {}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["sign_out", "flush"])
def test_a_logout_of_an_imported_session_is_final(way):
    """By its old cookie."""
    cookie = signed_in()
    run()
    browser(cookie).get(f"/{way}/")
    assert browser(cookie).get("/read/").json() == {}
    assert counts() == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_imported_sessions_of_a_user_can_be_revoked():
    """That is what bulk import is for: the user column is filled at once."""
    cookie = signed_in()
    run()
    assert len(SessionStore.get_table().remove_of_users([ours().get().user_id])) == 1
    assert browser(cookie).get("/user/").content == b""


@pytest.mark.django_db(transaction=True)
def test_the_limit_of_a_user_holds_after_an_import(settings):
    """Nobody signs in, and the sessions that move in count."""
    settings.SESSIONSTORE_MAX_PER_USER = 1
    login = {"_auth_user_id": "7", "_auth_user_backend": "b", "_auth_user_hash": "h"}
    cookies = [old_session(**login, number=number) for number in range(4)]
    other = old_session(**{**login, "_auth_user_id": "8"})
    run()
    assert [row.user_id for row in ours().order_by("user_id") if row.is_live] == ["7", "8"]
    found = [bool(browser(cookie).get("/read/").json()) for cookie in (*cookies, other)]
    assert (sum(found[:4]), found[4]) == (1, True)


@pytest.mark.django_db(transaction=True)
def test_requests_that_come_with_an_imported_cookie_at_once_share_a_row():
    """Eight of them, each with a change."""
    cookie = old_session()
    run()
    clients = [browser(cookie) for _ in range(8)]
    run_together([partial(one.get, f"/add/k{number}/") for number, one in enumerate(clients)])
    assert len({cookie_of(one) for one in clients}) == 1
    assert len(SessionStore(cookie_of(clients[0])).load()) == 9


@pytest.mark.django_db(transaction=True)
def test_dry_run_moves_nothing_and_names_what_could_not_move(settings):
    """Damaged rows stay where they are; what is above the limit is stored, so it moves."""
    settings.SESSIONSTORE_MAX_BYTES = 1000
    old_session(big="x" * 2000)
    old_session(**{SESSION_KEY: "7" * 300})
    DjangoSession.objects.create(
        session_key="d" * 32, session_data="damaged", expire_date=timezone.now().replace(year=2099)
    )
    sign_over(old_session(), b"[" * 5000 + b"]" * 5000)
    assert "Would move 1 session in" in run("--dry-run")
    assert counts() == (4, 0)
    told = json.loads(run("--json"))
    reasons = ["cannot be read here", "damaged or empty", "the user's key is too long"]
    assert told["refused"] == dict.fromkeys(reasons, 1)
    assert (told["moved"], counts()) == (1, (3, 1))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("days", "moved"), [(29, 1), (30, 0)])
def test_a_login_past_the_absolute_timeout_does_not_move(settings, clock, days, moved):
    """It would have ended here, so no import makes it young again; the old engine told its age."""
    settings.SESSIONSTORE_ADOPT_FROM = QSESSIONS
    settings.SESSIONSTORE_ABSOLUTE_TIMEOUT = timedelta(days=30)
    old = OldEngine(QSESSIONS).model
    User.objects.create_user("ann", pk=7)
    old_session(QSESSIONS, _auth_user_id="7")
    old.objects.update(expire_date=timezone.now() + timedelta(days=300))
    clock.advance(days=days)
    told = json.loads(run("--json"))
    refused = {} if moved else {"past SESSIONSTORE_ABSOLUTE_TIMEOUT": 1}
    assert (told["moved"], told["refused"]) == (moved, refused)
    assert (ours().count(), old.objects.count()) == (moved, 1 - moved)


@pytest.mark.django_db(transaction=True)
def test_it_can_be_stopped_and_run_again():
    """--limit ends it with exit code 3; the next run moves the rest."""
    make_old_sessions(10)
    with pytest.raises(CommandError) as caught:
        run("--limit=4")
    assert caught.value.returncode == importsessions.ROWS_LEFT
    assert counts() == (6, 4)
    run()
    assert counts() == (0, 10)


@pytest.mark.django_db(transaction=True)
def test_a_limited_run_gets_past_rows_that_cannot_move():
    """They stand first in the table for ever; the limit does not count them."""
    for number in range(3):
        DjangoSession.objects.create(
            session_key=f"{number:032x}",
            session_data="damaged",
            expire_date=timezone.now().replace(year=2099),
        )
    old_session()
    with pytest.raises(CommandError, match="--limit is reached"):
        run("--limit=1", "--batch-size=1", "--sleep=0")
    assert counts() == (3, 1)


def test_a_run_that_was_killed_between_the_tables_is_finished_by_the_next(database, monkeypatch):
    """Inserted here, not yet removed there: counted as here already, and removed."""
    make_old_sessions(3)
    with monkeypatch.context() as dead:
        dead.setattr(OldEngine, "remove", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run()
    run()
    assert counts() == (0, 3)


def test_expired_sessions_are_left_for_clearsessions(database):
    """Only what is live moves."""
    make_old_sessions(2)
    DjangoSession.objects.filter(pk=f"{0:032x}").update(expire_date=timezone.now())
    run()
    assert counts() == (1, 1)


def test_a_session_that_ends_while_the_import_sleeps_is_not_brought_back(place, database):
    """Before or after any of its five statements the user comes and signs out."""

    def sign_out(cookie, user):
        client = browser(cookie)
        assert client.get("/user/").content == user
        assert client.get("/sign_out/").status_code == 200

    for gap in range(10):
        user = f"user{gap}"
        cookie = signed_in(user)
        others = partial(sign_out, cookie, user.encode())
        with asleep_in_gap(gap, others, tables=("django_session", "sessionstore_session")):
            run()
        assert (gap, *counts()) == (gap, 0, 0)
        assert browser(cookie).get("/read/").json() == {}


def test_users_come_while_the_import_runs(place, database):
    """Requests and the command move the same sessions: each is there once, with its data."""
    made = make_old_sessions(300)

    def visit(part):
        lost = []
        for number in range(part, 300, 4):
            session = SessionStore(made[number])
            if session.get("number") != number:
                lost.append(number)
                continue
            session["seen"] = number
            session.save()
        return lost

    def command():
        run("--batch-size=20", "--sleep=0")
        return []

    assert run_together([command, *(partial(visit, part) for part in range(4))]) == [[]] * 5
    assert counts() == (0, 300)
    for number, cookie in enumerate(made):
        data = SessionStore(derived_keys(cookie)[0].text).load()
        assert data == {"number": number, "seen": number}


@pytest.mark.django_db(transaction=True)
def test_secrets_rotate_between_import_and_first_use(settings):
    """A row that was imported under the old secret is found while that is a fallback."""
    cookie = old_session()
    run()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "n" * 50
    assert browser(cookie).get("/read/").json() == {"a": 1}


@pytest.mark.django_db(transaction=True)
def test_each_batch_is_a_few_statements():
    """Read, look up, insert, look again, delete: not one per row."""
    make_old_sessions(20)
    with record_statements() as seen:
        Importer(OldEngine(DJANGO), SessionStore).run(pace=Pace(pause_s=0))
    assert len(seen) == 5


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("source", "adopted", "words"),
    [
        ("django.contrib.sessions.backends.cache", DJANGO, "cannot be listed"),
        ("no.such.engine", DJANGO, "cannot be used"),
        ("sql", DJANGO, "cannot be used"),
        ("sessionstore.backends.sql", DJANGO, "an engine of sessionstore itself"),
        ("django.contrib.sessions.backends.signed_cookies", DJANGO, "live in the browser"),
        (DJANGO, None, "SESSIONSTORE_ADOPT_FROM"),
    ],
)
def test_it_refuses_what_would_log_users_out(settings, source, adopted, words):
    """What has no table, what is no engine, and an import whose cookies nobody would accept."""
    settings.SESSIONSTORE_ADOPT_FROM = adopted
    old_session()
    with pytest.raises(CommandError, match=words):
        run("--from", source)
    assert counts() == (1, 0)


@pytest.mark.django_db
def test_an_old_app_that_was_removed_too_early_is_a_plain_error(settings):
    """In the words of the system check."""
    settings.INSTALLED_APPS = [
        app for app in settings.INSTALLED_APPS if app != "django.contrib.sessions"
    ]
    with pytest.raises(CommandError, match="'sessions' is not in INSTALLED_APPS"):
        run("--dry-run")


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["sessionstore.backends.leaving", DJANGO])
def test_it_needs_an_engine_that_takes_sessions_in(settings, path):
    """The engine that leaves is none, and there is no --engine to name another."""
    settings.SESSION_ENGINE = path
    with pytest.raises(CommandError, match="set SESSION_ENGINE to sql, cached_sql or express"):
        run()


@pytest.mark.django_db
def test_a_missing_old_table_is_not_told_as_ours():
    """It is the one that is missing, and no other is named."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE django_session RENAME TO not_there")
    with pytest.raises(CommandError, match="no table django_session in database 'default'"):
        run()
