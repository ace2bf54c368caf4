"""A statement is carried out and its answer is lost: nothing is done twice, nothing is lost."""

from contextlib import contextmanager

import pytest
from django.contrib.sessions.backends.base import UpdateError
from django.db import OperationalError, connections

from sessionstore.backends.express import SessionStore

pytestmark = pytest.mark.only_on("mariadb", "mysql", "postgresql")


@contextmanager
def lost_answer(alias: str, verb: str):
    """Carry out the first statement that begins with `verb`, then break the connection."""
    left = [verb]

    def wrapper(execute, sql, params, many, context):
        answer = execute(sql, params, many, context)
        if left and sql.startswith(left[0]):
            left.clear()
            connections[alias].connection.close()
            raise OperationalError(2013, "Lost connection to server during query")
        return answer

    with connections[alias].execute_wrapper(wrapper):
        yield
    assert not left


@pytest.fixture(params=["plain", "mark", "value"])
def saved(request, database, shared_table) -> SessionStore:
    """A session in a table without the mark column, with it, and where JSON is kept as a value."""
    shared_table(mark=request.param == "mark")
    if request.param == "value":
        sql = {
            "mariadb": "ALTER TABLE sessions MODIFY data json",  # There another word for text.
            "mysql": "ALTER TABLE sessions MODIFY data json",
            "postgresql": "ALTER TABLE sessions ALTER data TYPE jsonb USING data::jsonb",
        }
        with connections[database].cursor() as cursor:
            cursor.execute(sql[database])
        SessionStore().table._composed.clear()
    session = SessionStore()
    session.update({"a": 1, "n": 0})
    session.save()
    return SessionStore(session.session_key)


def test_an_update_is_found_to_have_arrived(saved, database):
    """The retry matches no row; the stored text is our own."""
    saved["a"] = 2
    with lost_answer(database, "UPDATE"):
        saved.save()
    assert SessionStore(saved.session_key)["a"] == 2


def test_an_insert_is_found_to_have_arrived(saved, database):
    """The id is taken, by our own row: no second one is made."""
    fresh = SessionStore()
    fresh["b"] = 1
    with lost_answer(database, "INSERT"):
        fresh.save()
    assert SessionStore(fresh.session_key)["b"] == 1
    assert fresh.table.count() == 2


def test_a_new_key_is_found_to_have_arrived(saved, database):
    """The old id is gone, the new one has our data."""
    old = saved.session_key
    saved["a"] = 3
    with lost_answer(database, "UPDATE"):
        saved.cycle_key()
    assert SessionStore(saved.session_key)["a"] == 3
    assert SessionStore(old).load() == {}


def test_an_increment_counts_once(saved, database):
    """transact() knows its own text by the nonce in it."""
    assert saved["n"] == 0
    with lost_answer(database, "UPDATE"):
        saved.transact(lambda session: session.update({"n": session["n"] + 1}))
    assert SessionStore(saved.session_key)["n"] == 1


def test_a_logout_is_final_though_its_answer_was_lost(saved, database):
    """Whether the row is deleted or marked, a second try changes nothing."""
    key, other = saved.session_key, SessionStore(saved.session_key)
    assert other["a"] == 1
    has_mark = saved.table._sql(database).has_mark
    with lost_answer(database, "UPDATE" if has_mark else "DELETE"):
        saved.flush()
    assert SessionStore(key).load() == {}
    other["a"] = 2
    with pytest.raises(UpdateError):
        other.save()
