"""Write the table of docs/reliability.md from a full run of these tests.

python -m tests.faults.report            run everything, then write the table
python -m tests.faults.report --table    write it from the figures of the last run
"""

import argparse
import json
import os
import platform
import re
import sqlite3
import subprocess
import sys
from collections import defaultdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tests.faults.figures import ROWS, VARIABLE

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / ".cache" / "figures"
DOCUMENT = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- tests.faults.report: generated -->", "<!-- tests.faults.report: end -->"
SERVERS = {
    "MariaDB": ["mariadbd", "--version"],
    "PostgreSQL": ["/usr/lib/postgresql/15/bin/postgres", "--version"],
    "MySQL": [str(ROOT / ".cache" / "mysql" / "mysqld"), "--version"],
    "HAProxy": ["haproxy", "-v"],
    "PgBouncer": ["pgbouncer", "--version"],
    "Redis": ["redis-server", "--version"],
}


def versions() -> str:
    """Name what the figures were measured on."""
    found = [f"Python {platform.python_version()}"]
    for package in ("django", "mysqlclient", "psycopg"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    for name, command in SERVERS.items():
        try:
            text = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        except OSError:
            continue
        number = re.search(r"\d+\.\d+(\.\d+)?", text)
        found.append(f"{name} {number.group() if number else ''}".strip())
    galera = ["dpkg-query", "--show", "--showformat=${Version}", "galera-4"]
    answer = subprocess.run(galera, capture_output=True, text=True, check=False).stdout
    found += [f"Galera {answer.partition('-')[0]}"] if answer else []
    found.append(f"SQLite {sqlite3.sqlite_version}")
    return ", ".join(found)


def cell(figures: dict[str, str]) -> str:
    """Return the figures of one row and engine; parts with the same figure stand together."""
    parts = defaultdict(list)
    for part, figure in sorted(figures.items()):
        parts[figure].append(part)
    return "<br>".join(f"**{figure}** ({'; '.join(names)})" for figure, names in parts.items())


def table(folder: Path) -> str:
    """Return the table of all rows, with what was measured for each."""
    found: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    newest = 0.0
    for path in folder.glob("*.json"):
        one = json.loads(path.read_text())
        found[one["row"], one["site"]][one["part"]] = one["figure"]
        newest = max(newest, path.stat().st_mtime)
    day = datetime.fromtimestamp(newest, UTC).date().isoformat()
    lines = [
        f"Measured on {day}: {versions()}.",
        "",
        "| Test | Target | Here | Django's stock engine |",
        "|---|---|---|---|",
    ]
    for name, row in ROWS.items():
        here, stock = (cell(found[name, site]) or "not run" for site in ("ours", "stock"))
        if name == "machine":
            stock = "no such test: it merges nothing"
        lines.append(f"| {row.test} | {row.target} | {here} | {stock} |")
    return "\n".join(lines)


def write(folder: Path) -> None:
    """Put the table between the markers of the document."""
    text = DOCUMENT.read_text()
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    DOCUMENT.write_text(f"{before}{BEGIN}\n{table(folder)}\n{END}{after}")


def run(folder: Path) -> int:
    """Run all tests of this folder, long ones included."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    command = ["-m", "pytest", "-q", "tests/faults", "-o", "faulthandler_timeout=3600"]
    environment = {**os.environ, VARIABLE: str(folder)}
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, check=False
    ).returncode


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--table", action="store_true", help="only write the table")
    parser.add_argument("--figures", type=Path, default=FIGURES, help="where the figures are")
    options = parser.parse_args()
    failed = 0 if options.table else run(options.figures)
    write(options.figures)
    return failed


if __name__ == "__main__":
    sys.exit(main())
