"""The engine that moves sessions back to Django's table, and the way back from there."""

from datetime import timedelta
from functools import partial
from itertools import count

import pytest
from django.contrib.sessions.backends.db import SessionStore as DjangoStore
from django.contrib.sessions.models import Session as DjangoSession
from django.core.management import call_command
from django.utils import timezone

from sessionstore.backends.cached_sql import SessionStore as CachedStore
from sessionstore.backends.leaving import SessionStore
from sessionstore.backends.sql import SessionStore as SqlStore
from sessionstore.conf import conf
from sessionstore.table import rows
from sessionstore.table.statements import compose
from tests.engine.old_sessions import DJANGO, make_old_sessions, ours, signed_in
from tests.engine.pages import MIDDLEWARE, browser, cookie_of
from tests.harness.gaps import asleep_in_gap, in_gap
from tests.harness.process import free_port
from tests.harness.threads import run_together

TABLES = ("django_session", "sessionstore_session")
LEAVING, SQL = "sessionstore.backends.leaving", "sessionstore.backends.sql"


@pytest.fixture(autouse=True)
def site(settings):
    """A site that goes back to Django's engine."""
    settings.ROOT_URLCONF = "tests.engine.pages"
    settings.MIDDLEWARE = MIDDLEWARE["ours"]
    settings.SESSION_ENGINE = LEAVING


def stored(**data) -> str:
    """Return the cookie of a session of ours."""
    session = SqlStore()
    session.update({"a": 1, **data})
    session.save()
    return session.session_key


@pytest.mark.parametrize("kind", MIDDLEWARE)
def test_a_cookie_of_ours_opens_its_session_there(place, database, settings, kind):
    """The browser is answered with a key of Django's, and the site can drop our app later."""
    settings.MIDDLEWARE = MIDDLEWARE[kind]
    client = browser(stored())
    assert client.get("/add/b/").json() == {"a": 1, "b": "b"}
    assert len(cookie_of(client)) == 32
    settings.SESSION_ENGINE = DJANGO
    assert client.get("/read/").json() == {"a": 1, "b": "b"}


class Cached(CachedStore):
    """An engine of its own, whose table no other test has used."""


class LeavingCached(SessionStore):
    """The way out for a site with a cache in front of its sessions."""

    ours = Cached


@pytest.mark.django_db(transaction=True)
def test_what_one_request_found_out_is_known_to_the_next(settings, monkeypatch, caplog):
    """Statements are composed once, and a cache that is down is asked once."""
    url = f"redis://127.0.0.1:{free_port()}"
    settings.CACHES = {"default": {"BACKEND": "sessionstore.caches.RedisCache", "LOCATION": url}}
    cookies = [stored() for _ in range(3)]
    composed = []
    monkeypatch.setattr(rows, "compose", lambda *args: composed.append(1) or compose(*args))
    assert [LeavingCached(cookie).load() for cookie in cookies] == [{"a": 1}] * 3
    assert len(composed) == 1
    assert len(caplog.records) == 1


def test_nobody_is_logged_out_there_and_back(database, settings):
    """In from Django, out to Django, in again: the user stays signed in all the way."""
    client = browser(signed_in())
    for engine in (SQL, LEAVING, SQL, LEAVING, DJANGO):
        settings.SESSION_ENGINE = engine
        settings.SESSIONSTORE_ADOPT_FROM = DJANGO if engine == SQL else None
        assert [client.get("/user/").content for _ in range(2)] == [b"ann", b"ann"], engine


@pytest.mark.django_db(transaction=True)
def test_nothing_of_the_user_is_left_here():
    """What stays for a minute is a signpost without data, user or address."""
    cookie = stored(_auth_user_id="7")
    browser(cookie).get("/read/")
    row = ours().get()
    assert (row.user_id, row.ip, row.user_agent) == (None, None, None)
    assert row.get_decoded() == {"_sessionstore_left": True}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("seconds", "answer"), [(59, {"a": 1}), (60, {}), (3600, {})])
