"""The doctor as it is run: the command line of the Makefile and of the pages, as a process."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def recipe() -> list[str]:
    """Return the arguments of ``make doctor`` behind its Python."""
    makefile = (ROOT / "Makefile").read_text()
    [line] = re.findall(r"^doctor:.*\n\t\$\(BIN\)/python (.+)$", makefile, re.MULTILINE)
    return shlex.split(line)


@pytest.fixture
def run(tmp_path):
    """Run the demo's manage.py on a database of its own; answers exit code and all output."""

    def run_(*arguments: str, **environment: str) -> tuple[int, str]:
        ran = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "demo_site.settings",
                "DEMO_DATABASE": str(tmp_path / "demo.sqlite3"),
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return ran.returncode, ran.stdout

    return run_


def test_a_demo_that_was_migrated_has_no_error(run):
    """It warns of what a demo on plain HTTP cannot have."""
    assert run("manage.py", "migrate", "--verbosity=0") == (0, "")
    code, told = run(*recipe())
    assert code == 0, told
    assert "sessionstore.W010" in told
    assert "sessionstore.E" not in told


def test_a_table_that_nobody_made_is_an_error(run):
    """The exit code tells the deployment."""
    code, told = run(*recipe())
    assert code == 1
    assert "sessionstore.E040" in told
    assert "Traceback" not in told


def test_a_database_that_cannot_be_reached_is_an_error(run):
    """In our words."""
    code, told = run(*recipe(), DEMO_DATABASE="/no/such/folder/demo.sqlite3")
    assert code == 1
    assert "sessionstore.E041" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("page", ["checks.md", "operations.md", "quickstart.md"])
def test_the_pages_show_the_same_command(page):
    """Its options in any order, and the alias that the page is about."""
    lines = re.findall(r"manage\.py (check .+)$", (ROOT / "docs" / page).read_text(), re.MULTILINE)
    assert lines
    for line in lines:
        *options, _alias = line.split()
        assert sorted(options) == sorted(recipe()[1:-1])
