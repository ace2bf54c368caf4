"""The cache in front of the table: it saves reads, and is never believed wrongly."""

import pickle
import secrets
import threading
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
import redis
from django.core.cache import caches
from django.core.cache.backends.redis import RedisCache
from django.core.management import call_command
from django.db import OperationalError, connections, transaction

from sessionstore.backends.cached_sql import SessionStore
from sessionstore.backends.sql import SessionStore as SqlSessionStore
from sessionstore.cache import entries as row_cache
from sessionstore.cache.rows import CachedTable
from sessionstore.caches import with_kept_client
from sessionstore.conf import conf
from sessionstore.models import Session
from sessionstore.session.drafts import table_of
from sessionstore.table.rows import SqlTable
from tests.engine.old_sessions import make_old_sessions
from tests.harness.process import free_port
from tests.harness.statements import record_statements
from tests.harness.threads import run_together

pytestmark = [pytest.mark.only_on("sqlite")]


DJANGOS, OURS = "django.core.cache.backends.redis.RedisCache", "sessionstore.caches.RedisCache"
MEMCACHED = "django.core.cache.backends.memcached.PyMemcacheCache"
# As the page recommends them.
OPTIONS = {"socket_timeout": 0.2, "socket_connect_timeout": 0.2}
OF_MEMCACHED = {"timeout": 0.2, "connect_timeout": 0.2, "retry_timeout": 0, "dead_timeout": 0}


@pytest.fixture(autouse=True, params=[DJANGOS, OURS, MEMCACHED])
def site_cache(request, settings, database):
    """A private server as on a real site: Redis by Django's backend and by ours, memcached."""
    table_of.cache_clear()  # a breaker that another test has tripped
    if request.param == MEMCACHED:
        where = request.getfixturevalue("memcached") | {"OPTIONS": OF_MEMCACHED}
    else:
        where = {"LOCATION": request.getfixturevalue("redis_url"), "OPTIONS": OPTIONS}
    settings.CACHES = {"default": {"BACKEND": request.param, **where}}
    yield settings.CACHES["default"]
    caches.close_all()


in_redis = pytest.mark.parametrize("site_cache", [DJANGOS, OURS], indirect=True)


@pytest.fixture
def cache_is_away(settings, site_cache):
    """A block in which the cache cannot be reached, for us only."""

    @contextmanager
    def away():
        port, present = free_port(), settings.CACHES
        address = f"redis://127.0.0.1:{port}/0"
        if site_cache["BACKEND"] == MEMCACHED:
            address = f"127.0.0.1:{port}"
        caches.close_all()
        settings.CACHES = {"default": site_cache | {"LOCATION": address}}
        yield
        settings.CACHES = present

    return away


@pytest.fixture
def saved():
    session = SessionStore()
    session.update({"a": 1, "_auth_user_id": "7"})
    session.save()
    return session


def sql(seen) -> list[str]:
    return [statement.sql.split()[0] for statement in seen]


def forget(session, *, fence):
    """Let the cache lose the entry of a session, as when it is full, and its fence."""
    caches["default"].delete_many(names_of(session)[not fence :])


def names_of(session) -> tuple[str, str]:
    """Return the keys of its fence and its entry."""
    return SessionStore.get_table()._cache._names(digest_of(session))


def digest_of(session) -> bytes:
    """Return by what the cache knows the row of a session."""
    return conf.keyring.open(session.session_key).digest


def insert_others(session, number) -> list[bytes]:
    """Insert so many rows like that of a session, behind the cache's back; return their ids."""
    table = SqlSessionStore.get_table()
    row = table.find(session.row_id, 0)
    others = [replace(row, id=n.to_bytes(16), digest=n.to_bytes(32)) for n in range(number)]
    table.insert_many(others)
    return [other.id for other in others]


def as_another_worker():
    """Return a table and a cache that share nothing with those of this process."""
    return CachedTable(Session)


# --- what it saves


def test_a_hit_costs_no_sql(saved):
    """Read-through and write-through: what was written is read without asking the table."""
    with record_statements() as seen:
        assert SessionStore(saved.session_key)["a"] == 1
    assert sql(seen) == []
    again = SessionStore(saved.session_key)
    again["a"] = 2
    with record_statements() as seen:
        again.save()
        assert SessionStore(saved.session_key)["a"] == 2
    assert sql(seen) == ["UPDATE"]


