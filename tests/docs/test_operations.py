"""The documentation says what the commands and the metrics are: options, exit codes, names."""

import re
import shlex
from pathlib import Path

import pytest
from django.core.management import load_command_class
from django.core.management.base import BaseCommand

from sessionstore import telemetry
from sessionstore.management.base import ROWS_LEFT
from sessionstore.management.commands import clearsessions

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "operations.md").read_text()
MOVING = (DOCS / "moving.md").read_text()
EXPRESS = (DOCS / "express.md").read_text()
SECTIONS = {
    "clearsessions": (PAGE, "### `clearsessions`"),
    "revokesessions": (PAGE, "## End sessions"),
    "sessionstats": (PAGE, "## Count sessions"),
    "importsessions": (MOVING, "### `importsessions`"),
    "expresstable": (EXPRESS, "### `expresstable`"),
}


def section(command: str) -> str:
    """Return the text from a command's heading to the next one."""
    page, heading = SECTIONS[command]
    _, found, rest = page.partition(f"\n{heading}\n")
    assert found
    return re.split(r"^#", rest, flags=re.MULTILINE)[0]


def parser_of(command: str):
    return load_command_class("sessionstore", command).create_parser("manage.py", command)


def rows(text: str, cell: str) -> dict[str, str]:
    return dict(re.findall(rf"^\| {cell} \| (.+) \|$", text, re.MULTILINE))


@pytest.mark.parametrize("command", SECTIONS)
def test_every_option_is_documented_in_the_words_of_its_help(command):
    """With what it takes; and none is left that does not exist."""
    base = {action.dest for action in BaseCommand().create_parser("", "")._actions}
    options = {
        " ".join(
            [action.option_strings[0]]
            + ([action.metavar or action.dest.upper()] if action.nargs is None else [])
        ): action.help
        for action in parser_of(command)._actions
        if action.dest not in base
    }
    assert rows(section(command), "`(--.+?)`") == options


@pytest.mark.parametrize("command", ["clearsessions", "revokesessions", "importsessions"])
def test_every_exit_code_is_documented_in_the_words_of_the_help(command):
    """The codes are promised to cron and systemd."""
    told = dict(re.findall(r"^  (\d)  (.+)$", parser_of(command).epilog, re.MULTILINE))
    assert rows(section(command), r"(\d)") == told


def test_exit_codes_are_those_that_the_commands_use():
    """Who changes one changes the page."""
    assert (ROWS_LEFT, clearsessions.BUSY) == (3, 4)


def test_command_lines_on_the_pages_parse():
    """Those for cron, for systemd and for the shell."""
    lines = re.findall(r"manage\.py (\w+sessions|sessionstats)( .+)?$", PAGE, re.MULTILINE)
    for page in (MOVING, EXPRESS):
        lines += re.findall(r"^python manage\.py (\w+)( .+)$", page, re.MULTILINE)
    assert len(lines) >= 10
    for command, arguments in lines:
        parser_of(command).parse_args(shlex.split(arguments))


def test_every_metric_is_documented():
    """By its name, and no other."""
    source = Path(telemetry.__file__).read_text()
    in_source = set(re.findall(r'_(?:counter|histogram)\(\s*"([\w.]+)"', source))
    assert {
        name.removeprefix("sessionstore.") for name in rows(PAGE, r"`(sessionstore\.[\w.]+)`")
    } == (in_source)


def test_sleep_grace_and_batch_sizes_are_the_real_ones():
    """The help states them in words."""
    from sessionstore.cleaning import GRACE_MS  # noqa: PLC0415
    from sessionstore.table import routed  # noqa: PLC0415 - needs the settings

    assert GRACE_MS == 10 * 60_000
    assert "ten minutes after their end" in PAGE
    assert f"(default: {routed.BATCH}, SQLite {routed.BATCH_ON_SQLITE})" in PAGE
    pauses = f"{routed.PAUSE_S}, MySQL and MariaDB {routed.PAUSE_ON_INNODB_S}"
    assert f"(default: {pauses})" in PAGE
