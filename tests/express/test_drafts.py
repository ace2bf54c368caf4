"""What a request knows of a row of Express: its identity, its user, its derived login, its end."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.db import connections

from sessionstore.backends.express import SessionStore
from sessionstore.core.express_format import new_sid, sign
from sessionstore.express.store import ExpressStore
from sessionstore.signals import session_expired, session_refused
from tests.express.peer import SECRETS
from tests.express.test_lifetime import sid_of
from tests.express.test_lost_answers import lost_answer
from tests.harness.statements import record_statements

Acts = Callable[[SessionStore, str], object]


@pytest.fixture(params=[False, True], ids=["plain", "mark"])
def express_session(request, shared_table) -> SessionStore:
    """A session that begins and signs in with passport, in Express, and that Django trusts."""
    shared_table(mark=request.param, user=True)
    ann = User.objects.create_user("ann")
    sid = new_sid()
    ExpressStore().set(sid, {"cookie": {}, "passport": {"user": ann.pk}, "n": 0})
    session = SessionStore(sign(sid, SECRETS[0]))
    assert session["_auth_user_id"] == str(ann.pk)
    return session


def stored_text(session: SessionStore, database: str) -> str:
    """Return the JSON in the row of this session."""
    with connections[database].cursor() as cursor:
        cursor.execute(
            "SELECT data FROM sessions WHERE session_id = %s", [sid_of(session.session_key)]
        )
        return cursor.fetchone()[0]


def save(session: SessionStore, database: str) -> None:
    session["a"] = 1
    session.save()


def save_what_arrives_without_an_answer(session: SessionStore, database: str) -> None:
    session["a"] = 1
    with lost_answer(database, "UPDATE"):
        session.save()


def merge(session: SessionStore, database: str) -> None:
    other = SessionStore(session.session_key)
    other["b"] = 1
    other.save()
    save(session, database)
    assert session["b"] == 1


def merge_into_what_is_right(session: SessionStore, database: str) -> None:
    save(SessionStore(session.session_key), database)
    save(session, database)


def change_the_key(session: SessionStore, database: str) -> None:
    session.cycle_key()


def change_the_key_and_merge(session: SessionStore, database: str) -> None:
    other = SessionStore(session.session_key)
    other["b"] = 1
    other.save()
    session.cycle_key()
    assert session["b"] == 1


def change_the_key_without_an_answer(session: SessionStore, database: str) -> None:
    with lost_answer(database, "UPDATE"):
        session.cycle_key()


def transact(session: SessionStore, database: str) -> None:
    session.transact(lambda it: it.update({"n": it["n"] + 1}))


def transact_twice(session: SessionStore, database: str) -> None:
    def change(it: SessionStore) -> None:
        if it["n"] == 0:
            transact(SessionStore(it.session_key), database)
        it["n"] += 1

    session.transact(change)
    assert session["n"] == 2


def insert(session: SessionStore, database: str) -> None:
    session.create()


each_act = pytest.mark.parametrize(
    "act",
    [
        save,
        save_what_arrives_without_an_answer,
        merge,
        merge_into_what_is_right,
        change_the_key,
        change_the_key_and_merge,
        change_the_key_without_an_answer,
        transact,
        transact_twice,
        insert,
    ],
)


@each_act
def test_the_record_is_the_row_by_the_sid(express_session, database, act: Acts):
    """Id, digest and key are the sid that the cookie spells, and the version is what is stored."""
    act(express_session, database)
    known, sid = express_session._known, sid_of(express_session.session_key).encode()
    assert (known.row.id, known.row.digest, known.row_key.digest) == (sid, sid, sid)
    assert known.row.version.text == stored_text(express_session, database)
    assert express_session.handle == SessionStore(express_session.session_key).handle


@each_act
def test_a_derived_login_gets_into_no_row(express_session, database, act: Acts):
    """Neither at once nor by the next save of the same request: it would outlive Express's."""
    act(express_session, database)
    assert "_auth_user" not in stored_text(express_session, database)
    express_session["later"] = 1
    express_session.save()
    assert "_auth_user" not in stored_text(express_session, database)
    assert SessionStore(express_session.session_key)["_auth_user_id"]