def test_our_cookie_is_accepted_for_a_minute(clock, seconds, answer):
    """For the other requests of the page, and then never again."""
    cookie = stored()
    browser(cookie).get("/read/")
    clock.advance(seconds=seconds)
    assert browser(cookie).get("/read/").json() == answer


@pytest.mark.parametrize("way", ["sign_out", "flush"])
@pytest.mark.parametrize("moved", ["new cookie", "old cookie", "not yet"])
def test_a_logout_is_final(place, database, way, moved):
    """Before the move, and within the minute after it, under either cookie."""
    cookie = stored(_auth_user_id="7")
    client = browser(cookie)
    if moved != "not yet":
        client.get("/read/")
    (client if moved == "new cookie" else browser(cookie)).get(f"/{way}/")
    assert browser(cookie).get("/read/").json() == {}
    assert DjangoSession.objects.count() == 0


def test_a_late_mover_does_not_undo_a_logout(place, database):
    """It sleeps before or after any of its four statements while others move it and sign out."""

    def move_and_sign_out(cookie):
        client = browser(cookie)
        assert client.get("/read/").json() == {"a": 1}
        assert client.get("/flush/").status_code == 200

    for gap in range(8):
        cookie = stored()
        late = browser(cookie)
        with asleep_in_gap(gap, partial(move_and_sign_out, cookie), tables=TABLES):
            late.get("/read/")
        seen = [one.get("/read/").json() for one in (late, browser(cookie))]
        assert (gap, seen) == (gap, [{}, {}])
        assert (gap, DjangoSession.objects.count()) == (gap, 0)


def test_a_mover_that_died_anywhere_loses_nothing(place, database):
    """Before or after any of its statements: the next request goes on from there."""
    for gap in range(8):
        cookie = stored()
        with pytest.raises(ZeroDivisionError), in_gap(gap, lambda: 1 / 0, tables=TABLES):
            SessionStore(cookie).load()
        assert (gap, browser(cookie).get("/read/").json()) == (gap, {"a": 1})
        assert DjangoSession.objects.count() == gap + 1


@pytest.mark.django_db(transaction=True)
def test_the_end_of_the_session_is_kept():
    """Until Django saves it again: from then on its rules apply."""
    session = SqlStore()
    session.set_expiry(timedelta(hours=2))
    session.save()
    SessionStore(session.session_key).load()
    left = DjangoSession.objects.get()
    assert abs(left.expire_date - timezone.now() - timedelta(hours=2)) < timedelta(seconds=5)


@pytest.mark.parametrize("timeout", ["ABSOLUTE", "IDLE"])
def test_a_session_past_a_timeout_that_was_tightened_does_not_leave(
    database, settings, clock, timeout
):
    """It opens nothing here any more, so it must not begin anew there."""
    cookie = stored(_auth_user_id="7")
    clock.advance(hours=2)
    setattr(settings, f"SESSIONSTORE_{timeout}_TIMEOUT", timedelta(hours=1))
    assert SqlStore(cookie).load() == {}
    assert SessionStore(cookie).load() == {}
    assert DjangoSession.objects.count() == 0


def test_a_session_ends_there_when_it_would_have_ended_here(database, settings, clock):
    """By today's timeouts, not those that its row was written under."""
    cookie = stored(_auth_user_id="7")
    clock.advance(minutes=30)
    settings.SESSIONSTORE_ABSOLUTE_TIMEOUT = timedelta(hours=1)
    assert SessionStore(cookie).load()["_auth_user_id"] == "7"
    left = DjangoSession.objects.get().expire_date - timezone.now()
    assert round(left / timedelta(minutes=1)) == 30


@pytest.mark.django_db(transaction=True)
def test_an_own_end_works_without_time_zones(settings):
    """Django compares it with naive moments then."""
    settings.USE_TZ = False
    session = SqlStore()
    session.set_expiry(timedelta(hours=2))
    session.save()
    left = SessionStore(session.session_key)
    left.load()
    assert 7190 < left.get_expiry_age() <= 7200


