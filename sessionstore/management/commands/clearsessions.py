"""Delete expired sessions; the name of Django's command, so that cron jobs keep working."""

import json
from dataclasses import replace
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError, connections

from sessionstore import expiry
from sessionstore.backends.old_table import tables_to_clear
from sessionstore.cleaning import GRACE_MS, PAUSE_S, Cleaned, Ending, Pace, clear_expired
from sessionstore.exceptions import SessionStoreUnavailable
from sessionstore.management.arguments import HelpFormatter, add_pace, positive
from sessionstore.management.engines import engine_named, failure, table_of
from sessionstore.management.interrupts import asked_to_stop
from sessionstore.management.progress import progress

ROWS_LEFT, BUSY = 3, 4
_EXIT = f"""\
exit codes:
  0  everything that had expired is deleted (or was counted, with --dry-run)
  1  the engine or the database refused; what was deleted stays deleted
  2  a wrong argument
  {ROWS_LEFT}  ended before it was done, by --limit, --max-seconds or SIGTERM: run it again
  {BUSY}  another clearsessions works on this table; nothing was done

Sessions are deleted ten minutes after their end, oldest first, in small transactions.
"""
_WHY = {
    Ending.LIMIT: "--limit is reached",
    Ending.TIME: "--max-seconds have passed",
    Ending.STOPPED: "it was asked to stop",
}


class Command(BaseCommand):
    help = "Delete expired sessions in small batches, without stalling live traffic."
    requires_system_checks = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name,
            subcommand,
            epilog=_EXIT,
            formatter_class=HelpFormatter,
            **kwargs,
        )

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
        parser.add_argument(
            "--engine",
            metavar="NAME",
            help="dotted path, or sql, cached_sql, express (default: SESSION_ENGINE)",
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, **options: Any) -> None:
        store = engine_named(options["engine"])
        if not hasattr(store, "get_rows"):
            self._clear_foreign(store, options)
            return
        tables = _tables(store, options)
        try:
            done = self._count(tables) if options["dry_run"] else self._clear(tables, options)
        except (SessionStoreUnavailable, DatabaseError, InterfaceError) as error:
            raise CommandError(failure(error, tables)) from error
        self._report(done, options)

    def _clear(self, tables: list[Any], options: dict[str, Any]) -> list[tuple[Any, Cleaned]]:
        pace = Pace(
            batch_size=options["batch_size"],
            pause_s=options["sleep"],
            max_seconds=options["max_seconds"],
            limit=options["limit"],
        )
        done = []
        shows = options["verbosity"] > 0 and not options["json"]
        with asked_to_stop() as stop, progress(lambda: _backlog(tables), wanted=shows) as tell:
            for rows in tables:
                cleaned = clear_expired(rows, pace=pace, stop=stop, on_batch=tell)
                done.append((rows, cleaned))
                if cleaned.ending not in (Ending.DONE, Ending.BUSY):
                    break
                pace = _remaining(pace, cleaned)
        return done

    def _count(self, tables: list[Any]) -> list[tuple[Any, Cleaned]]:
        cutoff = expiry.now_ms() - GRACE_MS
        return [(rows, Cleaned(rows.count_expired(cutoff), 0, 0.0, Ending.DONE)) for rows in tables]

    def _report(self, done: list[tuple[Any, Cleaned]], options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(done, dry_run=options["dry_run"])))
        elif options["verbosity"] > 0:
            for rows, cleaned in done:
                self.stdout.write(_as_text(rows, cleaned, dry_run=options["dry_run"]))
        endings = [cleaned.ending for _, cleaned in done]
        for ending in endings:
            if ending in _WHY:
                message = f"Stopped before the end: {_WHY[ending]}. Run it again."
                raise CommandError(message, returncode=ROWS_LEFT)
        if Ending.BUSY in endings:
            message = "Another clearsessions works on this table."
            raise CommandError(message, returncode=BUSY)

    def _clear_foreign(self, store: Any, options: dict[str, Any]) -> None:
        """Do what Django's own command does, for an engine that is not ours."""
        given = ("batch_size", "max_seconds", "limit", "dry_run", "database", "json")
        if any(options[name] for name in given) or options["sleep"] != PAUSE_S:
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


def _tables(store: Any, options: dict[str, Any]) -> list[Any]:
    """Answer the engine's table, and the one that its sessions are adopted from.

    Who names a database or an engine means that table alone.
    """
    database = options["database"]
    if database and database not in connections:
        known = ", ".join(connections)
        message = f"There is no database {database!r} in DATABASES, only {known}."
        raise CommandError(message)
    if database or options["engine"]:
        return [table_of(store, database=database)]
    return tables_to_clear(store)


def _backlog(tables: list[Any]) -> int:
    cutoff = expiry.now_ms() - GRACE_MS
    return sum(rows.count_expired(cutoff) for rows in tables)


def _remaining(pace: Pace, cleaned: Cleaned) -> Pace:
    """Answer what is left for the next table."""
    limit, longest = pace.limit, pace.max_seconds
    return replace(
        pace,
        limit=None if limit is None else limit - cleaned.removed,
        max_seconds=None if longest is None else max(0.0, longest - cleaned.seconds),
    )


def _as_json(done: list[tuple[Any, Cleaned]], *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "sessions": sum(cleaned.removed for _, cleaned in done),
        "tables": [
            {
                "table": rows.table,
                "database": rows.alias,
                "sessions": cleaned.removed,
                "batches": cleaned.batches,
                "seconds": round(cleaned.seconds, 3),
                "ending": cleaned.ending.value,
            }
            for rows, cleaned in done
        ],
    }


def _as_text(rows: Any, cleaned: Cleaned, *, dry_run: bool) -> str:
    where = f"{rows.table} of database {rows.alias!r}"
    count = f"{cleaned.removed:,} expired session{'' if cleaned.removed == 1 else 's'}"
    if dry_run:
        return f"Would delete {count} from {where}."
    return f"Deleted {count} from {where} in {cleaned.seconds:.1f} s."
