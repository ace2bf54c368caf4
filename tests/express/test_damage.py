"""Rows that nobody should have written, and visitors that nobody invited."""

import inspect
import json
import logging
import random
import sys
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.db import connections

from sessionstore.backends.express import SessionStore
from sessionstore.core import expiry
from sessionstore.exceptions import SessionStoreUnavailable, SessionUnreadable
from sessionstore.express.store import ExpressStore
from tests.express.peer import Browser
from tests.express.test_lifetime import sid_of
from tests.faults.injection import TRANSIENT, fail
from tests.harness.statements import record_statements


@pytest.fixture
def saved(shared_table) -> SessionStore:
    """A session in the table."""
    shared_table()
    session = SessionStore()
    session.update({"a": 1, "cart": {"oat": [1, 2.5, None, "é"]}})
    session.save()
    return session


def overwrite(database: str, text: str | None) -> None:
    """Put another text into the only row."""
    with connections[database].cursor() as cursor:
        cursor.execute("UPDATE sessions SET data = %s", [text])


DAMAGED = ["", "{", "[]", "1", '"text"', '{"a":', '{"a":NaN}', "{}}", "\u2028"]


def test_a_damaged_row_is_an_empty_session_and_one_security_record(saved, database, caplog):
    """Where Express fails at every request, Django goes on, under a new key."""
    for text in DAMAGED:
        overwrite(database, text)
        caplog.clear()
        with caplog.at_level(logging.WARNING, "sessionstore.security"):
            session = SessionStore(saved.session_key)
            assert dict(session.items()) == {}
        assert len(caplog.records) == 1
        assert saved.session_key not in caplog.text
        session["b"] = 2
        session.save()
        assert session.session_key != saved.session_key
        assert dict(SessionStore(session.session_key).items()) == {"b": 2}


@pytest.mark.only_on("mariadb", "postgresql", "mysql")
def test_records_of_a_locked_row_name_it_by_its_handle(database, saved, caplog):
    """Its id is what the cookie holds, and as secret."""
    connection, row_id = connections[database], saved.row_id

    def locked():
        with connection.cursor() as cursor:
            fail(connection, TRANSIENT[connection.vendor][0], cursor.execute)

    with pytest.raises(SessionStoreUnavailable):
        saved.table.under_lock(locked, row=row_id)
    records = [one.getMessage() for one in caplog.records if one.name == "sessionstore"]
    assert records
    assert all(text.endswith(f"session {saved.handle}") for text in records)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="there C has a stack of its own")
def test_a_row_that_python_cannot_read_is_told_and_left(saved, database, caplog):
    """A request whose stack is used up: the row is not damaged, and no new session takes its place.

    How deep the row itself is does not matter: tests/express/test_depth.py.
    """
    overwrite(database, '{"cookie":{},"a":' + "[" * 98 + "]" * 98 + "}")
    session = SessionStore(saved.session_key)
    with pytest.raises(SessionUnreadable, match="nested too deep"):
        dive(session.load)
    with pytest.raises(SessionUnreadable):
        session.save()
    assert "reason=it is nested too deep for Python" in caplog.messages[0]
    assert SessionStore(saved.session_key)["a"]
    session.flush()
    assert ExpressStore().length() == 0


def dive(call: Callable[[], object], frames: int | None = None) -> None:
    """Call where the stack is nearly used up."""
    if frames is None:
        frames = sys.getrecursionlimit() - len(inspect.stack(0)) - 90
    dive(call, frames - 1) if frames else call()


def test_a_row_without_data_is_no_session(saved, database):
    """As for Express, which starts a new one."""
    for text in (None, "null"):
        overwrite(database, text)
        assert SessionStore(saved.session_key).load() == {}


def test_a_thousand_mutated_rows_raise_nothing(saved, database):
    """Cut, doubled and exchanged characters: a dict or an empty session, never an exception."""
    with connections[database].cursor() as cursor:
        cursor.execute("SELECT data FROM sessions")
        [text] = cursor.fetchone()
    chance = random.Random(7)  # noqa: S311 - repeatable on purpose
    for _ in range(1000):
        at, until = sorted(chance.choices(range(len(text)), k=2))
        middle = "".join(chance.choices('{}[]",:0é\\untfe-', k=chance.randrange(4)))
        overwrite(database, text[:at] + middle + text[until:])
        session = SessionStore(saved.session_key)
        assert isinstance(dict(session.items()), dict)
        assert session.get_expiry_age() > 0