def test_a_miss_is_filled_in(saved):
    """A flushed cache costs one SELECT."""
    caches["default"].clear()
    with record_statements() as seen:
        assert [SessionStore(saved.session_key)["a"] for _ in range(3)] == [1, 1, 1]
    assert sql(seen) == ["SELECT"]


@in_redis
def test_a_hit_is_one_question_to_the_cache(saved, monkeypatch):
    """Fence and entry come together."""
    asked = []
    get_many = RedisCache.get_many
    monkeypatch.setattr(
        RedisCache, "get_many", lambda *args, **named: asked.append(1) or get_many(*args, **named)
    )
    for name in ("get", "set", "add", "incr"):
        monkeypatch.setattr(RedisCache, name, lambda *_, name=name, **__: asked.append(name))
    assert SessionStore(saved.session_key)["a"] == 1
    assert asked == [1]


@in_redis
def test_a_hold_of_one_session_is_no_transaction(saved, monkeypatch):
    """An end puts up one before the DELETE, and one after it."""
    asked = []
    for name in ("set", "set_many"):
        monkeypatch.setattr(RedisCache, name, lambda *_, name=name, **__: asked.append(name))
    SessionStore(saved.session_key).delete(saved.session_key)
    assert asked == ["set", "set"]


def test_a_new_key_is_known_at_once(saved):
    """After a login the next page is a hit, and the old key opens nothing."""
    old = saved.session_key
    saved.cycle_key()
    with record_statements() as seen:
        assert SessionStore(saved.session_key)["a"] == 1
    assert sql(seen) == []
    assert SessionStore(old).load() == {}


def test_a_touch_reaches_the_entry(saved, settings, clock):
    """Else each read after it would touch again."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = 1800
    session = SessionStore()
    session["a"] = 1
    session.save()
    clock.advance(seconds=100)
    touching = SessionStore(session.session_key)
    assert touching["a"] == 1
    assert touching.touch()
    with record_statements() as seen:
        assert not SessionStore(session.session_key).modified
        assert SessionStore(session.session_key).load() == {"a": 1}
    assert sql(seen) == []


def test_both_engines_share_one_table(saved):
    """A site can switch between them."""
    assert SqlSessionStore(saved.session_key)["a"] == 1
    other = SqlSessionStore()
    other["b"] = 2
    other.save()
    assert SessionStore(other.session_key)["b"] == 2


@in_redis
@pytest.mark.parametrize("way", ["begin", "write", "fill", "touch"])
def test_what_changes_behind_the_cache_is_seen_within_a_minute(
    saved, settings, redis_url, clock, way
):
    """However an entry was written, it ends a minute after its row was read at the latest."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = 1800
    settings.SESSIONSTORE_TOUCH_INTERVAL = 30
    saved["n"] = 1
    minute = 60
    match way:
        case "begin":
            saved.cycle_key()
        case "write":
            saved.save()
        case "fill":
            saved.save()
            caches["default"].clear()
            assert SessionStore(saved.session_key)["n"] == 1
        case "touch":
            saved.save()
            clock.advance(seconds=40)
            minute -= 40
            assert SessionStore(saved.session_key).touch()
    with redis.Redis.from_url(redis_url) as client:
        entry = caches["default"].make_key(names_of(saved)[1])
        assert 0 < client.ttl(entry) <= minute - row_cache.FILL_WITHIN_S
        other = SqlSessionStore(saved.session_key)
        other["n"] = 2
        other.save()
        client.delete(entry)
    assert SessionStore(saved.session_key)["n"] == 2