def test_imported_sessions_go_back_under_their_old_cookie(place, database, settings):
    """The switch is undone before their users came; a logout after that is final."""
    cookie = signed_in()
    settings.SESSION_ENGINE, settings.SESSIONSTORE_ADOPT_FROM = SQL, DJANGO
    call_command("importsessions", verbosity=0)
    settings.SESSION_ENGINE = LEAVING
    client = browser(cookie)
    assert client.get("/user/").content == b"ann"
    assert DjangoSession.objects.get().pk == cookie
    client.get("/sign_out/")
    assert browser(cookie).get("/read/").json() == {}


@pytest.mark.django_db(transaction=True)
def test_an_old_cookie_that_was_replaced_does_not_come_back(settings):
    """Its session moved in and was used; only the new cookie takes it out again."""
    cookie = signed_in()
    settings.SESSION_ENGINE, settings.SESSIONSTORE_ADOPT_FROM = SQL, DJANGO
    client = browser(cookie)
    client.get("/read/")
    settings.SESSION_ENGINE = LEAVING
    assert browser(cookie).get("/read/").json() == {}
    assert client.get("/user/").content == b"ann"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("cookie", ["v" * 40, "z" * 32, "x"])
def test_cookies_that_are_no_session_stay_none(cookie):
    """Forged ones of ours, unknown ones of Django's."""
    assert browser(cookie).get("/read/").json() == {}


@pytest.mark.django_db(transaction=True)
async def test_an_async_load_moves_the_session_too():
    """Django's async methods are of their own."""
    session = SqlStore()
    await session.aset("a", 1)
    await session.asave()
    left = SessionStore(session.session_key)
    assert await left.aget("a") == 1
    await left.aflush()
    assert await SessionStore(session.session_key).aget("a") is None


@pytest.mark.django_db(transaction=True)
def test_clearsessions_clears_both_tables(clock):
    """Signposts here, expired sessions there."""
    browser(stored()).get("/read/")
    clock.advance(days=30)
    call_command("clearsessions", verbosity=0)
    assert (ours().count(), DjangoSession.objects.count()) == (0, 0)


def test_parallel_requests_of_one_page_reach_one_row(place, database):
    """Eight at once with our cookie: one row there, one key, nobody is logged out."""
    for _ in range(5):
        cookie = stored()
        clients = [browser(cookie) for _ in range(8)]
        answers = run_together([partial(client.get, "/read/") for client in clients])
        assert [answer.json() for answer in answers] == [{"a": 1}] * 8
        assert len({cookie_of(client) for client in clients}) == 1
    assert DjangoSession.objects.count() == 5


@pytest.mark.parametrize(
    ("sessions", "threads"),
    [(60, 8), pytest.param(5_000, 8, marks=pytest.mark.soak)],
)
def test_all_sessions_of_a_site_move_out(place, database, settings, sessions, threads):
    """Moved in by the command, out by four requests each at once: 0 logouts, 0 lost keys."""
    settings.SESSION_ENGINE, settings.SESSIONSTORE_ADOPT_FROM = SQL, DJANGO
    make_old_sessions(sessions)
    call_command("importsessions", verbosity=0, sleep=0)
    assert DjangoSession.objects.count() == 0
    settings.SESSION_ENGINE, settings.SESSIONSTORE_ADOPT_FROM = LEAVING, None
    keys = [conf.keyring.derive_from(f"{n:032x}", conf.secrets[0]) for n in range(sessions)]
    turns = count()

    def visit():
        lost = []
        while (turn := next(turns)) < sessions * 4:
            number = turn // 4
            if SessionStore(keys[number].text).get("number") != number:
                lost.append(number)
        return lost

    assert run_together([visit] * threads, seconds=3600) == [[]] * threads
    assert DjangoSession.objects.count() == sessions
    for number, key in enumerate(keys):
        assert DjangoStore(conf.keyring.key_for_django(key)).load() == {"number": number}
