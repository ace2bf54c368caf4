"""`python -m bench.instructions`: how many machine instructions an operation takes, by callgrind.

A count does not jitter: two runs differ by less than one in a hundred. It has what the client
does; on SQLite that is the database too.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from shutil import which
from typing import Any

from bench import machine

DATABASES = {"mariadb": "MariaDB", "sqlite": "SQLite"}
CALLS, WARM_UP = 20, 20
# Callgrind writes what it has counted whenever this function of the C library is called.
MARK = "getsid"
Counts = dict[str, dict[str, int]]
"""Thousands of instructions by engine and operation."""


def count(database: str, engines: list[str], *, tree: Path | None = None) -> Counts | None:
    """Count in a process of its own, with `sessionstore` from ``tree``; None without valgrind.

    Databases run already; the tables are made there.
    """
    valgrind = which("valgrind")
    if valgrind is None:
        return None
    out = machine.servers().folder / f"callgrind-{os.getpid()}"
    told = {"database": database, "engines": engines, "tree": str(tree or ""), "out": str(out)}
    options = ["--instr-atstart=no", f"--callgrind-out-file={out}", f"--dump-before={MARK}"]
    ours = [sys.executable, "-m", "bench.instructions", json.dumps(told)]
    found = subprocess.run(
        [valgrind, "--tool=callgrind", "--quiet", *options, *ours],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    parts = [_total(path) for path in sorted(out.parent.glob(f"{out.name}.*"), key=_number)]
    for path in out.parent.glob(f"{out.name}*"):
        path.unlink()
    if found.returncode:
        raise RuntimeError(found.stderr)
    names = json.loads(found.stdout.splitlines()[-1])
    counts: Counts = {}
    # What ends with an odd mark is the preparation, and what ends with an even one the calls.
    for (engine, operation), total in zip(names, parts[1::2], strict=True):
        counts.setdefault(engine, {})[operation] = total // CALLS // 1000
    return counts


def _number(path: Path) -> int:
    return int(path.suffix[1:])


def _total(path: Path) -> int:
    lines = path.read_text().splitlines()
    return int(next(line for line in lines if line.startswith("totals:")).split()[1])


def _measure(engines: list[Any]) -> list[tuple[str, str]]:
    """Run each operation between two marks; return the names, in order."""
    operations = import_module("bench.operations")
    names = []
    for engine in engines:
        course = operations.Course(engine)
        course.fill()
        for operation in operations.OPERATIONS:
            operations.timed(course, operation, range(WARM_UP))
            turns = range(WARM_UP, WARM_UP + CALLS)
            calls = [course.prepare(operation, turn) for turn in turns]
            gc.collect()
            gc.disable()
            os.getsid(0)
            answers = [call() for call in calls]
            os.getsid(0)
            gc.enable()
            for turn, answer in zip(turns, answers, strict=True):
                course.clear(operation, turn, answer)
            names.append((engine.name, operation))
    return names


def _run(told: dict[str, Any]) -> None:
    """Be the process that is counted."""
    revision = import_module("bench.revision")
    if told["tree"]:
        revision.take(told["tree"])
    revision.set_up(f"counted_{told['database']}")
    alias = import_module("tests.harness.databases").ALIASES[told["database"]]
    import_module("bench.run").make_tables(alias)
    contestants, bare = (import_module(f"bench.{name}") for name in ("contestants", "bare"))
    everybody = [*contestants.ENGINES, bare.Bare(alias)]
    # Until here nothing is counted, which is ten times as fast.
    subprocess.run(["callgrind_control", "-i", "on", str(os.getpid())], check=True)
    names = _measure([one for one in everybody if one.name in told["engines"]])
    print(json.dumps(names))


def main() -> None:
    if len(sys.argv) == 2 and sys.argv[1].startswith("{"):
        return _run(json.loads(sys.argv[1]))
    parser = argparse.ArgumentParser(prog="python -m bench.instructions", description=__doc__)
    parser.add_argument("--database", action="append", choices=DATABASES, help="only this one")
    parser.add_argument("--engine", action="append", help="by name; default: ours")
    chosen = parser.parse_args()
    names = chosen.database or list(DATABASES)
    with machine.serving(names):
        for name in names:
            found = count(name, chosen.engine or ["sessionstore"])
            print(DATABASES[name], json.dumps(found, indent=1), flush=True)
    return None


if __name__ == "__main__":
    main()
