"""Measure and report: `python -m bench`, or a part of it with the options below."""

import argparse
import os
import sys
from importlib import import_module

import django

from bench import machine

DATABASES = {"mariadb": "MariaDB", "sqlite": "SQLite", "postgresql": "PostgreSQL", "mysql": "MySQL"}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, nothing written")
    parser.add_argument(
        "--database", action="append", choices=DATABASES, help="default: mariadb and sqlite"
    )
    parser.add_argument(
        "--only",
        action="append",
        help="an operation, instructions, stages, requests, storage, memory, start",
    )
    parser.add_argument("--way", action="append", choices=("cold", "warm"), help="only this one")
    parser.add_argument("--engine", action="append", help="only engines with this in their name")
    parser.add_argument("--rounds", type=int, help="how often each is timed (1000, quick 300)")
    parser.add_argument("--requests", type=int, default=100_000, help="of the memory part")
    parser.add_argument("--unpinned", action="store_true", help="the warm way too")
    parser.add_argument("--profile", action="store_true", help="cProfile of ours, no timing")
    return parser.parse_args()


def main() -> None:
    chosen = options()
    wanted = chosen.database or ["mariadb", "sqlite"]
    servers = machine.start(wanted)
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.settings"
    try:
        django.setup()
        databases = {name: DATABASES[name] for name in wanted if name not in servers.missing}
        for name, reason in servers.missing.items():
            print(f"{name}: {reason}", file=sys.stderr)
        # Only now: the engines need Django's apps.
        import_module("bench.run").Run(chosen, databases, servers).go()
    finally:
        servers.stop()


if __name__ == "__main__":
    main()
