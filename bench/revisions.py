"""`python -m bench.revisions OLD`: another revision beside this tree, and what got slower.

Each has a process and a database of its own, on the same servers. They take turns, so that a noisy
moment hits both, in a table of many rows: cold, one call each, and warm, in blocks on one core.
Beside that stand the machine instructions, where valgrind is installed. With HEAD as OLD in a clean
tree it tells how much of a difference is noise.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any, Self

from bench import instructions, machine
from bench.operations import COLD, OPERATIONS, WARM, Way
from bench.report import table
from tests.harness.databases import ALIASES
from tests.harness.servers import Servers

ROOT = Path(__file__).parents[1]
OURS = "sessionstore"
WAYS = {way.name: way for way in (COLD, WARM)}
DATABASES = {"mariadb": "MariaDB", "sqlite": "SQLite"}
TIMES = ["Way", "Database", "Operation", "old, us", "new, us", "new/old", "rounds", "statements"]
COUNTS = ["Database", "Operation", "old, k instructions", "new", "new/old"]
# What is no noise: each round says so, and by more than this. Instructions hardly jitter.
SLOWER, MORE = 1.03, 1.01
SIZES = ["Database", "Bytes per row", "old", "new", "new/old"]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.revisions", description=__doc__)
    parser.add_argument("old", help="a revision, as git names it")
    parser.add_argument("--database", action="append", choices=DATABASES, help="only this one")
    parser.add_argument("--rounds", type=int, default=5, help="of --calls each")
    parser.add_argument("--calls", type=int, default=400, help="of each operation in a round")
    parser.add_argument("--way", action="append", choices=WAYS, help="only this one")
    parser.add_argument("--rows", type=int, default=20_000, help="of the tables")
    parser.add_argument("--unpinned", action="store_true", help="the warm way too")
    parser.add_argument("--no-instructions", action="store_true", help="they take minutes")
    chosen = parser.parse_args()
    chosen.way = chosen.way or list(WAYS)
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

    @property
    def processes(self) -> list[int]:
        return [one.process.pid for one in self.revisions]

    def ask(self, do: str, **details: Any) -> list[Any]:
        """Return what both answer to one question, old first."""
        return [one.ask(do, **details) for one in self.revisions]

    def measure(self, operation: str, number: int, way: Way, calls: int) -> None:
        """Time one more round, in turn; in each round another one begins."""
        found: tuple[list[int], list[int]] = ([], [])
        order = (0, 1) if number % 2 == 0 else (1, 0)
        block = min(way.block, calls)
        for first in range(number * calls, (number + 1) * calls, block):
            turns = {"first": first, "last": first + block}
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


def timed(
    pair: Pair, database: str, way: Way, chosen: argparse.Namespace, running: Servers
) -> list[list[str]]:
    """Return a row of the table for each operation."""
    rows = []
    for operation in OPERATIONS:
        pair.rounds.clear()
        statements = pair.ask("prove", operation=operation)
        with machine.turns(running, pinned=way.pinned and not chosen.unpinned, also=pair.processes):
            for number in range(chosen.rounds):
                pair.measure(operation, number, way, chosen.calls)
        rows.append([way.name, database, operation, *_cells(pair.rounds), " and ".join(statements)])
    return rows


def counted(database: str, tree: Path) -> list[list[str]]:
    """Return a row for each operation: machine instructions of both revisions."""
    found = [instructions.count(database, [OURS], tree=one) for one in (tree, ROOT)]
    rows = []
    for operation in OPERATIONS if all(found) else ():
        old, new = (counts[OURS][operation] for counts in found if counts)
        rows.append([DATABASES[database], operation, str(old), str(new), f"{new / old:.3f}"])
    return rows


def slower(times: list[list[str]], counts: list[list[str]]) -> str:
    """Return what got slower, a line each."""
    lines = [
        f"{way}, {database}, {operation}: {ratio} ({rounds})"
        for way, database, operation, _, _, ratio, rounds, _ in times
        if float(ratio) > SLOWER and float(rounds.split()[0]) > 1
    ]
    lines += [
        f"instructions, {database}, {operation}: {ratio}"
        for database, operation, _, _, ratio in counts
        if float(ratio) > MORE
    ]
    return "\n".join(["Slower than before:", *lines] if lines else ["Nothing got slower."])


def _cells(rounds: list[tuple[list[int], list[int]]]) -> list[str]:
    """Return both medians, the median of the rounds' ratios, and the smallest and the largest."""
    old, new = (median(chain(*(one[place] for one in rounds))) / 1000 for place in (0, 1))
    ratios = [median(one[1]) / median(one[0]) for one in rounds]
    spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
    return [f"{old:.0f}", f"{new:.0f}", f"{median(ratios):.3f}", spread]


def weigh(pair: Pair, database: str, title: str, rows: int) -> list[str]:
    """Return a row of the sizes."""
    old, new = (size / rows for size in pair.ask("size"))
    return [database, title, f"{old:.0f}", f"{new:.0f}", f"{new / old:.3f}"]


def measure(
    pair: Pair, database: str, chosen: argparse.Namespace, running: Servers
) -> tuple[list[list[str]], list[list[str]]]:
    """Return the rows of both tables: times, and bytes per row."""
    pair.ask("fill", rows=chosen.rows)
    sizes = [weigh(pair, database, "as created", chosen.rows)]
    times = []
    for way in (WAYS[name] for name in chosen.way):
        times += timed(pair, database, way, chosen, running)
    pair.ask("sign_in")
    sizes.append(weigh(pair, database, "after a change of each key", chosen.rows))
    pair.ask("pack")
    sizes.append(weigh(pair, database, "written anew", chosen.rows))
    return times, sizes


def main() -> None:
    chosen = options()
    times: list[list[str]] = []
    sizes: list[list[str]] = []
    counts: list[list[str]] = []
    with machine.serving(chosen.database) as running, checked_out(chosen.old) as tree:
        started = os.getloadavg()[0]
        names = [name for name in chosen.database if name not in running.missing]
        with Revision("old", tree) as old, Revision("new", ROOT) as new:
            pair = Pair((old, new))
            for name in names:
                pair.ask("migrate", alias=ALIASES[name])
                more_times, more_sizes = measure(pair, DATABASES[name], chosen, running)
                times += more_times
                sizes += more_sizes
        for name in () if chosen.no_instructions else names:
            counts += counted(name, tree)
    for name, reason in running.missing.items():
        print(f"{name}: {reason}", file=sys.stderr)
    print(f"Old: {name_of(chosen.old)}. New: {name_of('HEAD')}{changes()}.", machine.describe({}))
    print(f"Load average over a minute: {started:.1f} before, {os.getloadavg()[0]:.1f} after.\n")
    print(table(TIMES, times), table(SIZES, sizes), table(COUNTS, counts), sep="\n\n")
    print(f"\n{slower(times, counts)}")


def changes() -> str:
    """Return words for what of the package is not committed."""
    return ", with changes" if git("status", "--porcelain", "--", "sessionstore") else ""


if __name__ == "__main__":
    main()
