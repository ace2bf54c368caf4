"""What the commands share: their frame, and the ways in which they end early."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError

from sessionstore.cleaning import GRACE_MS, Clearable, Ending
from sessionstore.core.expiry import MINUTE_MS
from sessionstore.exceptions import SessionStoreUnavailable, WrongSetting
from sessionstore.management.arguments import HelpFormatter
from sessionstore.table.refusals import Placed, told

ROWS_LEFT = 3
GRACE_MINUTES = GRACE_MS // MINUTE_MS
_WHY = {
    Ending.LIMIT: "--limit is reached",
    Ending.TIME: "--max-seconds have passed",
    Ending.STOPPED: "it was asked to stop",
}


class SessionCommand(BaseCommand):
    """A command for operators: its help ends with ``epilog``, such as its exit codes.

    It runs without the system checks, so that no finding of theirs stops a cron job.
    """

    epilog = ""
    requires_system_checks = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, epilog=self.epilog, formatter_class=HelpFormatter, **kwargs
        )

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run it; a setting that is wrong or missing is one line for whoever set it."""
        try:
            return super().execute(*args, **options)
        except WrongSetting as error:
            raise CommandError(str(error)) from error


@contextmanager
def database_errors(*tables: Placed) -> Iterator[None]:
    """Turn what a database refuses into a CommandError: one line, in words for an operator.

    ``tables`` are all that the block reads or writes. --traceback has the driver's words.
    """
    told_already = logging.NullHandler()
    logger = logging.getLogger("sessionstore")
    # Where no logging is configured, Python would print the record of the failure as a second line.
    logger.addHandler(told_already)
    try:
        yield
    except (SessionStoreUnavailable, DatabaseError, InterfaceError) as error:
        raise CommandError(_failure(error, tables)) from error
    finally:
        logger.removeHandler(told_already)


def refuse_early(ending: Ending) -> None:
    """Raise CommandError, with an exit code of its own, when something is left to do."""
    if ending in _WHY:
        message = f"Stopped before the end: {_WHY[ending]}. Run it again."
        raise CommandError(message, returncode=ROWS_LEFT)


def sessions(number: int, kind: str = "") -> str:
    """Return such as "1 session" or, with the kind "expired", "1,200 expired sessions"."""
    return counted(number, "session", kind)


def counted(number: int, what: str, kind: str = "") -> str:
    """Return such as "1 event"."""
    return f"{number:,} {kind and f'{kind} '}{what}{'' if number == 1 else 's'}"


def where(table: Clearable) -> str:
    """Return a table and its database in words."""
    return f"{table.table} of database {table.alias!r}"


def _failure(error: Exception, tables: tuple[Placed, ...]) -> str:
    cause = error.__cause__ if isinstance(error, SessionStoreUnavailable) else error
    if isinstance(cause, DatabaseError | InterfaceError):
        return told(cause, tables)
    return f"{error} What was done stays done; run it again."
