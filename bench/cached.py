"""`python -m bench.cached`: cached_sql beside Django's engines on the same Redis.

Writes docs/caching.md.
"""

import argparse
import random
from importlib import import_module
from typing import Any

from bench import machine

DATABASES = {"mariadb": "MariaDB", "postgresql": "PostgreSQL"}
DJANGO = "django.contrib.sessions.backends"
# Engine, and the cache alias it uses: with Django's RedisCache, or with ours.
ENGINES = {
    "sessionstore cached_sql": ("sessionstore.backends.cached_sql", "default"),
    "Django cached_db": (f"{DJANGO}.cached_db", "default"),
    "sessionstore cached_sql, our RedisCache": ("sessionstore.backends.cached_sql", "kept"),
    "Django cached_db, our RedisCache": (f"{DJANGO}.cached_db", "kept"),
    "sessionstore sql": ("sessionstore.backends.sql", "default"),
    "Django db": (f"{DJANGO}.db", "default"),
}
SESSIONS, REQUESTS, WRITES_PERCENT = 200, 5000, 5
MIX = f"SQL in {REQUESTS:,} requests, {WRITES_PERCENT} % of them writes"
HEAD = ["Database", "Engine", "load on a hit, us", "99th percentile", "load and save, us", MIX]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.cached", description=__doc__)
    parser.add_argument("--database", action="append", choices=DATABASES, help="only this one")
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--write", action="store_true", help="write the page")
    chosen = parser.parse_args()
    chosen.database = chosen.database or list(DATABASES)
    return chosen


def measure(alias: str, database: str, rounds: int) -> list[list[str]]:
    operations = import_module("bench.operations")
    contestants = import_module("bench.contestants")
    counter = import_module("bench.statements").Counter(alias)
    engines = [
        _on_alias(contestants.Engine)(name, module, alias=cache)
        for name, (module, cache) in ENGINES.items()
    ]
    wanted = ["load", "load and save"]
    samples = operations.measure(engines, wanted, calls=rounds, counter=counter)
    rows = []
    for engine in engines:
        load, save = (samples[what, engine.name] for what in wanted)
        hit, tail = f"{load.median:.0f}", f"{load.microseconds(99):.0f}"
        rows.append([database, engine.name, hit, tail, f"{save.median:.0f}", str(mix(engine))])
    return rows


def _on_alias(base: Any) -> Any:
    """Return an engine whose cache has an alias of its own."""

    class OnAlias(base):
        def __init__(self, *args: Any, alias: str) -> None:
            super().__init__(*args)
            self.alias = alias

        def activate(self) -> None:
            super().activate()
            import_module("django.conf").settings.SESSION_CACHE_ALIAS = self.alias

    return OnAlias


def mix(engine: Any) -> int:
    """Return the SQL statements of many requests to a few sessions that start in no cache."""
    dice = random.Random(7)  # noqa: S311 - the same mix for everybody
    engine.activate()
    keys = [engine.create(number) for number in range(SESSIONS)]
    import_module("django.core.cache").cache.clear()
    with import_module("tests.harness.statements").record_statements() as seen:
        for turn in range(REQUESTS):
            key = dice.choice(keys)
            if dice.randrange(100) < WRITES_PERCENT:
                engine.load_and_save(key, turn + 1)
            else:
                engine.load(key)
    return len(seen)


def main() -> None:
    chosen = options()
    rows = []
    names = {name: DATABASES[name] for name in chosen.database}
    with machine.each_database(names, pinned=True) as found:
        for alias, database in found:
            rows += measure(alias, database, chosen.rounds)
        print(import_module("bench.report").table(HEAD, rows))
    if chosen.write:
        note = f"Medians; 380 bytes a session, all on one machine. {machine.describe({})}"
        import_module("bench.page").write_rows("caching.md", "cached", HEAD, rows, note)


if __name__ == "__main__":
    main()
