"""The benchmark still runs; what it measures is no concern of a test."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.machine import servers

ROOT = Path(__file__).parents[2]
pytest.importorskip("qsessions", reason="the peers: pip install --group bench")
pytest.importorskip("user_sessions", reason="the peers: pip install --group bench")


def run(*options: str) -> str:
    answer = subprocess.run(
        [sys.executable, "-m", *options], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def bench(*options: str) -> str:
    quick = ["--quick", "--unpinned", "--rounds", "25", "--database", "sqlite"]
    return run("bench", *quick, *options)


def test_the_engines_are_measured_beside_each_other():
    """Each engine has a row, and a load is one statement."""
    printed = bench("--only", "load")
    for name in ["sessionstore", "Django db", "django-qsessions", "bare driver"]:
        assert f"| {name} " in printed
    assert "| SQLite   | load " in printed


def test_requests_storage_and_memory_are_measured():
    """The other parts print their tables."""
    printed = bench("--engine", "sessionstore", "--requests", "200", "--only", "requests")
    assert "no session middleware" in printed
    printed = bench("--engine", "sessionstore", "--requests", "200", "--only", "storage")
    assert "Bytes with row and indexes" in printed
    printed = bench("--engine", "sessionstore", "--requests", "200", "--only", "memory")
    assert "held by a loaded session" in printed


def test_a_clean_up_is_measured_under_traffic():
    """Both clean-ups delete the half that has expired."""
    printed = run("bench.cleanup", "--database", "sqlite", "--rows", "2000", "--quiet", "1")
    ours, stock = (json.loads(line.rpartition("} ")[0] + "}") for line in printed.splitlines())
    assert (ours["rows"], ours["rows per transaction"]) == ("1,000", "200")
    assert (stock["rows"], stock["rows per transaction"]) == ("1,000", "1,000")


def test_growth_is_measured_up_to_the_size_asked_for():
    """One line for each table that is not larger than asked for."""
    printed = run("bench.growth", "--database", "sqlite", "--rows", "10000", "--rounds", "25")
    assert [line.split("'")[3] for line in printed.splitlines()] == ["10,000"]


def test_growth_is_measured_on_the_servers_too():
    """Their rows are made by the database itself, and open as the others do."""
    for name in sorted({"mariadb", "postgresql"} & set(servers().ports)):
        printed = run("bench.growth", "--database", name, "--rows", "10000", "--rounds", "25")
        assert [line.split("'")[3] for line in printed.splitlines()] == ["10,000"]


def test_another_revision_is_measured_beside_this_tree():
    """Each operation has a line, and so has the size of a row."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("no git repository")
    quick = ["--unpinned", "--database", "sqlite", "--rounds", "1", "--rows", "200"]
    printed = run("bench.revisions", "HEAD", *quick)
    cells = [line.split("|") for line in printed.splitlines() if line.startswith("| SQLite")]
    operations = ["create", "load", "load and save", "cycle", "delete"]
    sizes = ["as created", "after a change of each key", "written anew"]
    assert [row[2].strip() for row in cells] == operations + sizes
    assert all(float(row[5]) > 0 for row in cells)


def test_the_cache_is_measured_beside_its_peers():
    """A cached engine asks the database for misses and writes alone."""
    if "mariadb" not in servers().ports:
        pytest.skip("no MariaDB")
    printed = run("bench.cached", "--database", "mariadb", "--rounds", "25")
    table = [line.split("|") for line in printed.splitlines() if "sessionstore" in line]
    sql = {cells[2].strip(): int(cells[-2]) for cells in table}
    assert sql["sessionstore cached_sql"] < sql["sessionstore sql"] / 10


def test_merging_is_measured():
    """Beside a merge that compares whole values on each level, which depth makes slow."""
    lines = run("bench.merging", "--rounds", "3", "--size", "32").splitlines()[2:]
    naive = {name.strip(): float(cells[-2]) for _, name, *cells in (a.split("|") for a in lines)}
    assert naive["100 levels deep"] > 5 * naive["wide"]


def test_encryption_is_measured():
    """Of the codec alone, and of each operation on a database."""
    printed = run("bench.encryption", "--database", "sqlite", "--rounds", "25")
    assert "| codec alone | seal 380 bytes" in printed
    assert "| SQLite      | load and save" in printed


def test_an_end_by_a_link_is_measured():
    """Beside a scan of all sessions."""
    printed = run("bench.linked", "--database", "sqlite", "--rows", "50", "--rounds", "1")
    assert "| SQLite   | 50 " in printed
