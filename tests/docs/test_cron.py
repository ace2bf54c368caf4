"""The line for cron that docs/operations.md shows: what cron would mail of it."""

import re
import shlex
from pathlib import Path

import pytest
from django.core.management import load_command_class

from sessionstore.cleaning.turn import turn
from tests.ops.rows import add_rows, count_rows

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
pytestmark = pytest.mark.only_on("sqlite")


@pytest.fixture
def run(database, capsys):
    """Run the line, with further options; answers exit code, standard output and error."""

    def run_(*more: str) -> tuple[int, str, str]:
        [line] = re.findall(r"^\d+ .+manage\.py (clearsessions .+)$", PAGE, re.MULTILINE)
        command = load_command_class("sessionstore", "clearsessions")
        code = 0
        try:
            command.run_from_argv(["manage.py", *shlex.split(line), *more])
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return run_


def test_cron_mails_nothing_when_all_is_done(run, database):
    """Also when there was something to do."""
    add_rows(2, expires_in_s=-3600, alias=database)
    assert run() == (0, "", "")
    assert count_rows(database) == 0


def test_cron_mails_what_is_left(run, database):
    """The page says so: exit codes 3 and 4 are told on standard error."""
    add_rows(2, expires_in_s=-3600, alias=database)
    code, out, err = run("--limit", "1")
    assert (code, out) == (3, "")
    assert err.startswith("CommandError: Stopped before the end")
    with turn(database, "sessionstore_session"):
        code, out, err = run()
    assert (code, out) == (4, "")
    assert err.startswith("CommandError: Another clearsessions works on")