@in_redis
def test_a_clock_ahead_makes_no_entry_live_longer(saved, settings, redis_url, clock):
    """Else a session that has ended behind the cache would be believed for ten minutes."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = 1800
    caches["default"].clear()
    clock.advance(minutes=12)
    assert SessionStore(saved.session_key)["a"] == 1
    clock.advance(minutes=-10)
    assert SessionStore(saved.session_key).touch()
    with redis.Redis.from_url(redis_url) as client:
        entry = caches["default"].make_key(names_of(saved)[1])
        assert 0 < client.ttl(entry) <= row_cache.ENTRY_S


# --- what it reveals


@in_redis
def test_the_cache_holds_neither_cookie_nor_digest_nor_data(saved, redis_url):
    """Names are hashes, and an entry has the sealed columns of the table."""
    saved["note"] = "the alarm code is 4711"
    saved.save()
    row = Session.objects.get()
    with redis.Redis.from_url(redis_url) as client:
        names = client.keys()
        entries = [client.get(name) for name in names]
    assert len(names) == 2
    everything = b"".join([*names, *entries])
    for secret in (saved.session_key.encode(), bytes(row.digest), bytes(row.digest).hex().encode()):
        assert secret not in everything
    [entry] = [pickle.loads(entry) for entry in entries if not entry.isdigit()]  # noqa: S301 - our own
    assert entry[:2] == (bytes(row.id), bytes(row.data))


@in_redis
def test_an_encrypted_session_is_encrypted_in_the_cache(settings, redis_url):
    """The cache gets what the table gets."""
    settings.SESSIONSTORE_ENCRYPT = True
    session = SessionStore()
    session["note"] = "the alarm code is 4711"
    session.save()
    with redis.Redis.from_url(redis_url) as client:
        assert b"4711" not in b"".join(map(client.get, client.keys()))
    assert SessionStore(session.session_key)["note"] == "the alarm code is 4711"


def test_another_table_does_not_answer_for_this_one(saved):
    """Two engines on one cache keep their sessions apart."""
    digest = Session.objects.get().digest
    cache = row_cache.RowCache("another.table")
    assert cache.read(bytes(digest), 0).row is None


# --- revocation


@pytest.mark.parametrize("way", ["flush", "delete", "user", "many"])
def test_an_end_counts_at_the_next_request_of_every_worker(saved, way):
    """Whoever ends it, however; the entry had been there a moment before."""
    digest = digest_of(saved)
    worker = as_another_worker()
    assert worker.fetch(digest, 0) is not None
    match way:
        case "flush":
            saved.flush()
        case "delete":
            SessionStore().delete(saved.session_key)
        case "user":
            SessionStore.get_table().remove_of_users(["7"])
        case "many":
            SessionStore.get_table().remove_many([saved.row_id])
    assert worker.fetch(digest, 0) is None
    assert as_another_worker().fetch(digest, 0) is None


def test_a_reader_that_was_slow_does_not_bring_a_session_back(saved, monkeypatch):
    """It had its SELECT before the logout, and fills in after it."""
    caches["default"].clear()
    digest = digest_of(saved)
    fetch = SqlTable.fetch

    def fetch_and_sleep(self, *args, **named):
        row = fetch(self, *args, **named)
        monkeypatch.setattr(SqlTable, "fetch", fetch)
        saved.flush()
        return row

    monkeypatch.setattr(SqlTable, "fetch", fetch_and_sleep)
    assert as_another_worker().fetch(digest, 0) is not None
    assert as_another_worker().fetch(digest, 0) is None


@pytest.mark.parametrize("fence_stays", [False, True])
def test_a_reader_that_was_very_slow_fills_in_nothing(saved, monkeypatch, fence_stays):
    """A hold ends after ten seconds; whose SELECT is a second old keeps what it read."""
    saved["a"] = 2
    saved.save()
    forget(saved, fence=not fence_stays)
    monkeypatch.setattr(row_cache, "FILL_WITHIN_S", -1)
    assert SessionStore(saved.session_key)["a"] == 2
    with record_statements() as seen:
        assert SessionStore(saved.session_key)["a"] == 2
    assert sql(seen) == ["SELECT"]


@pytest.mark.django_db(transaction=True, databases=["default"])
def test_readers_never_see_a_session_after_its_logout(saved):
    """Eight workers read while it ends; whoever asks after the end gets nothing."""
    for _ in range(30):
        session = SessionStore()
        session["a"] = 1
        session.save()
        digest = digest_of(session)
        ended = threading.Event()

        def read(digest=digest, ended=ended):
            worker, late = as_another_worker(), 0
            for _ in range(40):
                was_over = ended.is_set()
                row = worker.fetch(digest, 0)
                late += was_over and row is not None
            return late

        def end(session=session, ended=ended):
            session.flush()
            ended.set()
            return 0

        assert run_together([end, *[read] * 4]) == [0] * 5


def change_before_the_end(session, monkeypatch) -> list[int]:
    """Change the session's key once, when its row has been looked up; return a list that tells."""
    remove_held, changes = CachedTable._remove_held, []

    def change_and_remove(self, *args):
        if not changes:
            changes.append(1)
            session.cycle_key()
        return remove_held(self, *args)

    monkeypatch.setattr(CachedTable, "_remove_held", change_and_remove)
    return changes