ODD = [
    {"cookie": {"originalMaxAge": "x", "expires": 3}},
    {"cookie": {"originalMaxAge": 1e308}},
    {"cookie": {"originalMaxAge": -5}},
    {"cookie": []},
    {"cookie": {}, "_session_expiry": "soon"},
    {"cookie": {}, "_session_expiry": {"a": 1}},
    {"cookie": {}, "_session_idle": "x"},
    {"cookie": {}, "_session_idle": 10**300},
    {"cookie": {}, "_sessionstore": 3},
    {"cookie": {}, "_sessionstore": {"created_at": "x", "authenticated_at": True}},
    {"cookie": {}, "_sessionstore": {"created_at": 10**300}},
    {"cookie": {}, "passport": 3},
    {"cookie": {}, "_auth_user_id": {"a": 1}},
    {"cookie": {}, "_auth_user_id": "x", "_auth_user_backend": 3},
    {"cookie": {}, "id": 3, "save": 4},
]


def test_odd_values_of_the_other_side_break_no_request(saved, database, settings):
    """Express can store anything; a request of Django reads, changes and saves it."""
    settings.SESSIONSTORE_ABSOLUTE_TIMEOUT = 3600
    for odd in ODD:
        overwrite(database, json.dumps(odd))
        browser = Browser(cookie=saved.session_key)
        browser.django(["set", "mine", 1])
        assert browser.django()["session"]["mine"] == 1, odd


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("number", ["1e999", "-1E+400", "9" * 350, "-" + "9" * 5000], ids=range(4))
def test_a_number_without_end_breaks_no_request(saved, database, number):
    """It is null wherever it stands; each save was an error."""
    cookie, passport = f'{{"originalMaxAge":{number}}}', f'{{"user":{number}}}'
    overwrite(database, f'{{"cookie":{cookie},"a":[{number}],"passport":{passport},"b":1e308}}')
    browser = Browser(cookie=saved.session_key)
    held = browser.django(["set", "mine", 1])["session"]
    assert (held["a"], held["passport"], held["b"]) == ([None], {"user": None}, 1e308)
    assert browser.django()["session"] == held


def test_forged_cookies_cost_no_statement(saved, database):
    """Whatever is not signed with one of the secrets never reaches the database."""
    key = saved.session_key
    forged = [key[:-1], key + "A", key.upper(), key.replace("s%3A", "s:x"), "s:", "x" * 10_000]
    with record_statements() as seen:
        for value in [*forged, "s%3A\0.x", "\ud800" * 9, "s%3A%ff%fe.xxxx"]:
            session = SessionStore(value)
            assert dict(session.items()) == {}
            assert session.is_empty()
    assert seen.on(database) == []


def test_nothing_shows_the_sid(saved, database):
    """Neither the session's repr, nor what it knows, nor that of the table or the settings."""
    key, sid = saved.session_key, sid_of(saved.session_key)
    row = saved.table.fetch(sid.encode(), expiry.now_ms())
    shown = [saved, saved._known, saved._known.key, saved._known.record, row, row.version]
    text = "".join(map(repr, [*shown, saved.table, saved.keyring])) + str(saved.handle)
    assert sid[:8] not in text
    assert "cart" not in text
    assert key.rpartition(".")[2] not in text
    assert "keyboard cat" not in text + repr(saved.table._composed)


class TestLogins:
    def test_changing_the_key_never_undoes_a_logout_of_express(self, saved, database):
        """A session that had a user of passport is gone with its row, like one of Django's."""
        overwrite(database, '{"cookie":{},"passport":{"user":1}}')
        session = SessionStore(saved.session_key)
        assert session["passport"]
        with connections[database].cursor() as cursor:
            cursor.execute("DELETE FROM sessions")
        with pytest.raises(UpdateError):
            session.cycle_key()

    def test_a_new_password_ends_a_login_that_django_made(self, saved):
        """The hash of the password is compared at each request, on this table too."""
        ann = User.objects.create_user("ann", password="one")
        browser = Browser(cookie=saved.session_key)
        browser.django(["login", ann.pk])
        ann.set_password("two")
        ann.save()
        assert browser.django()["user"] is None

    @pytest.mark.parametrize("as_text", [int, str])
    def test_a_login_with_a_number_outlives_a_concurrent_save(self, saved, as_text):
        """One request signs in, another that had loaded the session before saves something."""
        ann = User.objects.create_user("ann")
        late, signing_in = SessionStore(saved.session_key), SessionStore(saved.session_key)
        late.load()
        late["late"] = late.get("a")
        login = {
            "_auth_user_id": as_text(ann.pk),
            "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
            "_auth_user_hash": ann.get_session_auth_hash(),
        }
        signing_in.update(login)
        signing_in.save()
        late.save()
        held = dict(SessionStore(saved.session_key).items())
        assert held == {**login, "late": 1, "a": 1, "cart": saved["cart"]}
        assert Browser(cookie=saved.session_key).django()["user"] == ann.pk

    @pytest.mark.parametrize("value", [True, 7.5, [7], {"id": 7}, "x"])
    def test_a_login_that_can_be_none_is_taken_out(self, saved, database, value):
        """It would be an error at each request."""
        overwrite(database, json.dumps({"cookie": {}, "_auth_user_id": value, "b": 1}))
        assert dict(SessionStore(saved.session_key).items()) == {"b": 1}
