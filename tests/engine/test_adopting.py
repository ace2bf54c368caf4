"""SESSIONSTORE_ADOPT_FROM: cookies of another engine move in on first use; nobody is logged out."""

from datetime import datetime, timedelta
from functools import partial
from importlib import import_module
from itertools import count

import pytest
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore as DjangoStore
from django.contrib.sessions.backends.file import SessionStore as FileStore
from django.contrib.sessions.models import Session as DjangoSession
from django.contrib.sessions.serializers import JSONSerializer
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.utils import timezone

from sessionstore.backends.sql import SessionStore
from sessionstore.core.expiry import to_ms
from sessionstore.moving import adoption as adopting
from sessionstore.moving.old_engine import OldEngine, OldRow, old_engine
from tests.engine.old_sessions import (
    DJANGO,
    make_old_sessions,
    old_session,
    ours,
    sign_over,
    signed_in,
)
from tests.engine.pages import MIDDLEWARE, browser, cookie_of
from tests.harness.gaps import asleep_in_gap, in_gap
from tests.harness.statements import record_statements
from tests.harness.threads import run_together

OLD_ENGINES = [
    DJANGO,
    "django.contrib.sessions.backends.cached_db",
    "django.contrib.sessions.backends.cache",
    "django.contrib.sessions.backends.file",
    "qsessions.backends.db",
    "qsessions.backends.cached_db",
    "user_sessions.backends.db",
]
WITH_TABLE = [path for path in OLD_ENGINES if not path.endswith((".cache", ".file"))]
WITH_CACHE = [path for path in WITH_TABLE if path.endswith(".cached_db")]
TABLES = ("django_session", "sessionstore_session")
IMPOSSIBLE = "z" * 32


@pytest.fixture(autouse=True)
def site(settings, tmp_path, monkeypatch):
    """A site that has just switched from Django's engine to ours."""
    monkeypatch.setattr(FileStore, "_storage_path", str(tmp_path), raising=False)
    settings.ROOT_URLCONF = "tests.engine.pages"
    settings.MIDDLEWARE = MIDDLEWARE["ours"]
    settings.SESSIONSTORE_ADOPT_FROM = DJANGO
    yield
    caches["default"].clear()


@pytest.fixture(params=OLD_ENGINES)
def old(request, settings) -> str:
    """One engine after the other that sessions come from."""
    settings.SESSIONSTORE_ADOPT_FROM = request.param
    return request.param


# --- the move


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", MIDDLEWARE)
def test_an_old_cookie_opens_its_session_here(old, settings, kind):
    """The browser is answered with a key of ours, and the old row is gone."""
    settings.MIDDLEWARE = MIDDLEWARE[kind]
    cookie = old_session(old)
    client = browser(cookie)
    assert client.get("/read/").json()["a"] == 1
    assert cookie_of(client) != cookie
    assert not OldEngine(old).holds(cookie)
    assert import_module(old).SessionStore(session_key=cookie).load() == {}  # its cache too
    assert client.get("/read/").json()["a"] == 1
    assert ours().count() == 1


def test_nobody_is_logged_out(database):
    """Who was signed in before the switch is signed in after it."""
    client = browser(signed_in())
    assert [client.get("/user/").content for _ in range(2)] == [b"ann", b"ann"]
    assert ours().get().user_id == str(get_user_model().objects.get().pk)


def test_the_move_takes_five_statements_once(place, database):
    """Look up, insert, look again, remove, and look whether the key that is sent opens the row.

    A parallel request may have signed in meanwhile. The next request reads once.
    """
    client = browser(old_session())
    with record_statements() as seen:
        client.get("/read/")
    tables = ("django_session", "sessionstore_session")
    assert sum(len(seen.about(table)) for table in tables) == 5
    with record_statements() as seen:
        client.get("/read/")
    assert [len(seen.about(table)) for table in tables] == [0, 1]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("old", WITH_TABLE, indirect=True)
def test_the_end_of_the_old_session_is_kept(old):
    """Moving in makes no session live longer than the old row said."""
    cookie = old_session(old)
    rows = old_engine(old)
    end = timezone.now() + timedelta(hours=1)
    rows.model.objects.filter(pk=cookie).update(expire_date=end)
    caches["default"].clear()
    browser(cookie).get("/read/")
    assert ours().get().expires_at == datetime.fromtimestamp(to_ms(end) / 1000, end.tzinfo)