@pytest.mark.parametrize("way", ["remove", "remove_replaced", "remove_many", "remove_of_users"])
def test_a_key_that_changes_in_the_middle_of_an_end_is_no_way_out(saved, monkeypatch, way):
    """It changes when the rows have been looked up, just before the DELETE."""
    first = digest_of(saved)
    saved.cycle_key()
    table, changes = as_another_worker(), change_before_the_end(saved, monkeypatch)
    match way:
        case "remove":
            removed = table.remove(saved.row_id)
        case "remove_replaced":
            removed = table.remove_replaced(first)
        case "remove_many":
            removed = table.remove_many([saved.row_id])
        case "remove_of_users":
            removed = len(table.remove_of_users(["7"]))
    assert (removed, changes, Session.objects.count()) == (1, [1], 0)
    assert as_another_worker().fetch(digest_of(saved), 0) is None


def test_an_end_of_two_counts_both_when_the_key_of_one_changes(saved, monkeypatch):
    """It takes two rounds then."""
    other = SessionStore()
    other.save()
    change_before_the_end(saved, monkeypatch)
    assert as_another_worker().remove_many([saved.row_id, other.row_id]) == 2
    assert Session.objects.count() == 0


def test_a_session_ends_once(saved):
    """Whoever comes second is told that there was nothing left."""
    assert [as_another_worker().remove(saved.row_id) for _ in range(2)] == [1, 0]


def test_the_end_of_a_replaced_key_looks_once(saved):
    """By the former digest it has found the present one."""
    first = digest_of(saved)
    saved.cycle_key()
    table = as_another_worker()
    with record_statements() as seen:
        assert table.remove_replaced(first) == 1
    assert sql(seen) == ["SELECT", "DELETE"]


# --- versions


def test_readers_never_see_less_than_what_is_finished(saved):
    """Six writers count, four workers read: no read lags behind a save that has finished."""
    finished = [0]
    lock = threading.Lock()

    def write():
        for _ in range(25):
            session = SessionStore(saved.session_key)
            session.transact(lambda one: one.update({"n": one.get("n", 0) + 1}))
            with lock:
                finished[0] = max(finished[0], session["n"])
        return []

    def read():
        behind = []
        for _ in range(150):
            least = finished[0]
            seen = SessionStore(saved.session_key).get("n", 0)
            if seen < least:
                behind.append((seen, least))
        return behind

    assert run_together([write] * 6 + [read] * 4) == [[]] * 10
    assert SqlSessionStore(saved.session_key)["n"] == 150


def test_a_late_writer_does_not_put_an_older_version_back(saved):
    """It was committed first and reports last: then everybody asks the table."""
    rows = SessionStore.get_table()
    first, second = SessionStore(saved.session_key), SessionStore(saved.session_key)
    first["first"] = 1
    late = []
    cache = rows._cache
    write = row_cache.RowCache.write
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_cache.RowCache, "write", lambda _, row, now: late.append((row, now)))
        first.save()
    second["second"] = 2
    second.save()
    [(row, now)] = late
    write(cache, row, now)
    assert SessionStore(saved.session_key).load() == {
        "a": 1, "_auth_user_id": "7", "first": 1, "second": 2
    }  # fmt: skip


def test_a_stale_entry_costs_one_conflict_and_loses_nothing(saved):
    """The table was changed behind the cache's back: the UPDATE notices, and merges."""
    other = SqlSessionStore(saved.session_key)
    other["b"] = 2
    other.save()
    stale = SessionStore(saved.session_key)
    assert stale.get("b") is None
    stale["c"] = 3
    with record_statements() as seen:
        stale.save()
    assert sql(seen) == ["UPDATE", "SELECT", "UPDATE"]
    assert SessionStore(saved.session_key).load() == {"a": 1, "_auth_user_id": "7", "b": 2, "c": 3}


def test_what_is_rolled_back_never_reaches_the_cache(saved):
    """Inside a transaction a write only puts up a hold."""
    with transaction.atomic():
        session = SessionStore(saved.session_key)
        session["a"] = 2
        session.save()
        assert SessionStore(saved.session_key)["a"] == 2
        transaction.set_rollback(True)
    assert SessionStore(saved.session_key)["a"] == 1


