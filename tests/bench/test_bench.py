"""The benchmark still runs; what it measures is no concern of a test."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.baseline import compare
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
    """Each engine has a row, both ways, and the goals have a line."""
    printed = bench("--only", "load")
    first = [line.split("|")[1].strip() for line in printed.splitlines() if "|" in line]
    for name in ["sessionstore", "Django db", "django-qsessions", "bare driver"]:
        assert first.count(name) == 5  # twice ratios and times, once statements
    goal = next(line for line in printed.splitlines() if line.startswith("| load  "))
    assert ">= 4.0: " in goal


def test_requests_storage_memory_and_start_are_measured():
    """The other parts print their tables."""
    parts = [f"--only={part}" for part in ("requests", "storage", "memory", "start")]
    printed = bench("--engine", "sessionstore", "--requests", "200", *parts)
    assert "| no session " in printed
    assert "Bytes with row and indexes" in printed
    assert "held by a loaded session" in printed
    assert "first request, ms" in printed


def test_whole_requests_are_measured_through_a_server():
    """Each page has a cell, with one visitor and with several at once."""
    pytest.importorskip("gunicorn", reason="the servers: pip install --group bench")
    quick = ["--database", "sqlite", "--server", "gunicorn", "--seconds", "0.1"]
    printed = run("bench.serving", *quick, "--engine", "Django db")
    row = next(line for line in printed.splitlines() if "| Django db " in line)
    assert all(int(cell) > 0 for cell in row.split("|")[3:-1])


@pytest.mark.soak
def test_instructions_are_counted():
    """A load takes fewer than a load and a save, and each run counts the same."""
    if shutil.which("valgrind") is None:
        pytest.skip("no valgrind")
    printed = run("bench.instructions", "--database", "sqlite")
    counts = json.loads(printed.partition("SQLite ")[2])["sessionstore"]
    assert 0 < counts["load"] < counts["load and save"]


def test_what_got_slower_is_told():
    """Outside the spread of both runs, and by more than noise."""
    before = measured(load=[4.0, 3.9, 4.1], save=[4.0, 3.5, 4.5], count=100)
    now = measured(load=[4.4, 4.3, 4.5], save=[4.4, 4.3, 4.5], count=105)
    assert compare(before, before).startswith("Nothing is slower")
    assert compare(before, now).splitlines()[1:] == [
        "cold, SQLite, load: 4.00 -> 4.40",
        "instructions, SQLite, load: 100k -> 105k",
    ]


def measured(*, load, save, count):
    return {
        "times the driver": {"cold": {"SQLite": {"load": load, "load and save": save}}},
        "thousands of instructions": {"SQLite": {"load": count}},
    }


@pytest.mark.soak
def test_a_clean_up_is_measured_under_traffic():
    """Both clean-ups delete the half that has expired."""
    printed = run("bench.cleanup", "--database", "sqlite", "--rows", "2000", "--quiet", "1")
    ours, stock = (json.loads(line.rpartition("} ")[0] + "}") for line in printed.splitlines())
    assert (ours["rows"], ours["rows per transaction"]) == ("1,000", "200")
    assert (stock["rows"], stock["rows per transaction"]) == ("1,000", "1,000")


# Clean-up beside traffic has a test of its own.
GROWING = ["--rounds", "25", "--quiet", "0"]


def test_growth_is_measured_up_to_the_size_asked_for():
    """A row of each table for each size that is not larger than asked for."""
    printed = run("bench.growth", "--database", "sqlite", "--rows", "10000", *GROWING)
    [rows] = map(json.loads, printed.splitlines())
    assert list(rows) == ["growth", "signing"]
    assert {tuple(row[:2]) for row in rows.values()} == {("SQLite", "10,000")}


@pytest.mark.soak
def test_growth_is_measured_on_the_servers_too():
    """Their rows are made by the database itself, and open as the others do."""
    names = sorted({"mariadb", "postgresql"} & set(servers().ports))
    databases = [f"--database={name}" for name in names]
    if not names:
        pytest.skip("no server")
    printed = run("bench.growth", *databases, "--rows", "10000", *GROWING)
    assert [json.loads(line)["growth"][1] for line in printed.splitlines()] == ["10,000"] * len(
        names
    )


def test_users_with_many_sessions_are_measured():
    """A row for each number of sessions."""
    few = ["--only", "users", "--most", "100", "--rounds", "1"]
    assert "| SQLite   | 100 " in run("bench.sizes", "--database", "sqlite", *few)


@pytest.mark.soak
def test_another_revision_is_measured_beside_this_tree():
    """Each operation has a line, and so has the size of a row."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("no git repository")
    quick = ["--unpinned", "--database", "sqlite", "--rounds", "1", "--rows", "200"]
    printed = run("bench.revisions", "HEAD", *quick, "--calls", "25", "--no-instructions")
    cells = [line.split("|")[1:] for line in printed.splitlines() if "| SQLite" in line]
    operations = ["create", "load", "load and save", "cycle", "delete"]
    sizes = ["as created", "after a change of each key", "written anew"]
    timed = [(way, what) for way in ("cold", "warm") for what in operations]
    assert [(row[0].strip(), row[2].strip()) for row in cells[:10]] == timed
    assert [row[1].strip() for row in cells[10:]] == sizes
    assert "got slower." in printed or "Slower than before:" in printed


@pytest.mark.soak
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
