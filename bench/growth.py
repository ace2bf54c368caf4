"""`python -m bench.growth`: load, save and create in tables of 10^4 to 10^7 rows.

Rows are made by the database, so they are not sealed: the seal costs the same few microseconds in a
table of any size. Writes docs/scale.md.
"""

import argparse
import random
import time
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from bench import machine

DATABASES = {"mariadb": "MariaDB", "postgresql": "PostgreSQL", "sqlite": "SQLite"}
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
CAPACITIES = (*SIZES, 100_000_000, 1_000_000_000)
LIFE_DAYS = 14
HEAD = [
    *("Database", "Rows", "load", "p99", "save", "p99", "create", "p99"),
    *("on disk", "bytes a row", "`sessionstats`"),
]
ON_DISK, A_ROW = HEAD.index("on disk"), HEAD.index("bytes a row")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--database", action="append", choices=DATABASES, help="only this one")
    parser.add_argument("--rows", type=int, default=SIZES[-1], help="the largest table")
    parser.add_argument("--rounds", type=int, default=3000, help="how often each is timed")
    parser.add_argument("--write", action="store_true", help="write the page after each database")
    chosen = parser.parse_args()
    chosen.database = chosen.database or list(DATABASES)
    return chosen


@cache
def engine() -> Any:
    """Return the engine, for rows whose keys are their digests and whose data are not sealed."""
    store = import_module("sessionstore.backends.sql").SessionStore
    keys, sealed = (
        import_module(f"sessionstore.{name}") for name in ("core.keys", "session.sealed")
    )
    seal = import_module("bench.bulk").SEAL
    conf = import_module("sessionstore.conf").conf

    class Spelled:
        @staticmethod
        def open(text: str | None) -> Any:
            return keys.Key(text=text, digest=bytes.fromhex(text), material=b"") if text else None

        @staticmethod
        def mint() -> Any:
            return conf.keyring.mint()

    class Growing(store):  # type: ignore[misc]
        keyring = Spelled()

        def seal(self, payload: bytes, record: Any, key: Any) -> bytes:  # noqa: ARG002 - a hook
            return bytes(seal + payload)

        def read_row(self, record: Any, key: Any) -> Any:  # noqa: ARG002 - a hook
            payload = record.data[len(seal) :]
            return sealed.Opened(sealed.loads(payload), payload)

    return Growing


def measure(alias: str, database: str, chosen: argparse.Namespace) -> list[list[str]]:
    """Return a row of the table for each size."""
    bulk, durable = import_module("bench.bulk"), import_module("bench.durable")
    durable.make_durable(alias)
    found: list[list[str]] = []
    stages: list[Any] = []
    for size in (size for size in SIZES if size <= chosen.rows):
        more = size - sum(stage.count for stage in stages)
        stages.append(bulk.Filling(more, stage=len(stages)))
        bulk.fill(alias, stages[-1])
        result = [database, f"{size:,}", *_timed(stages, chosen.rounds), *_stored(alias, size)]
        print(result, flush=True)
        found.append(result)
    return found


def _timed(stages: list[Any], rounds: int) -> list[str]:
    """Return median and 99th percentile of load, save and create, in microseconds."""
    store = engine()
    times: dict[str, list[int]] = {"load": [], "save": [], "create": []}
    for _ in range(rounds):
        session = store(_any_key(stages))
        _time(times["load"], lambda session=session: session["cart"])
        session["cart"] = {"lines": {"48213": random.randrange(10**6)}}  # noqa: S311
        _time(times["save"], session.save)
        new = store()
        new.update(import_module("bench.shopper").data())
        _time(times["create"], new.create)
    cells = []
    for taken in times.values():
        taken.sort()
        cells += [f"{taken[int(rounds * share)] / 1000:,.0f} us" for share in (0.5, 0.99)]
    return cells


def _time(times: list[int], operation: Any) -> None:
    started = time.perf_counter_ns()
    operation()
    times.append(time.perf_counter_ns() - started)


def _any_key(stages: list[Any]) -> str:
    """Return the digest of any row, in hexadecimal."""
    stage = random.choices(stages, [stage.count for stage in stages])[0]  # noqa: S311 - any will do
    return str(stage.digest_of(random.randrange(stage.count)).hex())  # noqa: S311


def _stored(alias: str, size: int) -> list[str]:
    """Return the size on disk, the bytes of a row, and how long sessionstats takes."""
    statistics = import_module("sessionstore.table.statistics")
    table = import_module("sessionstore.backends.sql").SessionStore.get_table()
    started = time.perf_counter()
    found = statistics.collect(table)
    took = time.perf_counter() - started
    if found.table_bytes is None:
        settings = import_module("django.db").connections[alias].settings_dict
        on_disk = Path(settings["NAME"]).stat().st_size
    else:
        on_disk = found.table_bytes.value
    return [f"{on_disk / 1e6:,.0f} MB", f"{on_disk / size:,.0f}", f"{took:.2f} s"]


def main() -> None:
    chosen = options()
    with machine.each_database({name: DATABASES[name] for name in chosen.database}) as found:
        for alias, database in found:
            rows = measure(alias, database, chosen)
            if chosen.write:
                _report(rows)


def _report(rows: list[list[str]]) -> None:
    durable, page = import_module("bench.durable"), import_module("bench.page")
    page.write_rows("scale.md", "growth", HEAD, rows, durable.in_words())
    known = page.read_rows("scale.md", "growth")
    capacity = [
        [
            f"{count:,}",
            *(_disk(known, name, count) for name in DATABASES.values()),
            f"{count / LIFE_DAYS:,.0f}",
            f"{count / LIFE_DAYS / 86_400:,.1f}",
        ]
        for count in CAPACITIES
    ]
    head = ["Sessions", *DATABASES.values(), "end each day", "rows a second to delete"]
    note = "GB and MB are powers of 1,000."
    page.write_rows("scale.md", "capacity", head, capacity, note, named_by=1)


def _disk(known: list[list[str]], database: str, count: int) -> str:
    """Return what so many rows take: as measured, or by the bytes per row of the largest table."""
    rows = {row[1]: row for row in known if row[0] == database}
    if not rows:
        return ""
    if f"{count:,}" in rows:
        return _size(_number(rows[f"{count:,}"][ON_DISK].removesuffix(" MB")) * 10**6)
    largest = max(rows.values(), key=lambda row: _number(row[1]))
    return f"{_size(count * _number(largest[A_ROW]))} (computed)"


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def _size(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"


if __name__ == "__main__":
    main()