@pytest.mark.parametrize("way", ["new", "new key", "save"])
def test_no_worker_learns_from_the_cache_what_may_be_rolled_back(saved, way):
    """It has no entry while the block is open, and none after a rollback."""
    with transaction.atomic():
        session = SessionStore() if way == "new" else SessionStore(saved.session_key)
        session["a"] = 2
        session.cycle_key() if way == "new key" else session.save()
        digest, worker = digest_of(session), as_another_worker()
        assert worker._cache.read(digest, 0).row is None
        transaction.set_rollback(True)
    assert worker._cache.read(digest, 0).row is None


def test_what_a_block_reads_is_not_put_into_the_cache(saved):
    """Its connection may see less than others have been told, and more than will ever be true."""
    forget(saved, fence=True)
    with transaction.atomic():
        assert SessionStore(saved.session_key)["a"] == 1
        cache = as_another_worker()._cache
        assert cache.read(digest_of(saved), 0) == row_cache.Seen(fence=None, row=None, until=0)


@pytest.mark.only_on("mariadb", "mysql", "postgresql")
def test_an_old_snapshot_revives_no_session_in_the_cache(database, saved):
    """It was ended on another connection, and the hold of that end is over, when a block reads."""
    with transaction.atomic(using=database):
        with connections[database].cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert Session.objects.using(database).count() == 1
        assert run_together([SessionStore(saved.session_key).flush]) == [None]
        forget(saved, fence=True)
        assert SessionStore(saved.session_key)["a"] == 1
    assert as_another_worker().fetch(digest_of(saved), 0) is None


@pytest.mark.parametrize("way", ["new", "new key", "adopted"])
def test_what_a_block_has_committed_is_in_the_cache(saved, settings, way):
    """The row as it was written, whatever the session has made of its record since."""
    settings.SESSIONSTORE_ADOPT_FROM = "django.contrib.sessions.backends.db"
    [old] = make_old_sessions(1)
    with transaction.atomic():
        match way:
            case "new":
                session = SessionStore()
                session["number"] = 0
                session.save()
            case "new key":
                session = SessionStore(saved.session_key)
                session["number"] = 0
                session.cycle_key()
            case "adopted":
                session = SessionStore(old)
                session.load()
    with record_statements() as seen:
        assert SessionStore(session.session_key)["number"] == 0
    assert sql(seen) == []


def test_an_expired_entry_is_not_believed(saved, clock):
    """The end of a session is in its entry."""
    saved.set_expiry(30)
    saved.save()
    clock.advance(seconds=31)
    assert SessionStore(saved.session_key).load() == {}


def test_the_cleaner_has_nothing_to_tell_the_cache(saved, clock, monkeypatch):
    """An entry ends with its session, so what is cleaned up costs the cache no question."""
    clock.advance(days=15)
    SessionStore().save()
    asked = []
    monkeypatch.setattr(row_cache.RowCache, "hold", lambda *_, **__: asked.append(1))
    assert SessionStore.clear_expired() == 1
    assert (asked, Session.objects.count()) == ([], 1)


# --- sessions that move in


def test_sessions_move_in_under_the_cache(settings, clock):
    """Singly and in bulk; the old cookie's minute and a logout are as exact as without a cache."""
    settings.SESSIONSTORE_ADOPT_FROM = "django.contrib.sessions.backends.db"
    settings.SESSION_ENGINE = "sessionstore.backends.cached_sql"
    first, second, third = make_old_sessions(3)
    assert SessionStore(first)["number"] == 0
    call_command("importsessions", verbosity=0)
    clock.advance(seconds=59)
    assert [SessionStore(key).get("number") for key in (first, second)] == [0, 1]
    clock.advance(seconds=2)
    assert [SessionStore(key).get("number") for key in (first, second)] == [None, 1]
    SessionStore(third).flush()
    SessionStore(second).flush()
    assert [SessionStore(key).get("number") for key in (second, third)] == [None, None]


# --- a cache that fails


def test_a_cache_that_is_down_costs_speed_only(saved, cache_is_away, caplog):
    """Sessions come from the table; the cache is asked once, not once a statement."""
    with cache_is_away():
        with record_statements() as seen:
            for _ in range(5):
                session = SessionStore(saved.session_key)
                session["n"] = session.get("n", 0) + 1
                session.save()
        assert sql(seen) == ["SELECT", "UPDATE"] * 5
        session.flush()
        assert SessionStore(saved.session_key).load() == {}
    assert [record.name for record in caplog.records].count("sessionstore") == 1


