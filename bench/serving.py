"""`python -m bench.serving`: whole requests through gunicorn and uvicorn, with real connections.

Each engine has a server of its own; they take turns, a second each, with 1 and with 16 visitors at
once. Writes docs/benchmarks.md.
"""

import argparse
import importlib.util
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from bench import machine
from bench.traffic import drive
from tests.harness.process import free_port, launch

ROOT = Path(__file__).parents[1]
DATABASES = {"mariadb": "MariaDB", "sqlite": "SQLite", "postgresql": "PostgreSQL"}
ROUNDS, AT_ONCE = 5, (1, 16)
_WARM_UP_S = 0.2
VIEWS = ["neither", "read", "write"]
GUNICORN, UVICORN = "gunicorn", "uvicorn"
# gunicorn with its own defaults, but for two workers; uvicorn as its [standard] extra makes it.
COMMANDS = {
    GUNICORN: ["gunicorn", "--workers", "2", "--log-level", "warning", "--bind", "127.0.0.1:{}"],
    UVICORN: ["uvicorn", "--no-access-log", "--log-level", "warning", "--port", "{}"],
}
APPLICATIONS = {GUNICORN: "bench.site:wsgi", UVICORN: "bench.site:asgi"}
HEAD = ["Server, database", "Engine", *(f"{v}, {n} at once" for v in VIEWS for n in AT_ONCE)]
BESIDE = "Django cache (Redis)"
NAMES = [
    *("sessionstore", "sessionstore cached_sql", "sessionstore cached_sql, our RedisCache"),
    *("Django db", "Django cached_db", BESIDE),
]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.serving", description=__doc__)
    parser.add_argument("--database", action="append", choices=DATABASES, help="default: mariadb")
    parser.add_argument("--server", action="append", choices=COMMANDS, help="only this one")
    parser.add_argument("--engine", action="append", help="only engines with this in their name")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each engine's turn")
    parser.add_argument("--write", action="store_true", help="write the page")
    chosen = parser.parse_args()
    chosen.database = chosen.database or ["mariadb"]
    chosen.server = chosen.server or list(COMMANDS)
    return chosen


@dataclass(slots=True)
class Served:
    """One engine behind a server, and what was measured of it: requests a second, by round."""

    name: str
    port: int
    cookies: list[str]
    prefix: str
    rates: dict[tuple[str, int], list[float]] = field(default_factory=dict)

    def rate(self, view: str, at_once: int, seconds: float) -> float:
        """Return how many requests a second it answers."""
        cookies = self.cookies[:at_once] or [""] * at_once
        rate, _ = drive(self.port, f"{self.prefix}/{view}/", cookies, seconds)
        return rate


@contextmanager
def serving(alias: str, server: str, parts: list[str]) -> Iterator[list[Served]]:
    """Start a server for each engine, and one without sessions."""
    engines = {one.name: one for one in import_module("bench.contestants").ENGINES}
    kept = "sessionstore cached_sql, our RedisCache"
    engines[kept] = engines["sessionstore cached_sql"]
    chosen = [name for name in NAMES if any(part in name for part in parts)]
    started = []
    try:
        found = []
        for name in [*chosen, "no session"]:
            engine, port = engines.get(name), free_port()
            cookies: list[str] = []
            if engine is not None:
                settings = import_module("django.conf").settings
                settings.SESSION_CACHE_ALIAS = "kept" if name == kept else "default"
                engine.activate()
                cookies = [engine.create(number) or "" for number in range(max(AT_ONCE))]
            site = {
                "alias": alias,
                "engine": engine.module if engine else None,
                "middleware": [engine.middleware] if engine else [],
                "cache": "kept" if name == kept else "default",
                "asgi": server == UVICORN,
            }
            process = _start(server, port, site)
            started.append(process)
            process.wait_for_port(port)
            found.append(Served(name, port, cookies, "/async" if server == UVICORN else ""))
        yield found
    finally:
        for process in started:
            process.stop()


def _start(server: str, port: int, site: dict[str, Any]) -> Any:
    command = [part.format(port) for part in COMMANDS[server]]
    command = [sys.executable, "-m", *command, APPLICATIONS[server]]
    log = machine.servers().folder / f"{server}-{port}.log"
    variables = {"BENCH_SITE": json.dumps(site)}
    return launch(server, command, log=log, folder=ROOT, environment=variables)


def measure(alias: str, database: str, server: str, chosen: argparse.Namespace) -> list[list[str]]:
    """Return a row for each engine."""
    with serving(alias, server, chosen.engine or [""]) as sites:
        for view in VIEWS:
            taking_part = [one for one in sites if one.cookies or view == "neither"]
            for at_once in AT_ONCE:
                for one in taking_part:
                    one.rate(view, at_once, _WARM_UP_S)
                for number in range(ROUNDS):
                    first = number % len(taking_part)
                    for one in taking_part[first:] + taking_part[:first]:
                        rate = one.rate(view, at_once, chosen.seconds)
                        one.rates.setdefault((view, at_once), []).append(rate)
    beside = next((one for one in sites if one.name == BESIDE), None)
    return [[f"{server}, {database}", one.name, *_cells(one, beside)] for one in sites]


def _cells(one: Served, beside: Served | None) -> list[str]:
    cells = []
    for view in VIEWS:
        for at_once in AT_ONCE:
            rates = one.rates.get((view, at_once))
            if not rates:
                cells.append("")
                continue
            text = f"{median(rates):.0f}"
            others = beside.rates.get((view, at_once)) if beside else None
            if others:
                ratios = [mine / its for mine, its in zip(rates, others, strict=True)]
                text += f" ({median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f})"
            cells.append(text)
    return cells


def main() -> None:
    chosen = options()
    if not all(map(importlib.util.find_spec, COMMANDS)):
        raise SystemExit("gunicorn and uvicorn are in the group: pip install --group bench")
    names = {name: DATABASES[name] for name in chosen.database}
    rows = []
    with machine.each_database(names) as found:
        for alias, database in found:
            import_module("bench.run").make_tables(alias)
            for server in chosen.server:
                rows += measure(alias, database, server, chosen)
                print(import_module("bench.report").table(HEAD, rows), flush=True)
    if chosen.write:
        note = (
            f"Requests a second; in brackets how many times those of {BESIDE}, the median of "
            f"{ROUNDS} rounds, the least and the most. {machine.describe({})}"
        )
        import_module("bench.page").write_rows("benchmarks.md", "serving", HEAD, rows, note)


if __name__ == "__main__":
    main()