@pytest.mark.django_db(transaction=True)
def test_what_qsessions_knew_is_kept(settings):
    """Address and browser of a signed-in user, and the login as the start of the absolute time."""
    path = settings.SESSIONSTORE_ADOPT_FROM = "qsessions.backends.db"
    get_user_model().objects.create_user("ann", pk=7)
    store = import_module(path).SessionStore(user_agent="Firefox", ip="192.0.2.7")
    store[SESSION_KEY] = "7"
    store.create()
    row = old_engine(path).model.objects
    login = timezone.now() - timedelta(days=2)
    row.update(created_at=login)
    session = SessionStore(store.session_key)
    session.load()
    moved = ours().get()
    assert (moved.ip, moved.user_agent, moved.user_id) == ("192.0.2.7", "Firefox", "7")
    assert abs(moved.authenticated_at - login) < timedelta(seconds=1)
    assert moved.created_at > login


@pytest.mark.django_db(transaction=True)
def test_an_unknown_login_time_is_not_made_up(settings):
    """A page that asks for a recent login asks a user who has just moved in."""
    SessionStore(signed_in()).load()
    assert ours().get().authenticated_at is None


@pytest.mark.django_db(transaction=True)
def test_the_absolute_timeout_counts_from_the_move(settings, clock):
    """Django's table does not know how old a session is, so the move is its start."""
    settings.SESSIONSTORE_ABSOLUTE_TIMEOUT = timedelta(hours=1)
    client = browser(old_session())
    client.get("/read/")
    clock.advance(minutes=59)
    assert client.get("/read/").json() == {"a": 1}
    clock.advance(minutes=2)
    assert client.get("/read/").json() == {}


@pytest.mark.django_db(transaction=True)
def test_a_session_past_the_absolute_timeout_does_not_move(settings):
    """What qsessions says is too old under our policy is over."""
    path = settings.SESSIONSTORE_ADOPT_FROM = "qsessions.backends.db"
    settings.SESSIONSTORE_ABSOLUTE_TIMEOUT = timedelta(days=1)
    get_user_model().objects.create_user("ann", pk=7)
    cookie = old_session(path, **{SESSION_KEY: "7"})
    rows = old_engine(path).model.objects
    rows.update(created_at=timezone.now() - timedelta(days=2))
    assert browser(cookie).get("/read/").json() == {}
    assert (rows.count(), ours().count()) == (0, 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", MIDDLEWARE)
def test_a_page_that_does_not_look_keeps_the_old_cookie(settings, kind):
    """No SQL, and the browser is not told to forget a cookie that still opens something."""
    settings.MIDDLEWARE = MIDDLEWARE[kind]
    client = browser(old_session())
    with record_statements() as seen:
        response = client.get("/plain/")
    assert (list(seen), dict(response.cookies)) == ([], {})


@pytest.mark.django_db(transaction=True)
def test_an_error_page_carries_the_new_cookie():
    """The row is moved, so the browser must learn its key even when the view fails."""
    client = browser(old_session())
    assert client.get("/fail/").status_code == 500
    assert SessionStore(cookie_of(client))["a"] == 1


@pytest.mark.django_db(transaction=True)
async def test_an_async_load_moves_the_session_too():
    """The same in a thread."""
    cookie = await import_module("asgiref.sync").sync_to_async(old_session)()
    session = SessionStore(cookie)
    assert await session.aget("a") == 1
    assert session.session_key != cookie


@pytest.mark.django_db(transaction=True)
def test_the_old_key_is_shown_nowhere():
    """Neither repr nor handle of an adopted session tells a cookie."""
    cookie = old_session()
    session = SessionStore(cookie)
    assert cookie not in repr(session)
    session.load()
    assert session.session_key not in repr(session)
    row = OldRow(DjangoSession(cookie, DjangoStore().encode({"a": 1}), timezone.now()))
    assert cookie not in repr([row, old_engine(DJANGO).session_of(row)])


# --- the old cookie


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("seconds", "answer"), [(59, {"a": 1}), (60, {}), (3600, {})])
def test_the_old_cookie_is_accepted_for_a_minute(clock, old, seconds, answer):
    """The other requests of the page come with it; later it opens nothing."""
    cookie = old_session(old)
    browser(cookie).get("/read/")
    clock.advance(seconds=seconds)
    data = browser(cookie).get("/read/").json()
    assert {key: data[key] for key in data if key == "a"} == answer


@pytest.mark.django_db(transaction=True)
def test_use_does_not_extend_the_minute(clock):
    """A minute after the move it is over, however often the old cookie was used in it."""
    cookie = old_session()
    for _ in range(4):
        assert browser(cookie).get("/add/b/").json()["a"] == 1
        clock.advance(seconds=19)
    assert browser(cookie).get("/read/").json() == {}


