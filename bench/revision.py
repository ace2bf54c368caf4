"""One revision of the package under `bench.revisions`: does what is asked on its standard input.

`python -m bench.revision NAME TREE` takes `sessionstore` from the folder TREE, and the bench from
where it is started. A question is one line of JSON, and so is the answer.
"""

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import django

from bench import machine

SIZES = {
    "mysql": (
        "ANALYZE TABLE sessionstore_session",
        (
            "SELECT data_length + index_length FROM information_schema.tables "
            "WHERE table_schema = DATABASE() AND table_name = 'sessionstore_session'"
        ),
    ),
    "sqlite": (
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
    ),
}
PACK = {"mysql": "OPTIMIZE TABLE sessionstore_session", "sqlite": "VACUUM"}


class Bench:
    """Our engine of one revision, in a database of its own."""

    def __init__(self) -> None:
        self.operations: Any = import_module("bench.operations")
        self.alias = ""
        self.keys: list[str] = []

    def migrate(self, alias: str) -> None:
        """Make the table in this database and work there from now on."""
        self.alias = import_module("bench.routers").Router.alias = alias
        call_command = import_module("django.core.management").call_command
        call_command("migrate", "sessionstore", database=alias, verbosity=0, skip_checks=True)
        engine = import_module("bench.contestants").ENGINES[0]
        self.course = self.operations.Course(engine)
        self.counter = import_module("bench.statements").Counter(alias)

    def fill(self, rows: int) -> None:
        """Store so many sessions, one after the other, as visitors come."""
        self.course.engine.activate()
        self.keys = [self.course.engine.create(number) for number in range(rows)]

    def sign_in(self) -> None:
        """Change the key of each of them, as a login does."""
        for key in self.keys:
            self.course.engine.cycle(key)

    def size(self) -> int:
        """Return the bytes that the table takes with its indexes; on SQLite the whole file."""
        vendor = self.connection.vendor
        with self.connection.cursor() as cursor:
            for statement in SIZES[vendor]:
                cursor.execute(statement)
                found = cursor.fetchone()
        return int(found[0])

    def pack(self) -> None:
        """Let the database write the table anew, without gaps."""
        with self.connection.cursor() as cursor:
            cursor.execute(PACK[self.connection.vendor])

    def prove(self, operation: str) -> str:
        """Warm up, see that it works, and return how many statements it takes."""
        if not self.course.keys:
            self.course.fill()
        return str(self.operations.prove(self.course, operation, self.counter).statements)

    def time(self, operation: str, first: int, last: int) -> list[int]:
        """Return the nanoseconds of each call of a block."""
        found: list[int] = self.operations.timed(self.course, operation, range(first, last))
        return found

    @property
    def connection(self) -> Any:
        return import_module("django.db").connections[self.alias]


def take(tree: str) -> None:
    """Import the package from ``tree``, wherever else it may be installed."""
    sys.path.insert(0, tree)
    package = import_module("sessionstore")
    sys.path.pop(0)
    if not Path(str(package.__file__)).is_relative_to(tree):
        raise RuntimeError(f"sessionstore came from {package.__file__} and not from {tree}")


def set_up(name: str) -> None:
    """Set Django up with databases that have this name."""
    machine.hide_telemetry()
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.settings"
    databases = import_module("bench.settings").DATABASES
    databases["default"]["NAME"] = str(machine.servers().folder / f"{name}.sqlite3")
    if "mariadb" in databases:
        databases["mariadb"]["NAME"] = name
        machine.create_database(machine.servers().ports["mariadb"], name)
    django.setup()


def main() -> None:
    name, tree = sys.argv[1:]
    take(tree)
    set_up(name)
    bench = Bench()
    for line in sys.stdin:
        question = json.loads(line)
        answer = getattr(bench, question.pop("do"))(**question)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
