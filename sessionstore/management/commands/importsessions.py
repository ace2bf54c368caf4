"""Move the sessions of another engine's table here, ahead of their cookies."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from sessionstore.cleaning import Cleaned
from sessionstore.conf import conf
from sessionstore.management.arguments import add_pace, pace_of, positive
from sessionstore.management.base import (
    ROWS_LEFT,
    SessionCommand,
    database_errors,
    refuse_early,
    sessions,
)
from sessionstore.management.engines import known_database, session_engine
from sessionstore.management.interrupts import asked_to_stop
from sessionstore.management.progress import progress
from sessionstore.moving.importer import Imported, Importer, why_unusable
from sessionstore.moving.old_engine import OldEngine
from sessionstore.moving.old_table import OldTable
from sessionstore.session.engine import NoAdoption

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


class Command(SessionCommand):
    help = "Move the live sessions of another engine's table here, a batch per transaction."
    epilog = _EPILOG

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--from",
            dest="source",
            metavar="ENGINE",
            help="the old engine, such as django.contrib.sessions.backends.db "
            "(default: SESSIONSTORE_ADOPT_FROM)",
        )
        add_pace(parser)
        parser.add_argument("--limit", type=positive, metavar="ROWS", help="move at most so many")
        parser.add_argument("--dry-run", action="store_true", help="read and count; move nothing")
        parser.add_argument("--json", action="store_true", help="print the outcome as JSON")

    def handle(self, **options: Any) -> None:
        engine = _source(options["source"] or conf.adopt_from)
        store = session_engine()
        if isinstance(store.adoption, NoAdoption):
            message = f"{store.__module__} cannot take sessions in; sql and cached_sql can."
            raise CommandError(message)
        if conf.adopt_from != engine.path and not options["dry_run"]:
            message = (
                f"SESSIONSTORE_ADOPT_FROM is {conf.adopt_from!r}. Set it to {engine.path!r} first: "
                f"without it the cookies of imported sessions open nothing."
            )
            raise CommandError(message)
        with database_errors(store.get_table(), OldTable(engine.table)):
            done, ran = self._run(Importer(engine, store), options)
        self._report(done, ran, options)

    def _run(self, importer: Importer, options: dict[str, Any]) -> tuple[Imported, Cleaned]:
        pace = pace_of(options)
        shows = options["verbosity"] > 0 and not options["json"]
        total = importer.engine.count_live
        with asked_to_stop() as stop, progress(total, wanted=shows) as tell:
            return importer.run(pace=pace, dry_run=options["dry_run"], stop=stop, on_batch=tell)

    def _report(self, done: Imported, ran: Cleaned, options: dict[str, Any]) -> None:
        if options["json"]:
            told = {
                **asdict(done),
                "batches": ran.batches,
                "seconds": round(ran.seconds, 3),
                "ending": ran.ending.value,
                "dry_run": options["dry_run"],
            }
            self.stdout.write(json.dumps(told))
        elif options["verbosity"] > 0:
            verb = "Would move" if options["dry_run"] else "Moved"
            self.stdout.write(f"{verb} {sessions(done.moved)} in {ran.seconds:.1f} s.")
            if done.here_already:
                self.stdout.write(f"{done.here_already:,} were here already.")
            for why, number in done.refused.items():
                self.stdout.write(f"Left {number:,} where they are: {why}.")
        refuse_early(ran.ending)


def _source(path: str | None) -> OldEngine:
    if not path:
        message = "Name the old engine: --from django.contrib.sessions.backends.db"
        raise CommandError(message)
    reason = why_unusable(path)
    if reason is not None:
        message = f"No session can be moved from {path!r}: {reason}."
        raise CommandError(message)
    engine = OldEngine(path)
    if engine.model is None:
        message = (
            f"{path} has no table, so its sessions cannot be listed. They move in one by one, when "
            f"their cookies come: SESSIONSTORE_ADOPT_FROM."
        )
        raise CommandError(message)
    known_database(engine.alias)
    return engine