@pytest.mark.parametrize("way", ["sign_out", "flush"])
@pytest.mark.parametrize("new_cookie", [True, False])
def test_a_logout_within_the_minute_is_final(database, way, new_cookie):
    """Under the new cookie or the old one: afterwards both open nothing."""
    cookie = signed_in()
    client = browser(cookie)
    client.get("/read/")
    moved = cookie_of(client)
    (client if new_cookie else browser(cookie)).get(f"/{way}/")
    assert [browser(one).get("/read/").json() for one in (cookie, moved)] == [{}, {}]
    assert (ours().count(), DjangoSession.objects.count()) == (0, 0)


@pytest.mark.parametrize("way", ["sign_out", "flush", "sign_out_and_fail"])
def test_a_logout_as_the_first_thing_is_final(place, database, way):
    """Nobody has moved the session yet; a rollback brings neither row back."""
    cookie = signed_in()
    browser(cookie).get(f"/{way}/")
    assert browser(cookie).get("/read/").json() == {}
    assert (ours().count(), DjangoSession.objects.count()) == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_a_login_within_the_minute_ends_the_old_cookie():
    """A login changes the key, and what the old cookie led to is not there any more."""
    cookie = old_session()
    session = SessionStore(cookie)
    session.load()
    session.cycle_key()
    assert browser(cookie).get("/read/").json() == {}


def test_an_answer_does_not_take_a_login_away_that_came_meanwhile(place, database):
    """The key is looked at last: who signs in before that has changed it, and none is sent."""

    def sign_in(cookie):
        session = SessionStore(cookie)
        session.load()
        session.cycle_key()
        return session.session_key

    for gap in range(6, 9):
        cookie, keys = old_session(), []
        late = browser(cookie)
        meanwhile = partial(run_together, [partial(sign_in, cookie)])
        with in_gap(gap, lambda keys=keys, run=meanwhile: keys.extend(run()), tables=TABLES):
            late.get("/read/")
        assert (gap, cookie_of(late)) == (gap, cookie)
        assert (gap, browser(keys[0]).get("/read/").json()) == (gap, {"a": 1})


def test_a_late_mover_does_not_undo_a_logout(place, database):
    """It sleeps before or after any of its five statements while others move it and sign out."""

    def move_and_sign_out(cookie, user):
        client = browser(cookie)
        assert client.get("/user/").content == user
        assert client.get("/sign_out/").status_code == 200

    for gap in range(10):
        user = f"user{gap}"
        cookie = signed_in(user)
        late = browser(cookie)
        others = partial(move_and_sign_out, cookie, user.encode())
        with asleep_in_gap(gap, others, tables=TABLES):
            assert late.get("/user/").status_code == 200
        seen = [one.get("/user/").content for one in (late, browser(cookie))]
        assert (gap, seen) == (gap, [b"", b""])
        assert (gap, ours().count(), DjangoSession.objects.count()) == (gap, 0, 0)


def test_a_mover_that_died_anywhere_loses_nothing(place, database):
    """Before or after any of its statements: the next request goes on from there."""
    for gap in range(8):
        cookie = old_session()
        with pytest.raises(ZeroDivisionError), in_gap(gap, lambda: 1 / 0, tables=TABLES):
            SessionStore(cookie).load()
        assert (gap, browser(cookie).get("/read/").json()) == (gap, {"a": 1})
        assert (ours().count(), DjangoSession.objects.count()) == (gap + 1, 0)


