"""Run the faults on every store, and draw what docs/ says of them from that.

python -m tests.faults.report                       everything (hours)
python -m tests.faults.report --only updates        one fault (a name of ROWS in figures.py)
python -m tests.faults.report --store qsessions     one store (a name of STORES)
python -m tests.faults.report --table               no run: draw the pages from measured.json

A run renews its own figures in measured.json, each with its date, and leaves the others.
"""

import argparse
import json
import os
import platform
import re
import sqlite3
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tests.faults import page
from tests.faults.figures import ROWS, STORES, VARIABLE

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
MEASURED = HERE / "measured.json"
PAGES = ("reliability.md", "faults.md", "scale.md", "guides/servers.md")
DOCUMENTS = [ROOT / "docs" / name for name in PAGES]
STORE_VARIABLE = "SESSIONSTORE_FAULT_STORES"
SERVERS = {
    "MariaDB": ["mariadbd", "--version"],
    "PostgreSQL": ["/usr/lib/postgresql/15/bin/postgres", "--version"],
    "MySQL": [str(ROOT / ".cache" / "mysql" / "mysqld"), "--version"],
    "HAProxy": ["haproxy", "-v"],
    "PgBouncer": ["pgbouncer", "--version"],
    "Redis": ["redis-server", "--version"],
    "Node": ["node", "--version"],
}
PACKAGES = ("django", "mysqlclient", "psycopg", "django-qsessions", "django-user-sessions")


def versions() -> str:
    """Name what the figures were measured on."""
    found = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    for name, command in SERVERS.items():
        try:
            text = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        except OSError:
            continue
        if number := re.search(r"\d+\.\d+(\.\d+)?", text):
            found.append(f"{name} {number.group()}")
    galera = ["dpkg-query", "--show", "--showformat=${Version}", "galera-4"]
    answer = subprocess.run(galera, capture_output=True, text=True, check=False).stdout
    found += [f"Galera {answer.partition('-')[0]}"] if answer else []
    node = json.loads((ROOT / "examples" / "express" / "package.json").read_text())
    wanted = ("express-session", "express-mysql-session", "connect-pg-simple")
    found += [f"{name} {node['dependencies'][name]}" for name in wanted]
    return ", ".join([*found, f"SQLite {sqlite3.sqlite_version}"])


def keep(folder: Path) -> None:
    """Take the figures of a run into measured.json, in place of what they measure anew."""
    measured = json.loads(MEASURED.read_text())
    figures = {place(one): one for one in measured["figures"]}
    for path in sorted(folder.glob("*.json")):
        one = json.loads(path.read_text())
        one.setdefault("date", day_of(path))
        figures[place(one)] = one
        measured["runs"].setdefault(one["date"], versions())
    measured["figures"] = [figures[name] for name in sorted(figures)]
    MEASURED.write_text(as_lines(measured))


def place(one: dict[str, str]) -> tuple[str, ...]:
    """Return what tells a figure from all others."""
    return one["row"], one["site"], one["part"]


def day_of(path: Path) -> str:
    """Return when a file was written."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()


def as_lines(measured: dict[str, Any]) -> str:
    """Return JSON with one figure a line, so that runs at two places are easy to merge."""
    runs = json.dumps(measured["runs"], indent=1)
    lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in measured["figures"])
    return f'{{"runs": {runs},\n"figures": [\n{lines}\n]}}\n'


def write() -> None:
    """Draw what is generated of the documents."""
    measured = json.loads(MEASURED.read_text())
    for document in DOCUMENTS:
        document.write_text(page.drawn(document.read_text(), measured))


def modules(faults: list[str]) -> list[str]:
    """Return the tests that measure these faults: those that name one of them."""
    if not faults:
        return [str(HERE.relative_to(ROOT))]
    names = re.compile("|".join(f'"{re.escape(fault)}"' for fault in faults))
    found = [path for path in sorted(HERE.glob("test_*.py")) if names.search(path.read_text())]
    return [str(path.relative_to(ROOT)) for path in found]


def run(options: argparse.Namespace, folder: str) -> int:
    """Run the tests, long ones included."""
    command = ["-m", "pytest", "-q", *modules(options.only), "-o", "faulthandler_timeout=3600"]
    environment = {**os.environ, VARIABLE: folder, STORE_VARIABLE: ",".join(options.store)}
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, check=False
    ).returncode


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", action="store_true", help="only draw the page")
    parser.add_argument("--only", action="append", default=[], choices=ROWS, metavar="FAULT")
    parser.add_argument("--store", action="append", default=[], choices=STORES, metavar="STORE")
    parser.add_argument("--figures", type=Path, help="take in the figures of a run of pytest")
    options = parser.parse_args()
    failed = 0
    if options.figures:
        keep(options.figures)
    elif not options.table:
        with tempfile.TemporaryDirectory() as folder:
            failed = run(options, folder)
            keep(Path(folder))
    write()
    return failed


if __name__ == "__main__":
    sys.exit(main())