@each_act
def test_the_next_save_of_a_request_is_one_update(express_session, database, act: Acts):
    """What a request knows after a write is what the table has, so it matches."""
    act(express_session, database)
    express_session["later"] = 1
    with record_statements() as seen:
        express_session.save()
    assert [sql.split()[0] for sql in seen.on(database)] == ["UPDATE"]


def test_a_new_key_undoes_no_logout_of_an_express_that_django_does_not_trust(shared_table):
    """Its user is nobody in Django, and the session is not an anonymous one for all that."""
    shared_table()
    sid = new_sid()
    ExpressStore().set(sid, {"cookie": {}, "passport": {"user": 1}})
    session = SessionStore(sign(sid, SECRETS[0]))
    session["a"] = 1
    session.save()
    assert session.user_id is None
    ExpressStore().destroy(sid)
    with pytest.raises(UpdateError):
        session.cycle_key()


def test_a_request_that_a_new_key_has_overtaken(express_session):
    """The id is the key: its save is told, its logout ends nothing, and the handle is another."""
    late, other = (SessionStore(express_session.session_key) for _ in range(2))
    old = late.handle, other.handle
    express_session.cycle_key()
    late["late"] = 1
    with pytest.raises(UpdateError):
        late.save()
    other.flush()
    assert express_session.handle not in old
    assert dict(SessionStore(express_session.session_key).items()) == dict(express_session.items())


@pytest.fixture
def told() -> list[tuple[str, str | None]]:
    """Why cookies opened no session, and the users of those that had expired."""
    heard: list[tuple[str, str | None]] = []

    def hear_expired(handle, user_id, **_) -> None:
        heard.append(("expired", user_id))

    def hear_refused(reason, **_) -> None:
        heard.append((reason.value, None))

    session_expired.connect(hear_expired)
    session_refused.connect(hear_refused)
    yield heard
    session_expired.disconnect(hear_expired)
    session_refused.disconnect(hear_refused)


@pytest.mark.parametrize("timeout", ["IDLE", "ABSOLUTE"])
def test_a_session_that_has_expired_is_told_as_such(shared_table, settings, clock, told, timeout):
    """Its row is there until it is cleaned up, by the column's time or a deadline of Django's."""
    setattr(settings, f"SESSIONSTORE_{timeout}_TIMEOUT", 600)
    shared_table()
    session = SessionStore()
    session["_auth_user_id"] = "7"
    session.save()
    sid = sid_of(session.session_key)
    clock.advance(seconds=400)
    if timeout == "ABSOLUTE":
        assert ExpressStore().touch(sid, {"cookie": {}})
    clock.advance(seconds=201)
    assert SessionStore(session.session_key).load() == {}
    assert told == [("expired", "7")]


def test_a_browser_session_lives_for_the_idle_timeout(shared_table, settings, clock, database):
    """And is touched at most once an interval, though the cookie object names no age."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = 600
    shared_table()
    session = SessionStore()
    session.set_expiry(0)
    session.save()
    for seconds, is_due in ((30, False), (90, True), (30, False), (560, True)):
        clock.advance(seconds=seconds)
        session = SessionStore(session.session_key)
        assert session.get_expiry_age() == 600
        assert session.modified == is_due
        session.save()
    clock.advance(seconds=601)
    assert SessionStore(session.session_key).load() == {}


def test_a_shortened_idle_timeout_counts_from_the_next_write(shared_table, settings, clock):
    """Nothing but the column tells when a session ends, and Express slides it by the old age."""
    shared_table()
    session = SessionStore()
    session["a"] = 1
    session.save()
    clock.advance(seconds=601)
    settings.SESSIONSTORE_IDLE_TIMEOUT = 600
    session = SessionStore(session.session_key)
    session["a"] += 1
    session.save()
    clock.advance(seconds=599)
    assert SessionStore(session.session_key).load()["a"] == 2
    clock.advance(seconds=2)
    assert SessionStore(session.session_key).load() == {}
