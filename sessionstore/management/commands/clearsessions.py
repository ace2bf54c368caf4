"""Delete expired sessions; the name of Django's command, so that cron jobs keep working."""

import json
from dataclasses import replace
from typing import Any

from django.core.management.base import CommandError, CommandParser

from sessionstore.cleaning import GRACE_MS, Cleaned, Clearable, Ending, Pace, clear_expired
from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.housekeeping import kept_beside
from sessionstore.links.rows import links
from sessionstore.management.arguments import add_engine, add_pace, pace_of, positive
from sessionstore.management.base import (
    GRACE_MINUTES,
    ROWS_LEFT,
    SessionCommand,
    counted,
    database_errors,
    refuse_early,
    where,
)
from sessionstore.management.engines import engine_named, known_database, table_of
from sessionstore.management.interrupts import asked_to_stop
from sessionstore.management.progress import progress
from sessionstore.moving.importer import why_unusable
from sessionstore.moving.old_table import tables_to_clear
from sessionstore.outside.linked import GoneLinks

BUSY = 4
_EXIT = f"""\
exit codes:
  0  everything that had expired is deleted (or was counted, with --dry-run)
  1  the engine or the database refused; what was deleted stays deleted
  2  a wrong argument
  {ROWS_LEFT}  ended before it was done, by --limit, --max-seconds or SIGTERM: run it again
  {BUSY}  another clearsessions works on a table, which was left alone

Sessions are deleted ten minutes after their end, oldest first, in small transactions.
"""
# What the options are when nobody has used them.
_UNUSED = {
    "batch_size": None,
    "sleep": None,
    "max_seconds": None,
    "limit": None,
    "dry_run": False,
    "database": None,
    "json": False,
}
Done = list[tuple[Clearable, Cleaned]]


class Command(SessionCommand):
    help = "Delete expired sessions in small batches, without stalling live traffic."
    epilog = _EXIT

    def add_arguments(self, parser: CommandParser) -> None:
        add_pace(parser)
        parser.add_argument(
            "--limit", type=positive, metavar="ROWS", help="delete at most so many rows"
        )
        parser.add_argument("--dry-run", action="store_true", help="only count; delete nothing")
        parser.add_argument(
            "--database",
            metavar="ALIAS",
            help="the database alias (default: where the routers send sessions)",
        )
        add_engine(parser)
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, **options: Any) -> None:
        store = engine_named(options["engine"])
        if not hasattr(store, "get_table"):
            self._clear_foreign(store, options)
            return
        tables = _tables(store, options)
        with database_errors(*tables):
            if options["database"] is None and not options["engine"]:
                tables += kept_beside()
                if links.is_used():
                    tables.append(GoneLinks(store.get_table()))
            if options["dry_run"]:
                done = _count(tables, options["limit"])
            else:
                done = _clear(tables, options)
        self._report(done, options)

    def _report(self, done: Done, options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(done, dry_run=options["dry_run"])))
        elif options["verbosity"] > 0:
            for table, cleaned in done:
                if cleaned.ending is not Ending.BUSY:
                    self.stdout.write(_as_text(table, cleaned, dry_run=options["dry_run"]))
        for _, cleaned in done:
            refuse_early(cleaned.ending)
        busy = [where(table) for table, cleaned in done if cleaned.ending is Ending.BUSY]
        if busy:
            message = f"Another clearsessions works on {' and '.join(busy)}, which was left alone."
            raise CommandError(message, returncode=BUSY)

    def _clear_foreign(self, store: Any, options: dict[str, Any]) -> None:
        """Do what Django's own command does, for an engine that is not ours."""
        if any(options[name] != unused for name, unused in _UNUSED.items()):
            message = (
                f"{store.__module__} is not an engine of sessionstore and clears in its own way, "
                f"without options. To clear the table of sessionstore: --engine=sql."
            )
            raise CommandError(message)
        try:
            store.clear_expired()
        except NotImplementedError:
            message = (
                f"Session engine {store.__module__!r} doesn't support clearing expired sessions."
            )
            raise CommandError(message) from None


def _tables(store: Any, options: dict[str, Any]) -> list[Clearable]:
    """Return the engine's table, and the one that its sessions are adopted from.

    Whoever names a database or an engine means that table alone.
    """
    database = options["database"]
    if database is not None or options["engine"]:
        return [table_of(store, database=database)]
    reason = why_unusable(conf.adopt_from) if conf.adopt_from else None
    if reason is not None:
        message = f"SESSIONSTORE_ADOPT_FROM = {conf.adopt_from!r}: {reason}."
        raise CommandError(message)
    tables = [*tables_to_clear(store)]
    for table in tables:
        known_database(table.alias)
    return tables


def _clear(tables: list[Clearable], options: dict[str, Any]) -> Done:
    pace = pace_of(options)
    done = []
    shows = options["verbosity"] > 0 and not options["json"]
    with asked_to_stop() as stop, progress(lambda: _backlog(tables), wanted=shows) as tell:
        for table in tables:
            cleaned = clear_expired(table, pace=pace, stop=stop, on_batch=tell)
            done.append((table, cleaned))
            if cleaned.ending not in (Ending.DONE, Ending.BUSY):
                break
            pace = _remaining(pace, cleaned)
    return done


def _count(tables: list[Clearable], limit: int | None) -> Done:
    """Return what ``_clear`` would delete, if it had the time."""
    now = expiry.now_ms()
    done = []
    for table in tables:
        found = table.count_expired(now - GRACE_MS)
        if limit is not None and found >= limit:
            done.append((table, Cleaned(limit, 0, 0.0, Ending.LIMIT)))
            break
        kept = max(0, table.count_expired(now) - found)
        done.append((table, Cleaned(found, 0, 0.0, Ending.DONE, kept)))
        limit = None if limit is None else limit - found
    return done


def _backlog(tables: list[Clearable]) -> int:
    cutoff = expiry.now_ms() - GRACE_MS
    return sum(table.count_expired(cutoff) for table in tables)


def _remaining(pace: Pace, cleaned: Cleaned) -> Pace:
    """Return what is left for the next table."""
    limit, longest = pace.limit, pace.max_seconds
    return replace(
        pace,
        limit=None if limit is None else limit - cleaned.removed,
        max_seconds=None if longest is None else max(0.0, longest - cleaned.seconds),
    )


def _as_json(done: Done, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "sessions": sum(one.removed for table, one in done if table.holds == "session"),
        "tables": [
            {
                "table": table.table,
                "database": table.alias,
                f"{table.holds.replace(' ', '_')}s": cleaned.removed,
                "batches": cleaned.batches,
                "seconds": round(cleaned.seconds, 3),
                "ending": cleaned.ending.value,
                **({"kept": cleaned.kept} if dry_run else {}),
            }
            for table, cleaned in done
        ],
    }


def _as_text(table: Clearable, cleaned: Cleaned, *, dry_run: bool) -> str:
    what = f"{counted(cleaned.removed, table.holds, 'expired')} from {where(table)}"
    if not dry_run:
        return f"Deleted {what} in {cleaned.seconds:.1f} s."
    are = "is" if cleaned.kept == 1 else "are"
    kept = f" {cleaned.kept:,} more ended in the last {GRACE_MINUTES} minutes and {are} kept"
    return f"Would delete {what}.{f'{kept}, for clocks differ.' if cleaned.kept else ''}"
