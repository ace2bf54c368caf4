"""`python -m bench.growth`: what a session costs in tables of 10^4 to 10^7 rows.

Rows are made by the database, so they are not sealed: the seal costs the same few microseconds in a
table of any size. Writes docs/scale.md.
"""

import argparse
import json
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from bench import machine

DATABASES = {"mariadb": "MariaDB", "postgresql": "PostgreSQL", "sqlite": "SQLite"}
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
CAPACITIES = (*SIZES, 100_000_000, 1_000_000_000)
LIFE_DAYS = 14
# How many have ended, and how many one user has: where the table is large enough.
ENDED, CROWD = 20_000, 10_000
HEADS = {
    "growth": [
        *("Database", "Rows", "load", "p99", "save", "p99", "create", "p99"),
        *("on disk", "bytes a row", "`sessionstats`"),
    ],
    "signing": [
        *("Database", "Rows", "sign in", "p99", "at a limit of 10", "p99"),
        *("list of 10,000", "p99"),
    ],
    "clearing": [
        *("Database", "Rows", "deleted", "a second", "p99 alone", "p99 beside"),
        *("worst alone", "worst beside", "writes beside"),
    ],
}
ON_DISK, A_ROW = (HEADS["growth"].index(name) for name in ("on disk", "bytes a row"))
# A row of each of these tables.
Rows = dict[str, list[str]]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--database", action="append", choices=DATABASES, help="only this one")
    parser.add_argument("--rows", type=int, default=SIZES[-1], help="the largest table")
    parser.add_argument("--rounds", type=int, default=3000, help="how often each is timed")
    parser.add_argument("--quiet", type=float, default=10, help="seconds of traffic alone; 0: none")
    parser.add_argument("--write", action="store_true", help="write the page after each size")
    chosen = parser.parse_args()
    chosen.database = chosen.database or list(DATABASES)
    return chosen


def stages_up_to(rows: int) -> list[Any]:
    """Return what is filled one after the other, each until the table has the next size.

    Each brings sessions that have ended, and a user with many, between those of the others.
    """
    stages: list[Any] = []
    filling = import_module("bench.bulk").Filling
    for size in (size for size in SIZES if size <= rows):
        count = size - sum(stage.count for stage in stages)
        # Multiples of 6 and 3, by which the parts of a stage stay apart: see bench.growing.
        ended, crowd = max(6, count // ENDED // 6 * 6), count // CROWD // 3 * 3
        stages.append(filling(count, ended, stage=len(stages), crowd_every=crowd))
    return stages


def measure(alias: str, database: str, chosen: argparse.Namespace) -> Iterator[Rows]:
    """Yield a row of each table for each size."""
    bulk, durable = import_module("bench.bulk"), import_module("bench.durable")
    import_module("bench.run").make_tables(alias)
    durable.make_durable(alias)
    stages = stages_up_to(chosen.rows)
    for number, stage in enumerate(stages, 1):
        bulk.fill(alias, stage)
        yield of_size(alias, database, stages[:number], chosen)


def of_size(alias: str, database: str, stages: list[Any], chosen: argparse.Namespace) -> Rows:
    """Measure a table that is filled up to the last of the ``stages``."""
    growing, rounds = import_module("bench.growing"), chosen.rounds
    size = sum(stage.count for stage in stages)
    import_module("django.db").connections[alias].ensure_connection()
    with machine.ahead():
        cells = {
            "growth": [*growing.verbs(stages, rounds), *_stored(alias, size)],
            "signing": [
                *growing.sign_ins(stages, max(1, rounds // 6)),
                *growing.device_lists(stages, max(1, rounds // 30)),
            ],
        }
    if chosen.quiet:
        cells["clearing"] = growing.clean_up(alias, chosen.quiet)
    rows = {name: [database, f"{size:,}", *found] for name, found in cells.items()}
    print(json.dumps(rows), flush=True)
    return rows


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
    names = {name: DATABASES[name] for name in chosen.database}
    with machine.each_database(names, durable=True) as found:
        for alias, database in found:
            for rows in measure(alias, database, chosen):
                if chosen.write:
                    report(rows)


def report(rows: Rows) -> None:
    """Write what was measured of one size, and what follows for larger ones."""
    durable, page = import_module("bench.durable"), import_module("bench.page")
    for name, row in rows.items():
        page.write_rows("scale.md", name, HEADS[name], [row], durable.in_words())
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
