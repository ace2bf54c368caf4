"""Empty the tables that a test has written, instead of all of them.

Django ends each test that commits with `flush`: it empties every table of each alias and lets
`post_migrate` write the content types and permissions anew. Most tests write into three tables.
Here the database itself is asked which tables have rows, so that it does not matter who wrote
them: another process, a thread, a trigger, the driver without Django.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import Error, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.test import TransactionTestCase, override_settings

Rows = list[tuple[Any, ...]]

# What each alias holds right after a flush: the rows of `post_migrate`, by table.
_initial: dict[str, dict[str, Rows]] = {}
# Rows that are written or deleted but not committed count too: InnoDB waits for them, in SQLite the
# transaction itself does, and in PostgreSQL they lie in pages, for which TRUNCATE waits. It also
# drops dead rows and statistics, without which an estimate would depend on the tests before.
_IS_FILLED = {
    "sqlite": "EXISTS (SELECT 1 FROM {table})",
    "mysql": "EXISTS (SELECT 1 FROM {table} LOCK IN SHARE MODE)",
    "postgresql": "pg_relation_size('{table}') > 0",
}


@contextmanager
def emptying_only_what_was_written() -> Iterator[None]:
    """Replace the end of Django's TransactionTestCase."""
    flush_all = TransactionTestCase._fixture_teardown

    def end(test: TransactionTestCase) -> None:
        if test.available_apps is not None or test.serialized_rollback or test.reset_sequences:
            flush_all(test)
            return
        for alias in test._databases_names(include_mirrors=False):
            clean(alias)

    with patch.object(TransactionTestCase, "_fixture_teardown", end):
        yield


def clean(alias: str) -> None:
    """Leave in a database what a flush would leave there.

    Whatever is out of the ordinary ends in a real flush, whose outcome is what the next tests are
    compared with: the first test of an alias, changed content types or permissions, an error.
    """
    try:
        is_clean = alias in _initial and _is_emptied(alias)
    except Error:
        is_clean = False
    if not is_clean:
        _flush(alias)
    # As `post_migrate` does: the next test may count the statements that fill it.
    ContentType.objects.clear_cache()


def _is_emptied(alias: str) -> bool:
    """Empty the tables that have rows; tell whether the others have those of a flush."""
    connection, initial = connections[alias], _initial[alias]
    with transaction.atomic(using=alias), connection.cursor() as cursor:
        filled = _filled(connection, cursor)
        if surplus := filled - initial.keys():
            # What refers to a row there goes with it; should that be more, the comparison sees it.
            cascade = connection.vendor == "postgresql"
            flush = connection.ops.sql_flush(no_style(), sorted(surplus), allow_cascade=cascade)
            for statement in flush:
                cursor.execute(statement)
        return all(_rows(connection, cursor, table) == rows for table, rows in initial.items())


def _flush(alias: str) -> None:
    options = {"verbosity": 0, "interactive": False, "database": alias}
    # Tables, content types and permissions of all models, wherever the test puts its own.
    with override_settings(DATABASE_ROUTERS=[]):
        call_command("flush", **options, reset_sequences=False)
    connection = connections[alias]
    with transaction.atomic(using=alias), connection.cursor() as cursor:
        filled = _filled(connection, cursor)
        _initial[alias] = {table: _rows(connection, cursor, table) for table in filled}


def _filled(connection: BaseDatabaseWrapper, cursor: CursorWrapper) -> set[str]:
    """Return the tables of models, whatever a router says of them, that are not empty."""
    models = apps.get_models(include_auto_created=True)
    wanted = {model._meta.db_table for model in models if model._meta.managed}
    tables = sorted(wanted.intersection(connection.introspection.table_names(cursor)))
    names = [connection.ops.quote_name(table) for table in tables]
    is_filled = _IS_FILLED[connection.vendor]
    cursor.execute("SELECT " + ", ".join(is_filled.format(table=name) for name in names))
    return {table for table, filled in zip(tables, cursor.fetchone(), strict=True) if filled}


def _rows(connection: BaseDatabaseWrapper, cursor: CursorWrapper, table: str) -> Rows:
    cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)} ORDER BY 1")  # noqa: S608 - our own names
    return list(cursor.fetchall())
