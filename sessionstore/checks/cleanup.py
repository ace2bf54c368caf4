"""Checks of a table that nobody cleans up; they ask the database, so only with --database."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Warning  # noqa: A004 - Django's names
from django.db import DatabaseError, InterfaceError, connections

from sessionstore.checks.engine import open_table_on, table_on
from sessionstore.cleaning import Clearable
from sessionstore.core import expiry
from sessionstore.core.expiry import DAY_MS
from sessionstore.exceptions import SessionStoreError
from sessionstore.table.rows import SqlTable

# So many rows that ended so long ago: no clean-up that runs each day leaves them.
BACKLOG = 100_000
BACKLOG_AGE_MS = 7 * DAY_MS
HOW_TO_CLEAN_UP = (
    "Run manage.py clearsessions each day, by cron or systemd, or set "
    "SESSIONSTORE_CLEANUP_INTERVAL. docs/operations.md has both."
)


def has_backlog(table: Clearable) -> bool:
    """Tell whether rows are left over that any clean-up would have deleted long ago."""
    try:
        return len(table.expired(expiry.now_ms() - BACKLOG_AGE_MS, BACKLOG)) >= BACKLOG
    except (DatabaseError, InterfaceError, SessionStoreError):
        # Before the first migration there is no table; E040 and E041 tell with --deploy.
        return False


def check_backlog(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """W030: many sessions ended long ago, and their rows are still there."""
    table = open_table_on(databases)
    if table is None or not has_backlog(table):
        return []
    return [
        Warning(
            f"The table {table.table} holds at least {BACKLOG:,} sessions that ended more than "
            f"{BACKLOG_AGE_MS // DAY_MS} days ago.",
            hint=HOW_TO_CLEAN_UP,
            id="sessionstore.W030",
        )
    ]


def check_expiry_index(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """W031: the index on ``expires_at`` is gone, so each batch of a clean-up reads the table."""
    table = table_on(databases)
    # The table of Express belongs to Express: manage.py expresstable --check looks after it.
    if not isinstance(table, SqlTable):
        return []
    field: Any = table.model._meta.get_field("expires_at")
    column = field.column
    connection = connections[table.alias]
    try:
        with connection.cursor() as cursor:
            found = connection.introspection.get_constraints(cursor, table.table)
    except (DatabaseError, InterfaceError):
        return []
    if not found or any(one["index"] and one["columns"][:1] == [column] for one in found.values()):
        return []
    return [
        Warning(
            f"The table {table.table} has no index that begins with {column}.",
            hint=f"CREATE INDEX {table.table}_{column} ON {table.table} ({column}), on PostgreSQL "
            f"with CONCURRENTLY.",
            id="sessionstore.W031",
        )
    ]


DATABASE_CHECKS = [check_backlog, check_expiry_index]
