"""What the system checks say of a table that nobody cleans up."""

import pytest
from django.core.checks import run_checks
from django.db import connections

from sessionstore.checks import cleanup
from sessionstore.models import Session
from tests.ops.rows import add_rows

WEEK_S = 7 * 86_400


def found(database: str | None) -> set[str]:
    # Without a database the way of Django's own commands: from 6.1 on, a tag means all databases.
    named = {"tags": ["sessionstore"], "databases": [database]} if database else {}
    messages = run_checks(**named)
    return {message.id for message in messages} & {"sessionstore.W030", "sessionstore.W031"}


def test_a_backlog_is_told(database, monkeypatch):
    """Rows that ended long ago, and so many that no daily clean-up can have left them."""
    monkeypatch.setattr(cleanup, "BACKLOG", 10)
    add_rows(10, expires_in_s=-WEEK_S + 60, alias=database)
    add_rows(9, expires_in_s=-WEEK_S - 60, alias=database)
    assert found(database) == set()
    add_rows(1, expires_in_s=-WEEK_S - 60, alias=database)
    assert found(database) == {"sessionstore.W030"}


def test_the_database_is_asked_only_when_it_is_named(database, monkeypatch):
    """runserver and most commands run the checks too, and must not wait for a database."""
    monkeypatch.setattr(cleanup, "BACKLOG", 1)
    add_rows(1, expires_in_s=-WEEK_S - 60, alias=database)
    assert found(None) == set()


def test_a_missing_index_is_told(database):
    """Without it each batch of a clean-up reads the whole table."""
    assert found(database) == set()
    field = Session._meta.get_field("expires_at")
    connection = connections[database]
    with connection.schema_editor() as editor:
        names = editor._constraint_names(Session, [field.column], index=True)
        for name in names:
            editor.execute(editor._delete_index_sql(Session, name))
    try:
        assert found(database) == {"sessionstore.W031"}
    finally:
        with connection.schema_editor() as editor:
            editor.execute(editor._create_index_sql(Session, fields=[field], name=names[0]))


@pytest.mark.only_on("sqlite")
def test_a_table_that_is_not_there_yet_is_no_finding(database, monkeypatch):
    """The first migrate runs the checks before it makes the table."""
    monkeypatch.setattr(Session._meta, "db_table", "not_there")
    assert found(database) == set()


@pytest.mark.only_on("sqlite")
def test_a_foreign_engine_is_left_alone(database, settings, monkeypatch):
    """Its table is not ours to judge."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    monkeypatch.setattr(cleanup, "BACKLOG", 0)
    assert found(database) == set()