def test_a_cache_that_stays_away_is_asked_less_and_less(monkeypatch, caplog):
    """The pause doubles up to half a minute, each is told, and one answer ends it."""
    now = [100.0]
    monkeypatch.setattr(row_cache, "time", SimpleNamespace(monotonic=lambda: now[0]))
    breaker, asked = row_cache.Breaker(), []

    def fail(_):
        asked.append(now[0])
        raise ConnectionError

    while now[0] < 200:
        assert breaker.run(fail) is None
        now[0] += 0.5
    assert asked == [100, 101, 103, 107, 115, 131, 161, 191]
    assert caplog.messages == [
        f"The session cache fails (ConnectionError); sessions come from the table for {seconds} s"
        for seconds in (1, 2, 4, 8, 16, 30, 30, 30)
    ]
    assert breaker.run(fail, insist=True) is None
    assert (len(asked), len(caplog.messages)) == (9, 8)
    assert breaker.run(lambda _: "here", insist=True) == "here"
    assert breaker.run(lambda _: "again") == "again"
    assert breaker.run(fail) is None
    assert caplog.messages[8].endswith("for 1 s")


@pytest.mark.parametrize("others", [0, 2500])
def test_what_a_cache_could_not_be_told_is_told_first(saved, cache_is_away, monkeypatch, others):
    """It was down for us during a logout, and still holds the session when it is back."""
    rows = as_another_worker()
    digest = digest_of(saved)
    assert rows.fetch(digest, 0) is not None
    with cache_is_away():
        ids = [saved.row_id, *insert_others(saved, others)]
        assert rows.remove_many(ids) == 1 + others
        assert not rows.pay_debts()
    monkeypatch.setattr(rows._cache._breaker, "_closed_at", 0)
    assert rows.fetch(digest, 0) is None
    assert as_another_worker().fetch(digest, 0) is None
    assert rows.pay_debts()


def test_whoever_asks_for_the_debts_does_not_wait_for_the_pause(saved, cache_is_away):
    """A command is about to end: the cache may be back before its pause is over."""
    rows = as_another_worker()
    with cache_is_away():
        assert rows.remove_many([saved.row_id]) == 1
    assert rows.pay_debts()
    assert as_another_worker().fetch(digest_of(saved), 0) is None


def test_two_requests_that_pay_the_same_debt_are_no_failure(saved, monkeypatch, caplog):
    """Both have seen it, and the second finds it paid."""
    breaker, cache, both = row_cache.Breaker(), type(caches["default"]), threading.Barrier(2)
    breaker.owe([names_of(saved)[0]])
    set_many = cache.set_many

    def set_together(self, *args):
        both.wait(10)
        return set_many(self, *args)

    monkeypatch.setattr(cache, "set_many", set_together)
    assert run_together([partial(breaker.run, lambda _: "here")] * 2) == ["here", "here"]
    assert (breaker.pay_debts(), caplog.messages) == (True, [])


def test_what_a_cache_refuses_is_still_owed(saved, monkeypatch):
    """Backends answer the names that they could not set, where they do not raise."""
    rows = as_another_worker()
    cache = type(with_kept_client(caches["default"]))
    with monkeypatch.context() as refusing:
        refusing.setattr(cache, "set_many", lambda _, data, *__: list(data))
        assert rows.remove(saved.row_id) == 1
        assert not rows.pay_debts()
    assert rows.pay_debts()
    assert as_another_worker().fetch(digest_of(saved), 0) is None


def test_debts_that_were_written_off_are_not_taken_for_paid(saved, cache_is_away, monkeypatch):
    """More than memory is spent on: whoever asks learns that some were never told."""
    monkeypatch.setattr(row_cache, "_MOST_DEBTS", 2)
    rows = as_another_worker()
    with cache_is_away():
        assert rows.remove_many(insert_others(saved, 3)) == 3
    assert not rows.pay_debts()


WAYS_TO_END = [
    *("remove", "remove, known", "remove_key", "remove_replaced", "remove_many", "remove_of_users"),
    "change of key",
]


