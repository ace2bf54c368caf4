"""The parts of a run, in their order."""

import argparse
import cProfile
import json
import pstats
from pathlib import Path

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connections

from bench import baseline, instructions, machine, report, start
from bench.bare import Bare
from bench.contestants import ENGINES, Contestant
from bench.memory import measure_memory
from bench.operations import COLD, OPERATIONS, WARM, Course, Samples, Way, measure
from bench.requests import measure_requests
from bench.routers import Router
from bench.stages import measure_stages
from bench.statements import Counter
from bench.storage import Stored, measure_redis, measure_storage
from tests.harness.databases import ALIASES
from tests.harness.servers import Servers

APPS = ["contenttypes", "auth", "sessions", "sessionstore", "qsessions", "user_sessions"]
COUNTED = ["sessionstore", "sessionstore cached_sql", "Django db", "Django cached_db"]
COUNTED += ["Django cache (Redis)", "bare driver"]
BASELINE = Path(__file__).parent / "baseline.json"


class Run:
    """Measure what was asked for, print it, and write the page after a whole run."""

    def __init__(
        self, chosen: argparse.Namespace, databases: dict[str, str], servers: Servers
    ) -> None:
        self.chosen, self.databases, self.servers = chosen, databases, servers
        self.calls = chosen.rounds or (300 if chosen.quick else 1000)
        names = chosen.engine or [""]
        self.engines = [one for one in ENGINES if any(part in one.name for part in names)]
        self.parts: list[str] = []

    def go(self) -> None:
        for name in self.databases:
            make_tables(ALIASES[name])
        if self.chosen.profile:
            return self.profile()
        cold = self.operations(COLD)
        warm = self.operations(WARM)
        counts = self.instructions() if self.asked_for("instructions") else {}
        for part in ("stages", "requests", "storage", "memory", "start"):
            if self.asked_for(part):
                getattr(self, part)()
        if not cold:
            return None
        now = baseline.made_of(cold, warm, counts)
        goals = report.goals(cold)
        print(goals, end="\n\n")
        if BASELINE.exists():
            print(baseline.compare(json.loads(BASELINE.read_text()), now))
        if self.is_whole:
            versions = {"Redis": machine.redis_version(machine.servers().ports["redis"])}
            versions |= {text: _version(ALIASES[name]) for name, text in self.databases.items()}
            versions.pop("SQLite", None)
            made_on = machine.describe(versions)
            report.write("\n\n".join([made_on, goals, *self.parts]))
            BASELINE.write_text(json.dumps({"made on": made_on, **now}, indent=1) + "\n")
        return None

    @property
    def is_whole(self) -> bool:
        chosen = self.chosen
        return not (chosen.quick or chosen.only or chosen.way or chosen.engine)

    def asked_for(self, part: str) -> bool:
        return not self.chosen.only or part in self.chosen.only

    def say(self, *texts: str) -> None:
        self.parts.extend(texts)
        print("\n\n".join(texts), end="\n\n", flush=True)

    def operations(self, way: Way) -> dict[str, Samples]:
        """Time the operations on each database, in one way of taking turns."""
        asked = [name for name in OPERATIONS if self.asked_for(name)]
        measured: dict[str, Samples] = {}
        if not asked or (self.chosen.way and way.name not in self.chosen.way):
            return measured
        self.say(report.WAYS[way.name])
        for name, text in self.databases.items():
            Router.alias = alias = ALIASES[name]
            engines: list[Contestant] = [*self.engines, Bare(alias)]
            counter = Counter(alias)
            with machine.turns(self.servers, pinned=way.pinned and not self.chosen.unpinned):
                found = measure(engines, asked, calls=self.calls, counter=counter, way=way)
            measured[text] = found
            self.say(report.operations(text, found, way))
        return measured

    def instructions(self) -> dict[str, instructions.Counts]:
        """Count the machine instructions of each operation, where valgrind is installed."""
        found = {}
        for name in set(self.databases) & set(instructions.DATABASES):
            wanted = [one for one in COUNTED if any(p in one for p in self.chosen.engine or [""])]
            counts = instructions.count(name, wanted)
            if counts is not None:
                found[self.databases[name]] = counts
        if found:
            self.say(report.INSTRUCTIONS, report.instructions(found))
        return found

    def stages(self) -> None:
        if "mariadb" not in self.databases:
            return
        Router.alias = alias = ALIASES["mariadb"]
        shown = [one for one in self.engines if one.name in {"sessionstore", "Django db"}]
        with machine.turns(self.servers, pinned=not self.chosen.unpinned):
            found = measure_stages([*shown, Bare(alias)], rounds=self.calls // 2)
        self.say(report.STAGES, report.stages(found))

    def requests(self) -> None:
        self.say(report.REQUESTS)
        for name, text in self.databases.items():
            Router.alias = ALIASES[name]
            samples = measure_requests(self.engines, calls=self.calls)
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

    def start(self) -> None:
        rounds = 1 if self.chosen.quick else start.ROUNDS
        self.say(report.START_UP, start.in_words(start.measure(rounds)))

    def profile(self) -> None:
        """Show where the time of each operation goes."""
        for name in self.databases:
            Router.alias = ALIASES[name]
            course = Course(self.engines[0])
            course.fill()
            for operation in filter(self.asked_for, OPERATIONS):
                profiler = cProfile.Profile()
                for turn in range(self.calls):
                    work = course.prepare(operation, turn)
                    answer = profiler.runcall(work)
                    course.clear(operation, turn, answer)
                print(f"{self.databases[name]}: {operation}, {self.calls} times")
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