def test_a_mover_that_died_half_way_loses_nothing_ever(place, database, monkeypatch, clock):
    """Inserted here, not yet removed there: the next request finishes the move, however late."""
    cookie = old_session()
    with monkeypatch.context() as dead:
        dead.setattr(OldEngine, "remove", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            SessionStore(cookie).load()
    clock.advance(hours=1)
    client = browser(cookie)
    assert client.get("/read/").json() == {"a": 1}
    client.get("/flush/")
    assert browser(cookie).get("/read/").json() == {}


class BrokenCache(LocMemCache):
    """A cache that is down; what its library says holds the password."""

    def _fail(self, *_args, **_named):
        raise ConnectionError("redis://:the-password@cache")

    get = set = delete = delete_many = _fail


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("old", WITH_CACHE, indirect=True)
def test_an_old_cache_that_is_down_logs_nobody_out(old, settings, caplog, clock):
    """Its table is the truth, and is emptied; the browser gets its new cookie."""
    cookie = old_session(old)
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.BrokenCache"}}
    client = browser(cookie)
    assert client.get("/read/").json()["a"] == 1
    assert not OldEngine(old).holds(cookie)
    clock.advance(minutes=5)
    assert client.get("/read/").json()["a"] == 1
    assert [record.name for record in caplog.records] == ["sessionstore"]
    assert "ConnectionError" in caplog.text
    assert "the-password" not in caplog.text


# --- cookies that are no session


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("save_always", [False, True])
@pytest.mark.parametrize("kind", MIDDLEWARE)
def test_a_forged_cookie_costs_two_look_ups_and_makes_no_row(settings, kind, save_always):
    """One in the old table, one here for a session that has just moved; none is written."""
    settings.MIDDLEWARE = MIDDLEWARE[kind]
    settings.SESSION_SAVE_EVERY_REQUEST = save_always
    with record_statements() as seen:
        assert browser(IMPOSSIBLE).get("/read/").json() == {}
    assert {one.sql.split()[0] for one in seen} == {"SELECT"}
    assert [len(seen.about(table)) for table in ("django_session", "sessionstore_session")] == [
        1,
        1,
    ]
    assert (ours().count(), DjangoSession.objects.count()) == (0, 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "cookie", ["", "x", "A" * 32, "a" * 31 + "\0", "a" * 41, "ä" * 32, "a" * 31 + " "]
)
def test_what_cannot_be_an_old_key_costs_no_sql(cookie):
    """Malformed cookies are refused before any SQL, also of the old table."""
    session = SessionStore(cookie)
    with record_statements() as seen:
        assert session.load() == {}
    assert list(seen) == []


@pytest.mark.django_db(transaction=True)
def test_without_the_setting_an_old_cookie_is_nothing(settings):
    """Nobody pays for the look-up who does not move."""
    cookie = old_session()
    settings.SESSIONSTORE_ADOPT_FROM = None
    with record_statements() as seen:
        assert SessionStore(cookie).load() == {}
    assert list(seen) == []


@pytest.mark.django_db(transaction=True)
def test_an_expired_old_session_does_not_move():
    """Expiry is enforced in the old table too."""
    cookie = old_session()
    DjangoSession.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert SessionStore(cookie).load() == {}
    assert ours().count() == 0


@pytest.mark.django_db(transaction=True)
def test_a_damaged_old_row_is_no_session():
    """As in Django: an empty session, no error."""
    cookie = old_session()
    DjangoSession.objects.update(session_data="damaged")
    assert SessionStore(cookie).load() == {}


# From Python 3.14 on the size of the stack is the limit.
TOO_DEEP = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
UNREADABLE = [TOO_DEEP, b"\x80\x04}.", b"[1]", b"[]"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", WITH_TABLE)
@pytest.mark.parametrize("payload", UNREADABLE)
def test_what_is_signed_and_cannot_be_read_is_told_and_left(settings, caplog, path, payload):
    """Nested too deep, or of another serializer: a 503 that leaves the row and the cookie."""
    settings.SESSIONSTORE_ADOPT_FROM = path
    cookie = old_session(path)
    sign_over(cookie, payload, path)
    client = browser(cookie)
    for page in ("/read/", "/add/more/"):
        response = client.get(page)
        assert (response.status_code, "sessionid" in response.cookies) == (503, False)
    assert f"engine={path}" in caplog.text
    assert cookie not in caplog.text
    assert (ours().count(), OldEngine(path).holds(cookie)) == (0, True)


@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_read_can_be_signed_out_of():
    """Its end needs no data."""
    cookie = old_session()
    sign_over(cookie, TOO_DEEP)
    SessionStore(cookie).flush()
    assert DjangoSession.objects.count() == 0


# --- sessions that our limits would not let in


def nested(levels: int) -> dict:
    """Return dicts inside one another."""
    data: dict = {}
    for _ in range(levels):
        data = {"inner": data}
    return data


@pytest.mark.parametrize("encrypt", [False, True])
@pytest.mark.parametrize("large", [{"text": "x" * 5000}, {"tree": nested(200)}])
def test_what_is_above_our_limits_moves_and_can_be_signed_out_of(
    database, settings, large, encrypt
):
    """What is stored may be read; the limit binds the next change, and names the key."""
    settings.SESSIONSTORE_MAX_BYTES = 1000
    settings.SESSIONSTORE_ENCRYPT = encrypt
    cookie = old_session(**large)
    client = browser(cookie)
    for _ in range(2):
        assert client.get("/read/").json() == {"a": 1, **large}
    assert cookie_of(client) != cookie
    assert client.get("/add/more/").status_code == 500
    assert client.get("/sign_out/").status_code == 200
    assert (ours().count(), DjangoSession.objects.count()) == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_what_moves_can_be_read():
    """Also 17 MiB of text: the old row is gone by then."""
    large = "x" * (17 * 2**20)
    cookie = old_session(text=large)
    session = SessionStore(cookie)
    assert session["text"] == large
    assert SessionStore(session.session_key)["text"] == large
    assert DjangoSession.objects.count() == 0


class WriteOnly(JSONSerializer):
    """A serializer that reads what Django has written, and not what it writes itself."""

    def dumps(self, data):
        return b"x" + super().dumps(data)


@pytest.mark.django_db(transaction=True)
def test_what_could_not_be_read_here_stays_there(settings, caplog):
    """Whoever writes checks what the reader can read, before the old row is removed."""
    cookie = old_session()
    settings.SESSION_SERIALIZER = f"{__name__}.WriteOnly"
    assert SessionStore(cookie).load() == {}
    assert "cannot read what it has written" in caplog.text
    assert (ours().count(), DjangoSession.objects.count()) == (0, 1)


@pytest.mark.django_db(transaction=True)
def test_what_our_serializer_cannot_write_stays_there(settings, caplog):
    """A cache holds any object: the visitor is served as a new one, and the log says why."""
    path = settings.SESSIONSTORE_ADOPT_FROM = "django.contrib.sessions.backends.cache"
    cookie = old_session(path, moment=timezone.now())
    client = browser(cookie)
    assert client.get("/read/").json() == {}
    assert OldEngine(path).holds(cookie)
    assert "cannot move, and stays there" in caplog.text
    assert "datetime is not JSON serializable" in caplog.text


# --- many at once


def test_parallel_requests_of_one_page_reach_one_row(place, database):
    """Eight requests with the old cookie, each with a change: one row, eight changes, one key."""
    for _ in range(5):
        cookie = old_session()
        clients = [browser(cookie) for _ in range(8)]
        answers = run_together(
            [partial(client.get, f"/add/k{n}/") for n, client in enumerate(clients)]
        )
        assert [answer.status_code for answer in answers] == [200] * 8
        assert len({cookie_of(client) for client in clients}) == 1
        data = SessionStore(cookie_of(clients[0])).load()
        assert data == {"a": 1, **{f"k{n}": f"k{n}" for n in range(8)}}
    assert (ours().count(), DjangoSession.objects.count()) == (5, 0)


@pytest.mark.only_on("sqlite")
def test_parallel_requests_reach_one_row_from_each_engine(old, database):
    """Also where the old sessions are in a cache, in files, or in a table behind a cache."""
    for _ in range(3):
        cookie = old_session(old)
        clients = [browser(cookie) for _ in range(8)]
        answers = run_together(
            [partial(client.get, f"/add/k{n}/") for n, client in enumerate(clients)]
        )
        assert [answer.status_code for answer in answers] == [200] * 8
        assert len({cookie_of(client) for client in clients}) == 1
        data = SessionStore(cookie_of(clients[0])).load()
        assert data.items() >= {"a": 1, **{f"k{n}": f"k{n}" for n in range(8)}}.items()
        assert not OldEngine(old).holds(cookie)
    assert ours().count() == 3


@pytest.mark.parametrize(
    ("sessions", "threads"),
    [(60, 8), pytest.param(5_000, 8, marks=pytest.mark.soak)],
)
def test_all_sessions_of_a_site_move_in(place, database, sessions, threads):
    """Four requests each, at once, as a page makes them: 0 logouts, 0 lost keys."""
    made = make_old_sessions(sessions)
    turns = count()

    def visit():
        lost = []
        while (turn := next(turns)) < sessions * 4:
            number = turn // 4
            session = SessionStore(made[number])
            if session.get("number") != number:
                lost.append(number)
                continue
            session[f"part{turn % 4}"] = turn
            session.save()
        return lost

    assert run_together([visit] * threads, seconds=3600) == [[]] * threads
    assert (ours().count(), DjangoSession.objects.count()) == (sessions, 0)
    for number, cookie in enumerate(made):
        data = SessionStore(adopting.derived_keys(cookie)[0].text).load()
        parts = {f"part{part}": number * 4 + part for part in range(4)}
        assert data == {"number": number, **parts}
