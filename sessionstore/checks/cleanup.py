"""Checks of tables that nobody cleans up, and of that of the history.

They ask the database, so only with --database.
"""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's names
from django.db import DatabaseError, InterfaceError, connections

from sessionstore.checks.engine import open_table_on, table_on, why_unreachable
from sessionstore.core import expiry
from sessionstore.core.expiry import DAY_MS
from sessionstore.exceptions import SessionStoreError
from sessionstore.history.table import EventTable
from sessionstore.history.writing import is_on
from sessionstore.table.rows import SqlTable

# So many rows that ended so long ago: no clean-up that runs each day leaves them.
BACKLOG = 100_000
BACKLOG_AGE_MS = 7 * DAY_MS


def check_backlog(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """W030: many sessions ended long ago, and their rows are still there."""
    table = open_table_on(databases)
    if table is None:
        return []
    try:
        found = len(table.expired(expiry.now_ms() - BACKLOG_AGE_MS, BACKLOG))
    except (DatabaseError, InterfaceError, SessionStoreError):
        # Before the first migration there is no table; E040 and E041 tell with --deploy.
        return []
    if found < BACKLOG:
        return []
    return [
        Warning(
            f"The table {table.table} holds at least {BACKLOG:,} sessions that ended more than "
            f"{BACKLOG_AGE_MS // DAY_MS} days ago.",
            hint="Run manage.py clearsessions each day, by cron or systemd, or set "
            "SESSIONSTORE_CLEANUP_INTERVAL. docs/operations.md has both.",
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


def _events_on(databases: Sequence[str] | None) -> EventTable | None:
    """Return the table of events if it is asked for, is on one of these, and can be reached."""
    events = EventTable()
    if not is_on() or events.alias not in (databases or ()):
        return None
    return events if why_unreachable(events.alias) is None else None


def check_event_table(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """E096: events are to be written, and there is no table for them."""
    events = _events_on(databases)
    if events is None:
        return []
    try:
        there = events.table in connections[events.alias].introspection.table_names()
    except (DatabaseError, InterfaceError):
        return []
    if there:
        return []
    return [
        Error(
            f"SESSIONSTORE_HISTORY is set, and database {events.alias!r} has no table "
            f"{events.table}: what happens to sessions is written down nowhere.",
            hint=events.how_to_make(),
            id="sessionstore.E096",
        )
    ]


def check_event_place(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """W096: events go to another alias than sessions, and so stand where those were taken back."""
    table, events = table_on(databases), EventTable()
    if not is_on() or table is None or events.alias == table.alias:
        return []
    return [
        Warning(
            f"The sessions are on database {table.alias!r} and their history on {events.alias!r}: "
            f"a login that is rolled back leaves its event.",
            hint="Send sessionstore.SessionEvent to the same alias, by SESSIONSTORE_DATABASE and "
            "SessionRouter or by a router of your own.",
            id="sessionstore.W096",
        )
    ]


def check_event_backlog(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """W097: many events are older than they may be: nobody runs the clean-up."""
    events = _events_on(databases)
    if events is None:
        return []
    try:
        found = len(events.expired(expiry.now_ms() - BACKLOG_AGE_MS, BACKLOG))
    except (DatabaseError, InterfaceError, SessionStoreError):
        return []
    if found < BACKLOG:
        return []
    return [
        Warning(
            f"The table {events.table} holds at least {BACKLOG:,} events that SESSIONSTORE_HISTORY "
            f"keeps no longer.",
            hint="Run manage.py clearsessions each day, by cron or systemd, or set "
            "SESSIONSTORE_CLEANUP_INTERVAL. docs/operations.md has both.",
            id="sessionstore.W097",
        )
    ]


DATABASE_CHECKS = [check_backlog, check_expiry_index, check_event_place, check_event_backlog]
DEPLOYMENT_CHECKS = [check_event_table]