@pytest.mark.parametrize("way", WAYS_TO_END)
@pytest.mark.parametrize("inside", [False, True])
def test_one_hiccup_of_the_cache_hides_no_logout(saved, monkeypatch, way, inside):
    """A worker that leaves the cache alone after a failure tells it of an end all the same."""
    digest, row_id = digest_of(saved), saved.row_id
    row = as_another_worker().fetch(digest, 0)
    changed = replace(row, digest=b"n" * 32, version=row.version + 1)
    rows = as_another_worker()
    with monkeypatch.context() as hiccup:
        hiccup.setattr(type(caches["default"]), "get_many", lambda *_, **__: 1 / 0)
        assert rows.fetch(digest, 0) is not None
    with transaction.atomic() if inside else nullcontext():
        match way:
            case "remove":
                assert rows.remove(row_id) == 1
            case "remove, known":
                assert rows.remove(row_id, digest=digest) == 1
            case "remove_key":
                assert rows.remove_key(digest) == 1
            case "remove_replaced":
                Session.objects.update(previous_digest=b"p" * 32)
                assert rows.remove_replaced(b"p" * 32) == 1
            case "remove_many":
                rows.remove_many([row_id])
            case "remove_of_users":
                rows.remove_of_users(["7"])
            case "change of key":
                assert rows.update(changed, row.version, 0, replaces=digest)
    assert as_another_worker().fetch(digest, 0) is None


def test_an_end_that_was_answered_by_an_error_is_told_too(saved, monkeypatch):
    """The DELETE waits so long that its first hold is over, and its answer gets lost."""
    worker, delete, digest = as_another_worker(), SqlTable._delete, digest_of(saved)

    def wait_delete_and_fail(self, rows):
        forget(saved, fence=True)
        assert worker.fetch(digest, 0) is not None  # and fills it in
        assert delete(self, rows) == 1
        raise OperationalError

    monkeypatch.setattr(SqlTable, "_delete", wait_delete_and_fail)
    with pytest.raises(OperationalError):
        as_another_worker().remove(saved.row_id)
    assert worker.fetch(digest, 0) is None


def test_a_save_that_was_answered_by_an_error_is_told_too(saved, monkeypatch):
    """It was carried out, and the entry is older."""
    rows, update = as_another_worker(), SqlTable.update
    row = rows.fetch(digest_of(saved), 0)

    def write_and_fail(self, *args):
        assert update(self, *args)
        raise OperationalError

    monkeypatch.setattr(SqlTable, "update", write_and_fail)
    with pytest.raises(OperationalError):
        rows.update(replace(row, version=row.version + 1), row.version, 0)
    assert rows.fetch(digest_of(saved), 0).version == row.version + 1


def test_a_save_that_failed_is_not_believed(saved, monkeypatch):
    """It was never carried out, so the table answers, with what it has."""
    rows = as_another_worker()
    row = rows.fetch(digest_of(saved), 0)
    written = replace(row, version=row.version + 1)
    with monkeypatch.context() as down:
        down.setattr(SqlTable, "update", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            rows.update(written, row.version, 0)
    assert rows.fetch(digest_of(saved), 0).version == row.version


def test_a_session_too_large_for_the_cache_hurts_nobody_else(saved, settings, caplog):
    """memcached refuses more than 1 MiB; that is no reason to leave it alone."""
    settings.SESSIONSTORE_MAX_BYTES = 4_000_000
    large = SessionStore()
    large["large"] = secrets.token_hex(1_500_000)
    large.save()
    assert SessionStore(large.session_key)["large"] == large["large"]
    with record_statements() as seen:
        assert SessionStore(saved.session_key)["a"] == 1
    assert (sql(seen), caplog.records) == ([], [])


def test_a_cache_flushed_under_load_loses_nothing(saved):
    """Eight writers, and somebody who empties the cache all the time."""
    done = threading.Event()

    def write(number):
        for turn in range(10):
            session = SessionStore(saved.session_key)
            session[f"k{number}.{turn}"] = 1
            session.save()
        return True

    def empty():
        while not done.is_set():
            caches["default"].clear()
        return True

    def write_all():
        outcomes = run_together([partial(write, number) for number in range(8)])
        done.set()
        return outcomes

    assert run_together([empty, write_all]) == [True, [True] * 8]
    assert len(SqlSessionStore(saved.session_key).load()) == 82


def test_each_tenant_has_entries_of_its_own(database, saved, monkeypatch):
    """Where a connection tells the schema that it works in, as that of django-tenants does."""
    for schema, statements in (("a", 1), ("a", 0), ("b", 1), ("a", 0), ("public", 0), ("b", 0)):
        monkeypatch.setattr(connections[database], "schema_name", schema, raising=False)
        with record_statements() as seen:
            assert SessionStore(saved.session_key)["a"] == 1
        assert len(seen.about("sessionstore_session")) == statements, schema
