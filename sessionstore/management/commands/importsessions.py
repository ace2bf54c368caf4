"""Move the sessions of another engine's table here, ahead of their cookies."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError, connections

from sessionstore.backends.old_engine import OldEngine
from sessionstore.cleaning import Ending, Pace
from sessionstore.conf import conf
from sessionstore.exceptions import SessionStoreUnavailable
from sessionstore.importers import Imported, Importer
from sessionstore.management.arguments import HelpFormatter, add_pace, positive
from sessionstore.management.engines import engine_named, failure, table_of
from sessionstore.management.interrupts import asked_to_stop
from sessionstore.management.progress import progress

ROWS_LEFT = 3
_EPILOG = f"""\
Run it after the switch: while SESSION_ENGINE is one of sessionstore and SESSIONSTORE_ADOPT_FROM
names the old engine, and no server runs on the old engine any more. The cookies of imported
sessions go on working, and nobody is signed out. It can be stopped and run again at any time.

exit codes:
  0  every live session is here, but those that it names as refused
  1  the configuration or a database refused; what was moved stays moved
  2  a wrong argument
  {ROWS_LEFT}  ended before it was done, by --limit, --max-seconds or SIGTERM: run it again
"""
_WHY = {
    Ending.LIMIT: "--limit is reached",
    Ending.TIME: "--max-seconds have passed",
    Ending.STOPPED: "it was asked to stop",
}


class Command(BaseCommand):
    help = "Move the live sessions of another engine's table here, a batch per transaction."
    requires_system_checks = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, epilog=_EPILOG, formatter_class=HelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--from",
            dest="source",
            metavar="ENGINE",
            help="the old engine, such as django.contrib.sessions.backends.db "
            "(default: SESSIONSTORE_ADOPT_FROM)",
        )
        add_pace(parser)
        parser.add_argument(
            "--limit", type=positive, metavar="ROWS", help="look at no more than so many rows"
        )
        parser.add_argument("--dry-run", action="store_true", help="read and count; move nothing")
        parser.add_argument("--json", action="store_true", help="print the outcome as JSON")

    def handle(self, **options: Any) -> None:
        engine = _source(options["source"] or conf.adopt_from)
        store = engine_named(None)
        rows = table_of(store, database=None)
        if not store.adopts:
            message = f"{store.__module__} cannot take sessions in; sql and cached_sql can."
            raise CommandError(message)
        if conf.adopt_from != engine.path and not options["dry_run"]:
            message = (
                f"SESSIONSTORE_ADOPT_FROM is {conf.adopt_from!r}. Set it to {engine.path!r} first: "
                f"without it the cookies of imported sessions open nothing."
            )
            raise CommandError(message)
        try:
            done = self._run(Importer(engine, store), options)
        except (SessionStoreUnavailable, DatabaseError, InterfaceError) as error:
            raise CommandError(failure(error, [rows])) from error
        self._report(done, options)

    def _run(self, importer: Importer, options: dict[str, Any]) -> Imported:
        pace = Pace(
            batch_size=options["batch_size"],
            pause_s=options["sleep"],
            max_seconds=options["max_seconds"],
            limit=options["limit"],
        )
        shows = options["verbosity"] > 0 and not options["json"]
        total = importer.engine.count_live
        with asked_to_stop() as stop, progress(total, wanted=shows) as tell:
            return importer.run(pace=pace, dry_run=options["dry_run"], stop=stop, on_batch=tell)

    def _report(self, done: Imported, options: dict[str, Any]) -> None:
        if options["json"]:
            told = {**asdict(done), "ending": done.ending.value, "dry_run": options["dry_run"]}
            self.stdout.write(json.dumps(told | {"seconds": round(done.seconds, 3)}))
        elif options["verbosity"] > 0:
            verb = "Would move" if options["dry_run"] else "Moved"
            self.stdout.write(f"{verb} {done.moved:,} sessions in {done.seconds:.1f} s.")
            if done.here_already:
                self.stdout.write(f"{done.here_already:,} were here already.")
            for why, number in done.refused.items():
                self.stdout.write(f"Left {number:,} where they are: {why}.")
        if done.ending in _WHY:
            message = f"Stopped before the end: {_WHY[done.ending]}. Run it again."
            raise CommandError(message, returncode=ROWS_LEFT)


def _source(path: str | None) -> OldEngine:
    if not path:
        message = "Name the old engine: --from django.contrib.sessions.backends.db"
        raise CommandError(message)
    engine_named(path)
    engine = OldEngine(path)
    if engine.model is None:
        message = (
            f"{path} has no table, and a cache cannot be listed. Its sessions move in one by one, "
            f"when their cookies come: SESSIONSTORE_ADOPT_FROM."
        )
        raise CommandError(message)
    if engine.alias not in connections:
        message = f"There is no database {engine.alias!r} in DATABASES."
        raise CommandError(message)
    return engine
