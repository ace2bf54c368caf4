"""Whose lines are measured: those of each test on one database and engine, not on all of them.

Optimization: under coverage's tracer Python needs 1.7 times as long, and a line that a test runs on
one database it runs on the next one too. Which one it is goes by the test's name, so that each
of them, and what is written for it alone, is measured by a share of all tests.
"""

import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import coverage
import pytest

REPEATS = pytest.StashKey[bool]()


def mark_repeats(items: Iterable[pytest.Item]) -> None:
    """Choose the run of each test that is measured; the others repeat it elsewhere."""
    runs = defaultdict(list)
    for item in items:
        runs[_without_place(item)].append(item)
    for name, group in runs.items():
        chosen = group[zlib.crc32(name.encode()) % len(group)]
        for item in group:
            item.stash[REPEATS] = item is not chosen


def _without_place(item: pytest.Item) -> str:
    name, _, case = item.nodeid.partition("[")
    params = item.callspec.params if hasattr(item, "callspec") else {}
    for place in ("database", "engine"):
        case = case.replace(str(params.get(place, "")), "", 1)
    return f"{name}[{case}"


@contextmanager
def measured_once(item: pytest.Item) -> Iterator[None]:
    """Pause coverage, if it runs, while a test repeats another."""
    running = coverage.Coverage.current() if item.stash.get(REPEATS, False) else None
    if running is None:
        yield
        return
    running.stop()
    try:
        yield
    finally:
        running.start()
