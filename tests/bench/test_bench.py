"""The benchmark still runs; what it measures is no concern of a test."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytest.importorskip("qsessions", reason="the peers: pip install --group bench")
pytest.importorskip("user_sessions", reason="the peers: pip install --group bench")


def bench(*options: str) -> str:
    command = [sys.executable, "-m", "bench", "--quick", "--unpinned", "--rounds", "25"]
    answer = subprocess.run(
        [*command, "--database", "sqlite", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


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
