"""`python -m bench.revisions OLD`: another revision beside this tree, in one run on one machine.

Each has a process and a database of its own, on the same servers. They take turns in short blocks,
so that a noisy moment hits both, in a table of many rows. With HEAD as OLD in a clean tree it tells
how much of a difference is noise.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any, Self

from bench import machine
from bench.operations import OPERATIONS
from bench.report import table
from tests.harness.databases import ALIASES

ROOT = Path(__file__).parents[1]
DATABASES = {"mariadb": "MariaDB", "sqlite": "SQLite"}
BLOCK, BLOCKS = 25, 40
TIMES = ["Database", "Operation", "old, us", "new, us", "new/old", "rounds", "statements"]
SIZES = ["Database", "Bytes per row", "old", "new", "new/old"]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.revisions", description=__doc__)
    parser.add_argument("old", help="a revision, as git names it")
    parser.add_argument("--database", action="append", choices=DATABASES, help="only this one")
    parser.add_argument("--rounds", type=int, default=5, help=f"of {BLOCK * BLOCKS} calls each")
    parser.add_argument("--rows", type=int, default=100_000, help="of the tables")
    parser.add_argument("--unpinned", action="store_true", help="let the kernel choose the cores")
    chosen = parser.parse_args()
    chosen.database = chosen.database or list(DATABASES)
    return chosen


class Revision:
    """A process that has taken the package from a tree."""

    def __init__(self, name: str, tree: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.revision", name, str(tree)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def ask(self, do: str, **details: Any) -> Any:
        """Return what it answers to one question."""
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("it has no pipes")
        self.process.stdin.write(json.dumps({"do": do, **details}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the revision has ended at {do}")
        return json.loads(answer)


@dataclass(slots=True)
class Pair:
    """The two revisions, old first, and what was measured of one operation, in nanoseconds."""

    revisions: tuple[Revision, Revision]
    rounds: list[tuple[list[int], list[int]]] = field(default_factory=list)

    def ask(self, do: str, **details: Any) -> list[Any]:
        """Return what both answer to one question, old first."""
        return [one.ask(do, **details) for one in self.revisions]

    def measure(self, operation: str, number: int) -> None:
        """Time one more round, in blocks in turn; in each round another one begins."""
        found: tuple[list[int], list[int]] = ([], [])
        order = (0, 1) if number % 2 == 0 else (1, 0)
        for block in range(number * BLOCKS, (number + 1) * BLOCKS):
            turns = {"first": block * BLOCK, "last": (block + 1) * BLOCK}
            for place in order:
                one = self.revisions[place]
                found[place].extend(one.ask("time", operation=operation, **turns))
        self.rounds.append(found)


@contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """Check a revision out into a temporary folder, beside this tree."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder).resolve() / "tree"
        git("worktree", "add", "--quiet", "--detach", str(tree), revision)
        try:
            yield tree
        finally:
            git("worktree", "remove", "--force", str(tree))


def git(*command: str) -> str:
    """Return what git answers."""
    answer = subprocess.run(
        ["git", *command], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    return answer.stdout.strip()


def name_of(revision: str) -> str:
    """Return how git calls a revision, and its subject."""
    return git("log", "-1", "--format=%h (%s)", revision)


def timed(pair: Pair, database: str, rounds: int) -> list[list[str]]:
    """Return a row of the table for each operation."""
    rows = []
    for operation in OPERATIONS:
        pair.rounds.clear()
        statements = pair.ask("prove", operation=operation)
        for number in range(rounds):
            pair.measure(operation, number)
        rows.append([database, operation, *_cells(pair.rounds), " and ".join(statements)])
    return rows


def _cells(rounds: list[tuple[list[int], list[int]]]) -> list[str]:
    """Return both medians, the median of the rounds' ratios, and the smallest and the largest."""
    old, new = (median(chain(*(one[place] for one in rounds))) / 1000 for place in (0, 1))
    ratios = [median(one[1]) / median(one[0]) for one in rounds]
    spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
    return [f"{old:.0f}", f"{new:.0f}", f"{median(ratios):.3f}", spread]


def measure(
    pair: Pair, database: str, chosen: argparse.Namespace
) -> tuple[list[list[str]], list[list[str]]]:
    """Return the rows of both tables: times, and bytes per row."""
    sizes = []

    def weigh(title: str) -> None:
        old, new = (size / chosen.rows for size in pair.ask("size"))
        sizes.append([database, title, f"{old:.0f}", f"{new:.0f}", f"{new / old:.3f}"])

    pair.ask("fill", rows=chosen.rows)
    weigh("as created")
    times = timed(pair, database, chosen.rounds)
    pair.ask("sign_in")
    weigh("after a change of each key")
    pair.ask("pack")
    weigh("written anew")
    return times, sizes


def main() -> None:
    chosen = options()
    if not chosen.unpinned:
        machine.pin()
    servers = machine.start(chosen.database)
    times: list[list[str]] = []
    sizes: list[list[str]] = []
    try:
        first = nullcontext() if chosen.unpinned else machine.going_first(servers)
        with first, checked_out(chosen.old) as tree:
            started = os.getloadavg()[0]
            with Revision("old", tree) as old, Revision("new", ROOT) as new:
                pair = Pair((old, new))
                for name in chosen.database:
                    if name in servers.missing:
                        print(f"{DATABASES[name]}: {servers.missing[name]}", file=sys.stderr)
                        continue
                    pair.ask("migrate", alias=ALIASES[name])
                    more_times, more_sizes = measure(pair, DATABASES[name], chosen)
                    times += more_times
                    sizes += more_sizes
    finally:
        servers.stop()
    print(f"Old: {name_of(chosen.old)}. New: {name_of('HEAD')}{changes()}.", machine.describe({}))
    print(f"Load average over a minute: {started:.1f} before, {os.getloadavg()[0]:.1f} after.\n")
    print(table(TIMES, times), table(SIZES, sizes), sep="\n\n")


def changes() -> str:
    """Return words for what of the package is not committed."""
    return ", with changes" if git("status", "--porcelain", "--", "sessionstore") else ""


if __name__ == "__main__":
    main()
