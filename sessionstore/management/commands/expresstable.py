"""manage.py expresstable: the table that an Express application shares with this site."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, connections

from sessionstore.conf import conf
from sessionstore.express.cookies import disagreements_on
from sessionstore.express.record import express_settings
from sessionstore.express.rows import SharedTable
from sessionstore.express.schema import ExpressTable
from sessionstore.management.base import SessionCommand
from sessionstore.management.engines import known_database


class Command(SessionCommand):
    """Make, extend or check the table of SESSIONSTORE_EXPRESS."""

    help = "Make, extend or check the session table that an Express application shares."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument(
            "--check",
            action="store_true",
            help="tell what differs, and fail when the table cannot be shared; write nothing",
        )
        what.add_argument(
            "--create", action="store_true", help="make the table exactly as Express's store would"
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
        parser.add_argument(
            "--database",
            metavar="ALIAS",
            help="the database alias (default: SESSIONSTORE_DATABASE)",
        )
        parser.add_argument("--dry-run", action="store_true", help="print the SQL, run nothing")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            settings = express_settings()
        except (ImproperlyConfigured, ValueError) as error:
            raise CommandError(str(error)) from None
        alias = options["database"]
        if alias is None:
            alias = conf.database or DEFAULT_DB_ALIAS
        table = ExpressTable(known_database(alias), settings)
        if options["check"]:
            self._check(table)
            return
        if not options["create"] and not table.columns():
            message = f"The table {table.name} does not exist: run --create first."
            raise CommandError(message)
        if options["create"]:
            self._run(table, [] if table.columns() else table.create_sql(), options)
            return
        self._run(table, table.add_mark_sql(), options)
        if options["add_guard"]:
            self._run(table, table.add_guard_sql(), options)

    def _run(self, table: ExpressTable, statements: list[str], options: dict[str, Any]) -> None:
        for sql in statements:
            self.stdout.write(f"{sql};")
            if not options["dry_run"]:
                with connections[table.alias].cursor() as cursor:
                    cursor.execute(sql)
        if not statements:
            self.stdout.write(f"{table.name}: nothing to do.")

    def _check(self, table: ExpressTable) -> None:
        differences = table.differences()
        for difference in differences:
            self.stdout.write(f"{table.name}: {difference.text}.")
        if any(difference.breaks for difference in differences):
            message = f"{table.name} cannot be shared like this."
            raise CommandError(message)
        cookies = disagreements_on(SharedTable().using(table.alias))
        for one in cookies:
            self.stdout.write(f"{table.name}: {one.text}. {one.hint}")
        if not differences and not cookies:
            self.stdout.write(f"{table.name}: as it should be.")
