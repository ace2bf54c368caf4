"""Checks of SESSIONSTORE_HISTORY: a table that is missing, elsewhere, or cleaned up by nobody.

They ask the database, so only with --database.
"""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's names
from django.db import DatabaseError, InterfaceError, connections

from sessionstore.checks.cleanup import BACKLOG, HOW_TO_CLEAN_UP, has_backlog
from sessionstore.checks.engine import table_on, why_unreachable
from sessionstore.history.table import events
from sessionstore.history.writing import is_on


def check_event_table(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """E096: events are to be written, and there is no table for them."""
    if not _can_ask(databases):
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
    table = table_on(databases)
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
    if not _can_ask(databases) or not has_backlog(events):
        return []
    return [
        Warning(
            f"The table {events.table} holds at least {BACKLOG:,} events that SESSIONSTORE_HISTORY "
            f"keeps no longer.",
            hint=HOW_TO_CLEAN_UP,
            id="sessionstore.W097",
        )
    ]


def _can_ask(databases: Sequence[str] | None) -> bool:
    """Tell whether events are kept on one of these databases, and it can be reached."""
    if not is_on() or events.alias not in (databases or ()):
        return False
    return why_unreachable(events.alias) is None


DATABASE_CHECKS = [check_event_place, check_event_backlog]
DEPLOYMENT_CHECKS = [check_event_table]
