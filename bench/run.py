"""The parts of a run, in their order."""

import argparse
import cProfile
import pstats

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connections

from bench import machine, report
from bench.bare import Bare
from bench.contestants import ENGINES, Contestant
from bench.memory import measure_memory
from bench.operations import OPERATIONS, Course, Samples, measure
from bench.requests import measure_requests
from bench.routers import Router
from bench.stages import measure_stages
from bench.statements import Counter
from bench.storage import Stored, measure_redis, measure_storage
from tests.harness.databases import ALIASES

APPS = ["contenttypes", "auth", "sessions", "sessionstore", "qsessions", "user_sessions"]


class Run:
    """Measure what was asked for, print it, and write the page after a whole run."""

    def __init__(self, chosen: argparse.Namespace, databases: dict[str, str]) -> None:
        self.chosen, self.databases = chosen, databases
        self.rounds = chosen.rounds or (300 if chosen.quick else 1000)
        names = chosen.engine or [""]
        self.engines = [one for one in ENGINES if any(part in one.name for part in names)]
        self.parts: list[str] = []

    def go(self) -> None:
        for name in self.databases:
            make_tables(ALIASES[name])
        if self.chosen.profile:
            return self.profile()
        measured = self.operations()
        if self.asked_for("stages") and "mariadb" in self.databases:
            self.stages()
        if self.asked_for("requests"):
            self.requests()
        if self.asked_for("storage"):
            self.storage()
        if self.asked_for("memory"):
            self.memory()
        if measured:
            self.say("## Targets", report.targets(measured))
            self.parts = self.parts[-2:] + self.parts[:-2]
        if not (self.chosen.quick or self.chosen.only or self.chosen.database):
            versions = {"Redis": machine.redis_version(machine.servers().ports["redis"])}
            versions |= {text: _version(ALIASES[name]) for name, text in self.databases.items()}
            versions.pop("SQLite", None)
            report.write("\n\n".join([machine.describe(versions), *self.parts]))
        return None

    def asked_for(self, part: str) -> bool:
        return not self.chosen.only or part in self.chosen.only

    def say(self, *texts: str) -> None:
        self.parts.extend(texts)
        print("\n\n".join(texts), end="\n\n", flush=True)

    def operations(self) -> dict[str, Samples]:
        asked = [name for name in OPERATIONS if self.asked_for(name)]
        measured: dict[str, Samples] = {}
        for name, text in self.databases.items() if asked else ():
            Router.alias = alias = ALIASES[name]
            engines: list[Contestant] = [*self.engines, Bare(alias)]
            counter = Counter(alias)
            measured[text] = measure(engines, asked, rounds=self.rounds, counter=counter)
            title = [] if self.parts else ["## One operation"]
            self.say(*title, report.operations(text, measured[text]))
        return measured

    def stages(self) -> None:
        Router.alias = alias = ALIASES["mariadb"]
        shown = [one for one in self.engines if one.name in {"sessionstore", "Django db"}]
        found = measure_stages([*shown, Bare(alias)], rounds=self.rounds // 2)
        explained = (
            "MariaDB, in microseconds: time in Python + time in statements, until they answer."
        )
        self.say("## Where the time goes", explained, report.stages(found))

    def requests(self) -> None:
        self.say("## A whole request through Django's handler", "Median in microseconds.")
        for name, text in self.databases.items():
            Router.alias = ALIASES[name]
            samples = measure_requests(self.engines, rounds=self.rounds)
            self.say(report.requests(text, samples))

    def storage(self) -> None:
        found: dict[str, dict[str, Stored]] = {}
        for name, text in self.databases.items():
            Router.alias = ALIASES[name]
            found[text] = measure_storage(self.engines, ALIASES[name])
        found["Redis"] = {"Django cache": measure_redis()}
        self.say("## Bytes per session", report.storage(found))

    def memory(self) -> None:
        name = "sqlite" if "sqlite" in self.databases else next(iter(self.databases))
        Router.alias = ALIASES[name]
        requests = self.chosen.requests // (10 if self.chosen.quick else 1)
        ours = {one.name: one for one in self.engines if one.name in {"sessionstore", "Django db"}}
        found = {name: measure_memory(one, requests=requests) for name, one in ours.items()}
        self.say("## Memory", report.memory(found))

    def profile(self) -> None:
        """Show where the time of each operation goes."""
        for name in self.databases:
            Router.alias = ALIASES[name]
            course = Course(self.engines[0])
            course.fill()
            for operation in filter(self.asked_for, OPERATIONS):
                profiler = cProfile.Profile()
                for turn in range(self.rounds):
                    work = course.prepare(operation, turn)
                    answer = profiler.runcall(work)
                    course.clear(operation, turn, answer)
                print(f"{self.databases[name]}: {operation}, {self.rounds} times")
                pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


def make_tables(alias: str) -> None:
    """Make the tables of all engines on a database, and the shopper, and go on there."""
    Router.alias = alias
    for app in APPS:
        call_command("migrate", app, database=alias, verbosity=0, skip_checks=True)
    get_user_model().objects.get_or_create(pk=1, username="shopper")


def _version(alias: str) -> str:
    connection = connections[alias]
    if connection.vendor == "sqlite":
        return ""
    with connection.cursor() as cursor:
        cursor.execute("SELECT version()")
        return str(cursor.fetchone()[0]).split(" (")[0].removeprefix("PostgreSQL ")
