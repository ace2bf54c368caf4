"""`python -m bench.cleanup`: delete 10^6 expired rows of 2 x 10^6 while 50 writers work.

Ours, and in the same run Django's own single DELETE on its own table. Writes docs/operations.md.
"""

import argparse
import json
import time
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
    found = [_one(alias, database, OURS, partial(_ours, chosen), quiet_s=chosen.quiet)]
    _drop(alias, "sessionstore_session")
    bulk.fill_stock(alias, filling)
    found.append(_one(alias, database, STOCK, _stock, quiet_s=chosen.quiet))
    _drop(alias, "django_session")
    return found


def _one(alias: str, database: str, engine: str, clear: Any, *, quiet_s: float) -> list[str]:
    writers = import_module("bench.writers")
    keys = [_stored(engine) for _ in range(2000)]
    with writers.Writers(alias, engine, keys) as traffic:
        time.sleep(2)
        quiet_from = time.time()
        time.sleep(quiet_s)
        started = time.time()
        name, removed, batches = clear()
        ended = time.time()
        time.sleep(1)
        written = traffic.stop()
    before = written.between(quiet_from, started)
    during = written.between(started, ended)
    per_transaction = f"{removed / batches:,.0f}"
    result = [
        *(database, name, f"{removed:,}", f"{ended - started:.0f}", per_transaction),
        *(f"{len(during):,}", str(len(written.errors))),
        *(_ms(before, 0.99), _ms(during, 0.99), _ms(before, 1), _ms(during, 1)),
    ]
    print(json.dumps(dict(zip(HEAD, result, strict=True))), sorted(set(written.errors)), flush=True)
    return result


def _ms(times: list[float], share: float) -> str:
    if not times:
        return "none"
    return f"{times[min(len(times) - 1, int(len(times) * share))] * 1000:,.0f} ms"


def _stored(engine: str) -> str:
    session = import_module(engine).SessionStore()
    session.update(import_module("bench.shopper").data())
    session.save()
    return str(session.session_key)


def _ours(chosen: argparse.Namespace) -> tuple[str, int, int]:
    cleaning = import_module("sessionstore.cleaning")
    pace = cleaning.Pace(batch_size=chosen.batch_size, max_seconds=chosen.max_seconds)
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
    with machine.each_database({name: DATABASES[name] for name in chosen.database}) as found:
        for alias, database in found:
            rows += measure(alias, database, chosen)
        if chosen.write:
            _report(rows)


def _report(rows: list[list[str]]) -> None:
    durable, page = import_module("bench.durable"), import_module("bench.page")
    page.write_rows("operations.md", "cleanup", HEAD, rows, durable.in_words())


if __name__ == "__main__":
    main()
