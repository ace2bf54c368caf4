"""`python -m bench.merging`: what a merge of large sessions costs. Writes docs/benchmarks.md."""

import argparse
import json
from collections.abc import Callable
from time import process_time_ns
from typing import Any

from bench import machine, page
from bench.report import table
from sessionstore.core.merge import is_same, merge

KIB = 1024
DEPTH = 99  # And the entries of the innermost dict: a save refuses more than 100 levels.
SIZES = [128, 1024]
HEAD = ["Shape", "KiB", "JSON written, ms", "merge, ms", "naive, ms", "merge/JSON", "naive/JSON"]
Data = dict[str, Any]
# Last: whoever compares whole values has compared all of them by then.
LAST = {"ours": 0, "theirs": 0}
_missing = object()


def lines(size: int, changed: Data) -> Data:
    """Return a dict of so many bytes of JSON, entry by entry; the last two may be changed."""
    entry = {"name": "a thing", "price": "9.90", "count": 1}
    count = size // len(json.dumps({"line-00000": entry}, separators=(",", ":")))
    return {f"line-{n:05}": dict(entry) for n in range(count)} | LAST | changed


def wide(size: int, changed: Data) -> Data:
    return lines(size, changed)


def deep(size: int, changed: Data) -> Data:
    """Return the same below a chain of dicts, as deep as a save takes it."""
    data = lines(size, changed)
    for _ in range(DEPTH - 1):
        data = {"level": 1, "inner": data}
    return data


SHAPES = {"wide": wide, f"{DEPTH + 1} levels deep": deep}


def naive(base: Any, ours: Any, theirs: Any) -> Any:
    """Merge as one writes it first: is this value the same, and only if not, what is in it."""
    if is_same(ours, base) or is_same(ours, theirs):
        return theirs
    if is_same(theirs, base):
        return ours
    if not isinstance(ours, dict) or not isinstance(theirs, dict):
        return theirs if ours is _missing else ours
    ground = base if isinstance(base, dict) else {}
    merged = {
        key: naive(*(side.get(key, _missing) for side in (ground, ours, theirs)))
        for key in [*theirs, *(key for key in ours if key not in theirs)]
    }
    return {key: value for key, value in merged.items() if value is not _missing}


def median_ms(call: Callable[[], object], rounds: int) -> float:
    """Return the median of so many calls, or of as many as begin within two seconds.

    In time of this process: nothing here waits, so what else the machine does is no matter.
    """
    times: list[int] = []
    while len(times) < rounds and sum(times) < 2e9:
        before = process_time_ns()
        call()
        times.append(process_time_ns() - before)
    return sorted(times)[len(times) // 2] / 1e6


def measure(rounds: int, sizes: list[int]) -> list[list[str]]:
    """Return a row for each shape and size; both sides have changed an entry of their own."""
    rows = []
    for name, shape in SHAPES.items():
        for size in sizes:
            size_bytes = size * KIB
            base = shape(size_bytes, {})
            ours, theirs = shape(size_bytes, {"ours": 1}), shape(size_bytes, {"theirs": 2})
            if merge(base, ours, theirs).data != shape(size_bytes, {"ours": 1, "theirs": 2}):
                raise AssertionError(name)
            calls = (
                lambda: json.dumps(base),  # noqa: B023 - called here and now
                lambda: merge(base, ours, theirs),  # noqa: B023
                lambda: naive(base, ours, theirs),  # noqa: B023
            )
            written, linear, other = (median_ms(call, rounds) for call in calls)
            ratios = (linear / written, other / written)
            cells = [f"{value:.1f}" for value in (written, linear, other, *ratios)]
            rows.append([name, str(size), *cells])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.merging", description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--size", type=int, action="append", help="in KiB, instead of 128 and 1024")
    parser.add_argument("--write", action="store_true", help="write the page")
    chosen = parser.parse_args()
    machine.pin()
    rows = measure(chosen.rounds, chosen.size or SIZES)
    print(table(HEAD, rows))
    if chosen.write:
        note = f"Medians of the process's own time. {machine.describe({})}"
        page.write_rows("benchmarks.md", "merging", HEAD, rows, note)


if __name__ == "__main__":
    main()
