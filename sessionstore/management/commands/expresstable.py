"""manage.py expresstable: the table that an Express application shares with this site."""

from argparse import ArgumentParser
from itertools import count
from typing import Any

from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections

from sessionstore.cleaning import Ending
from sessionstore.conf import conf
from sessionstore.express.fitness.cookies import disagreements_on
from sessionstore.express.fitness.findings import Level
from sessionstore.express.people import known_users
from sessionstore.express.record import express_settings
from sessionstore.express.rows import SharedTable
from sessionstore.express.table.schema import ExpressTable, refusal
from sessionstore.express.table.user_columns import UserColumns
from sessionstore.management.base import SessionCommand, database_errors, refuse_early
from sessionstore.management.engines import known_database
from sessionstore.management.interrupts import asked_to_stop
from sessionstore.table.refusals import lacks_right
from sessionstore.table.verbs import Knows


class Command(SessionCommand):
    """Make, extend or check the table of SESSIONSTORE_EXPRESS."""

    help = "Make, extend or check the session table that an Express application shares."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument(
            "--check",
            action="store_true",
            help="tell what breaks, what costs and what works, and fail when the table cannot be "
            "shared; nothing stays written",
        )
        what.add_argument(
            "--create",
            action="store_true",
            help="make the table exactly as Express's store would; refused where such a table is "
            "seen elsewhere",
        )
        what.add_argument(
            "--add-mark",
            action="store_true",
            help="add the mark column, which keeps a logout final, and the missing index on the "
            "expiry",
        )
        what.add_argument(
            "--add-guard",
            action="store_true",
            help="the same, and a trigger that keeps marks against Express's own writes",
        )
        what.add_argument(
            "--add-user",
            action="store_true",
            help="the same, and columns of the user with triggers that keep them from the JSON: "
            "for the devices page and ends by user",
        )
        parser.add_argument(
            "--database",
            metavar="ALIAS",
            help="the database alias (default: SESSIONSTORE_DATABASE)",
        )
        parser.add_argument("--dry-run", action="store_true", help="print the SQL, run nothing")

    def handle(self, *_: Any, **options: Any) -> None:
        if options["check"] and options["dry_run"]:
            message = "--dry-run goes with what changes the table, and --check changes nothing."
            raise CommandError(message)
        settings = express_settings()
        alias = options["database"]
        if alias is None:
            alias = conf.database or DEFAULT_DB_ALIAS
        table = ExpressTable(known_database(alias), settings)
        with database_errors(SharedTable().using(alias)):
            self._work(table, options)

    def _work(self, table: ExpressTable, options: dict[str, Any]) -> None:
        if options["create"]:
            self._create(table, options)
            return
        if not table.columns():
            raise CommandError(table.absence())
        if options["check"]:
            self._check(table)
            return
        if options["add_user"]:
            why = UserColumns(table.alias, table.settings).refusal(table.columns())
            if why is not None:
                message = f"{table.name} is left as it is, for {why}."
                raise CommandError(message)
        was_any = self._run(table, table.add_mark_sql(), options)
        if options["add_guard"] or options["add_user"]:
            was_any |= self._run(table, table.add_guard_sql(), options)
        if options["add_user"]:
            was_any |= self._add_user(table, options)
        if not was_any:
            self._say_nothing_to_do(table)

    def _add_user(self, table: ExpressTable, options: dict[str, Any]) -> bool:
        """Add the columns, fill them beside live traffic, and index them last."""
        people = UserColumns(table.alias, table.settings)
        statements = people.add_sql()
        was_any = self._run(table, statements, options)
        if was_any or not people.is_filled():
            self._fill(people, options)
            was_any |= self._run(table, people.index_sql(), options)
        if known_users(table.settings) is Knows.SOME:
            self.stdout.write(
                'Who is found only by the callable of SESSIONSTORE_EXPRESS["user"] stays unseen: '
                "no trigger can run it. The columns tell Django's logins and passport's user."
            )
        return was_any

    def _fill(self, people: UserColumns, options: dict[str, Any]) -> None:
        self.stdout.write(f"{people.fill_sql()} (...);  -- in batches")
        if options["dry_run"]:
            return
        with asked_to_stop() as stop:
            filled = people.fill(SharedTable().using(people.alias), stop=stop)
        self.stdout.write(f"Looked at {filled.removed:,} rows.")
        refuse_early(filled.ending if filled.ending is Ending.STOPPED else Ending.DONE)

    def _run(self, table: ExpressTable, statements: list[str], options: dict[str, Any]) -> bool:
        """Print statements and run them; tell whether there were any."""
        for sql in statements:
            self.stdout.write(_printed(sql, connections[table.alias].vendor))
            if not options["dry_run"]:
                with connections[table.alias].cursor() as cursor:
                    cursor.execute(sql)
        return bool(statements)

    def _say_nothing_to_do(self, table: ExpressTable) -> None:
        self.stdout.write(f"{table.name}: nothing to do.")

    def _create(self, table: ExpressTable, options: dict[str, Any]) -> None:
        try:
            is_there = bool(table.columns())
        except DatabaseError as error:
            if not lacks_right(error):
                raise
            is_there = False  # MySQL says so of a table that is not there, too; the CREATE tells.
        if not is_there and (why := refusal(table)):
            raise CommandError(why)
        if not self._run(table, [] if is_there else table.create_sql(), options):
            self._say_nothing_to_do(table)

    def _check(self, table: ExpressTable) -> None:
        findings = table.findings(tries=True)
        for finding in findings:
            self.stdout.write(f"{finding.level.value}: {finding.text}.")
            if finding.mend:
                self.stdout.write(f"        {finding.mend};")
        if any(finding.breaks for finding in findings):
            message = f"{table.name} cannot be shared like this."
            raise CommandError(message)
        costs = [finding for finding in findings if finding.level is Level.COSTS]
        cookies = disagreements_on(SharedTable().using(table.alias))
        for one in cookies:
            self.stdout.write(f"{Level.COSTS.value}: {one.text}. {one.hint}")
        if costs or cookies:
            self.stdout.write(f"{table.name} can be shared, at these costs.")
        else:
            self.stdout.write(f"{table.name}: as it should be.")


def _printed(sql: str, vendor: str) -> str:
    """Return a statement as the database's own client takes it."""
    if vendor == "mysql" and ";" in sql:
        end = next(end for end in map("/".__mul__, count(2)) if end not in sql)
        return f"DELIMITER {end}\n{sql} {end}\nDELIMITER ;"
    return f"{sql};"
