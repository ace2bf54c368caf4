"""`python -m bench.sizes`: large sessions, and users with many. Writes docs/benchmarks.md.

A session of 1 KiB, 64 KiB and 1 MiB, wide and deep, read and changed, beside Django's own engine;
and what a user with 10^2 to 10^4 sessions costs.
"""

import argparse
import json
from collections.abc import Callable
from functools import partial
from importlib import import_module
from statistics import median
from time import perf_counter_ns
from typing import Any

from bench import machine, merging

DATABASES = {"mariadb": "MariaDB", "postgresql": "PostgreSQL", "sqlite": "SQLite"}
PARTS = ("sizes", "users")
KIB = 1024
SIZES = {"1 KiB": KIB, "64 KiB": 64 * KIB, "1 MiB": 1000 * KIB}
# 97 levels, where a save takes 100: there is the session above them, and what the lines hold.
SHAPES = {"wide": merging.wide, "deep": lambda size, changed: _below(97, size, changed)}
USERS = (100, 1000, 10_000)
HEADS = {
    "sizes": ["Database", "Session", "read, ms", "Django db", "change, ms", "Django db"],
    "users": ["Database", "Sessions of a user", "list", "sign in", "end one", "end the others"],
}
NOTES = {"sizes": "Medians, cold.", "users": "In ms. Medians, cold."}
ENGINES = ("sessionstore", "Django db")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.sizes", description=__doc__)
    parser.add_argument("--database", action="append", choices=DATABASES, help="only this one")
    parser.add_argument("--only", choices=PARTS, help="only this table")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--most", type=int, default=USERS[-1], help="sessions of a user")
    parser.add_argument("--write", action="store_true", help="write the page")
    chosen = parser.parse_args()
    chosen.database = chosen.database or list(DATABASES)
    return chosen


def _below(levels: int, size: int, changed: dict[str, Any]) -> dict[str, Any]:
    data = merging.lines(size, changed)
    for _ in range(levels):
        data = {"level": 1, "inner": data}
    return data


def of_sizes(database: str, rounds: int) -> list[list[str]]:
    """Return a row per size and shape: reading, which looks for a change, and changing."""
    engines = {one.name: one for one in import_module("bench.contestants").ENGINES}
    rows = []
    for size, size_bytes in SIZES.items():
        for shape, make in SHAPES.items():
            stored = {name: _store(engines[name], make(size_bytes, {})) for name in ENGINES}
            cells = []
            for work in (_read, _change):
                times = _in_turn(
                    [partial(work, engines[name], stored[name]) for name in ENGINES], rounds
                )
                cells += [f"{median(one) / 1e6:.2f}" for one in times]
            rows.append([database, f"{size}, {shape}", *cells])
    return rows


def _store(engine: Any, data: dict[str, Any]) -> str:
    session = engine.session()
    session["data"] = data
    session.save()
    return str(session.session_key)


def _read(engine: Any, key: str) -> None:
    session = engine.session(key)
    json.dumps(len(session["data"]))
    if session.modified:
        raise RuntimeError(f"{engine.name} takes what was read for changed")


def _change(engine: Any, key: str) -> None:
    session = engine.session(key)
    session["visits"] = session.get("visits", 0) + 1
    session.save()


def _in_turn(works: list[Callable[[], None]], rounds: int) -> list[list[int]]:
    times: list[list[int]] = [[] for _ in works]
    for _ in range(rounds):
        for taken, work in zip(times, works, strict=True):
            before = perf_counter_ns()
            work()
            taken.append(perf_counter_ns() - before)
    return times


def of_users(database: str, rounds: int, most: int) -> list[list[str]]:
    """Return a row per number of sessions that one user has, in milliseconds."""
    rows = []
    for count in (count for count in USERS if count <= most):
        user = import_module("django.contrib.auth").get_user_model().objects.get(pk=1)
        session = _sign_in(count)
        devices = import_module("sessionstore.users.devices")
        handles = [device.handle for device in devices.list_devices(user, session).devices][1:]
        works = [
            lambda: devices.list_devices(user, session),  # noqa: B023 - called here and now
            lambda: _sign_in(0, limit=count + 10**6),  # noqa: B023
            lambda: devices.revoke(user, session, handles.pop()),  # noqa: B023
        ]
        turns = min(rounds, len(handles))
        times = _in_turn(works, turns)
        times += _in_turn([lambda: devices.revoke_others(user, session)], 1)  # noqa: B023
        rows.append([database, f"{count:,}", *(f"{median(one) / 1e6:.1f}" for one in times)])
        print(rows[-1], flush=True)
    return rows


def _sign_in(others: int, *, limit: int | None = None) -> Any:
    """Let the shopper have ``others`` sessions more, and return a new one."""
    engine = import_module("bench.contestants").ENGINES[0]
    # Under a limit, also one that is not reached, each of them would look at all others.
    _limit(None)
    for number in range(others):
        engine.create(number)
    _limit(limit)
    session = engine.session(engine.create(0))
    session["cart"] = {}
    return session


def _limit(limit: int | None) -> None:
    import_module("django.conf").settings.SESSIONSTORE_MAX_PER_USER = limit
    import_module("sessionstore.conf").forget()


def main() -> None:
    chosen = options()
    names = {name: DATABASES[name] for name in chosen.database}
    rows: dict[str, list[list[str]]] = {part: [] for part in PARTS if chosen.only in (None, part)}
    with machine.each_database(names) as found:
        for alias, database in found:
            import_module("bench.run").make_tables(alias)
            if "sizes" in rows:
                rows["sizes"] += of_sizes(database, chosen.rounds)
            if "users" in rows:
                with machine.ahead():
                    rows["users"] += of_users(database, chosen.rounds, chosen.most)
    for part, measured in rows.items():
        print(import_module("bench.report").table(HEADS[part], measured), end="\n\n")
        if chosen.write:
            note = f"{NOTES[part]} {machine.describe({})}"
            page = import_module("bench.page")
            page.write_rows("benchmarks.md", part, HEADS[part], measured, note)


if __name__ == "__main__":
    main()
