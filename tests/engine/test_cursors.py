"""Statements go past Django's cursor only where nobody would miss it."""

import asyncio

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError, IntegrityError, connections, transaction
from django.db.backends.utils import CursorWrapper
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext

from sessionstore.backends.sql import SessionStore
from sessionstore.table.cursors import execute, is_bare, select

TABLE = "sessionstore_session"
COPY_ALL = "INSERT INTO sessionstore_session SELECT * FROM sessionstore_session WHERE version >= %s"


@pytest.fixture
def connection(database):
    """An open connection to one database after the other."""
    connections[database].ensure_connection()
    return connections[database]


def use_a_session():
    """Insert, read, change, rename and delete."""
    session = SessionStore()
    session["a"] = 1
    session.save()
    again = SessionStore(session.session_key)
    again["a"] = 2
    again.save()
    again.cycle_key()
    again.flush()


VERBS = ["INSERT", "SELECT", "UPDATE", "UPDATE", "DELETE"]


def verbs(statements):
    return [sql.split()[0] for sql in statements if TABLE in sql]


def test_nobody_watches_an_ordinary_request(connection):
    """Else every test here would pass on Django's own cursor."""
    assert is_bare(connection)


def test_an_execute_wrapper_sees_each_statement(connection):
    """Django's documented hook."""
    seen = []

    def wrapper(run, sql, params, many, context):
        seen.append(sql)
        return run(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        use_a_session()
    assert verbs(seen) == VERBS


def test_the_query_log_and_assert_num_queries_see_each_statement(connection, settings):
    """Also with DEBUG alone, as the toolbar reads it."""
    with CaptureQueriesContext(connection) as seen:
        use_a_session()
    assert verbs(query["sql"] for query in seen.captured_queries) == VERBS
    settings.DEBUG = True
    connection.queries_log.clear()
    use_a_session()
    assert verbs(query["sql"] for query in connection.queries) == VERBS


@pytest.mark.parametrize("place", ["execute", "_execute_with_wrappers", "_execute"])
def test_a_tracer_in_the_cursor_sees_each_statement(connection, monkeypatch, place):
    """Sentry and others replace a method of Django's class."""
    seen, original = [], getattr(CursorWrapper, place)

    def traced(self, sql, *args, **named):
        seen.append(sql)
        return original(self, sql, *args, **named)

    monkeypatch.setattr(CursorWrapper, place, traced)
    use_a_session()
    assert verbs(seen) == VERBS


@pytest.mark.parametrize("on_class", [False, True])
def test_a_tracer_in_the_connection_sees_each_statement(connection, monkeypatch, on_class):
    """The debug toolbar replaces a method of the instance, others of the class."""
    # Django's test cases leave a method on the instance.
    monkeypatch.delitem(vars(connection), "cursor", raising=False)
    asked, original = [], connection.cursor

    def cursor(*args):
        asked.append(1)
        return original()

    monkeypatch.setattr(type(connection) if on_class else connection, "cursor", cursor)
    use_a_session()
    assert len(asked) >= len(VERBS)


def test_a_backend_with_a_way_of_its_own_is_taken_at_its_word(connection, monkeypatch):
    """django-tenants sets the schema when a cursor is made."""
    made, original = [], type(connection)._cursor

    class Tenants(type(connection)):
        def _cursor(self, name=None):
            made.append(1)
            return original(self, name)

    monkeypatch.setattr(connection, "__class__", Tenants)
    use_a_session()
    assert len(made) >= len(VERBS)


def test_errors_are_those_of_django(connection):
    """And the connection knows that one occurred."""
    with pytest.raises(DatabaseError):
        select(connection, "SELECT nothing FROM nowhere WHERE a = %s", [1])
    assert connection.errors_occurred
    use_a_session()
    SessionStore().create()
    with pytest.raises(IntegrityError) as raised:
        execute(connection, COPY_ALL, [0])
    assert raised.value.__cause__ is not None


def test_an_event_loop_is_refused(connection):
    """As by Django: a statement would hold up all other requests."""

    async def load():
        return SessionStore("0" * 40), select(connection, "SELECT 1", [])

    with pytest.raises(SynchronousOnlyOperation):
        asyncio.run(load())


def test_a_broken_transaction_is_refused(connection):
    """As by Django: nothing runs in it until it ends."""
    with transaction.atomic(connection.alias):
        transaction.set_rollback(True, connection.alias)
        with pytest.raises(TransactionManagementError):
            select(connection, "SELECT 1", [])


def test_a_health_check_that_is_due_is_made(connection, monkeypatch):
    """CONN_HEALTH_CHECKS: the first statement of a request asks whether the connection lives."""
    asked = []
    monkeypatch.setattr(connection, "is_usable", lambda: asked.append(1) or True)
    monkeypatch.setattr(connection, "health_check_enabled", True)
    connection.health_check_done = False
    use_a_session()
    assert asked == [1]


def test_a_percent_sign_in_a_text_stays_one(connection):
    """As Django's cursor has it, on every database."""
    assert select(connection, "SELECT %s, '%%s'", [5]) == (5, "%s")
