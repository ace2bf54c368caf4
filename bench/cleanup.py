"""`python -m bench.cleanup`: delete 10^6 expired rows of 2 x 10^6 while 50 writers work.

Ours, and in the same run Django's own single DELETE on its own table. Writes docs/operations.md.
"""

import argparse
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from django.utils import timezone

from bench import machine

DATABASES = {"mariadb": "MariaDB", "postgresql": "PostgreSQL", "sqlite": "SQLite"}
HEAD = [
    *("Database", "Clean-up", "rows", "seconds", "rows per transaction"),
    *("live writes", "failed", "p99 before", "p99 during", "worst before", "worst during"),
]
OURS, STOCK = "sessionstore.backends.sql", "django.contrib.sessions.backends.db"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.cleanup", description=__doc__)
    parser.add_argument("--database", action="append", choices=DATABASES, help="only this one")
    parser.add_argument("--rows", type=int, default=2_000_000, help="half of them have expired")
    parser.add_argument("--batch-size", type=int, help="another one than the default")
    parser.add_argument("--quiet", type=float, default=40, help="seconds of traffic alone before")
    parser.add_argument("--max-seconds", type=float, help="end ours early")
    parser.add_argument("--write", action="store_true", help="write the page")
    chosen = parser.parse_args()
    chosen.database = chosen.database or list(DATABASES)
    return chosen


def measure(alias: str, database: str, chosen: argparse.Namespace) -> list[list[str]]:
    """Return two rows of the table, ours and Django's."""
    bulk, durable = import_module("bench.bulk"), import_module("bench.durable")
    durable.make_durable(alias)
    filling = bulk.Filling(chosen.rows, expired_every=2)
    bulk.fill(alias, filling)
    found = [_one(alias, database, OURS, partial(ours, _pace(chosen)), quiet_s=chosen.quiet)]
    _drop(alias, "sessionstore_session")
    bulk.fill_stock(alias, filling)
    found.append(_one(alias, database, STOCK, _stock, quiet_s=chosen.quiet))
    _drop(alias, "django_session")
    return found


@dataclass(frozen=True, slots=True)
class Beside:
    """A clean-up, and how long live writes took before it and during it, in order of size."""

    name: str
    removed: int
    batches: int
    seconds: float
    before: list[float]
    during: list[float]
    errors: list[str]


def beside_traffic(
    alias: str,
    engine: str,
    clear: Callable[[], tuple[str, int, int]],
    *,
    quiet_s: float,
    placed: AbstractContextManager[None] | None = None,
) -> Beside:
    """Let 50 writers write alone for a while, and then beside a clean-up.

    ``placed`` is entered when each of them has its connection.
    """
    writers = import_module("bench.writers")
    keys = [_stored(engine) for _ in range(2000)]
    with writers.Writers(alias, engine, keys) as traffic:
        time.sleep(2)
        with placed or nullcontext():
            quiet_from = time.time()
            time.sleep(quiet_s)
            started = time.time()
            name, removed, batches = clear()
            ended = time.time()
        time.sleep(1)
        written = traffic.stop()
    before = written.between(quiet_from, started)
    during = written.between(started, ended)
    return Beside(name, removed, batches, ended - started, before, during, written.errors)


def _one(alias: str, database: str, engine: str, clear: Any, *, quiet_s: float) -> list[str]:
    found = beside_traffic(alias, engine, clear, quiet_s=quiet_s)
    before, during, errors = found.before, found.during, found.errors
    result = [
        *(database, found.name, f"{found.removed:,}", f"{found.seconds:.0f}"),
        f"{found.removed / found.batches:,.0f}",
        *(f"{len(during):,}", str(len(errors))),
        *(ms(before, 0.99), ms(during, 0.99), ms(before, 1), ms(during, 1)),
    ]
    print(json.dumps(dict(zip(HEAD, result, strict=True))), sorted(set(errors)), flush=True)
    return result


def ms(times: list[float], share: float) -> str:
    """Return how long so many of them took at most, in milliseconds."""
    if not times:
        return "none"
    return f"{times[min(len(times) - 1, int(len(times) * share))] * 1000:,.0f} ms"


def _stored(engine: str) -> str:
    session = import_module(engine).SessionStore()
    session.update(import_module("bench.shopper").data())
    session.save()
    return str(session.session_key)


def _pace(chosen: argparse.Namespace) -> Any:
    pace: Any = import_module("sessionstore.cleaning").Pace
    return pace(batch_size=chosen.batch_size, max_seconds=chosen.max_seconds)


def ours(pace: Any = None) -> tuple[str, int, int]:
    """Clear what has expired, at the pace of the command unless told another."""
    cleaning = import_module("sessionstore.cleaning")
    done = cleaning.clear_expired(import_module(OURS).SessionStore.get_table(), pace=pace)
    return "`clearsessions`", done.removed, done.batches


def _stock() -> tuple[str, int, int]:
    # The statement of the engine's clear_expired(), which does not tell how many it deleted.
    model = import_module(STOCK).SessionStore.get_model_class()
    deleted, _ = model.objects.filter(expire_date__lt=timezone.now()).delete()
    return "Django's DELETE", deleted, 1


def _drop(alias: str, table: str) -> None:
    connections = import_module("django.db").connections
    with connections[alias].cursor() as cursor:
        if connections[alias].vendor == "sqlite":
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608 - our own tables
        else:
            cursor.execute(f"TRUNCATE TABLE {table}")


def main() -> None:
    chosen = options()
    rows = []
    names = {name: DATABASES[name] for name in chosen.database}
    with machine.each_database(names, durable=True) as found:
        for alias, database in found:
            rows += measure(alias, database, chosen)
        if chosen.write:
            _report(rows)


def _report(rows: list[list[str]]) -> None:
    durable, page = import_module("bench.durable"), import_module("bench.page")
    page.write_rows("operations.md", "cleanup", HEAD, rows, durable.in_words())


if __name__ == "__main__":
    main()
