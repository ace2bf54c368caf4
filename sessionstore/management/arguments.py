"""What the commands share on the command line.

What the types of arguments raise completes "argument --x: ...".
"""

import re
from argparse import ArgumentTypeError, RawDescriptionHelpFormatter
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser, DjangoHelpFormatter

from sessionstore.cleaning import Pace
from sessionstore.management.engines import SHORT_NAMES

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_duration = re.compile(r"(\d+)([smhdw])").fullmatch


class HelpFormatter(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Our own options first, and the lines of the epilog as they are."""


def positive(text: str) -> int:
    """Return a whole number above 0."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        message = f"{text!r} is not a whole number above 0"
        raise ArgumentTypeError(message)
    return int(text)


def seconds(text: str) -> float:
    """Return seconds, fractions allowed, 0 included."""
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < float("inf"):
        message = f"{text!r} is not a number of seconds, such as 0.5"
        raise ArgumentTypeError(message)
    return value


def duration(text: str) -> timedelta:
    """Return a duration such as 30d, 12h, 90m."""
    if found := _duration(text):
        with suppress(OverflowError):
            return timedelta(**{_UNITS[found[2]]: int(found[1])})
    message = f"{text!r} is not a duration: write a number and s, m, h, d or w, such as 30d"
    raise ArgumentTypeError(message)


def add_pace(parser: CommandParser) -> None:
    """Add the options of a command that works in batches beside live traffic."""
    parser.add_argument(
        "--batch-size",
        type=positive,
        metavar="ROWS",
        help="rows per transaction (default: 500, SQLite 200)",
    )
    parser.add_argument(
        "--sleep",
        type=seconds,
        metavar="SECONDS",
        help="pause after each batch, if that is longer than the batch took "
        "(default: 0.02, MySQL and MariaDB 0.08)",
    )
    parser.add_argument(
        "--max-seconds",
        type=seconds,
        metavar="SECONDS",
        help="start no batch after this time",
    )


def pace_of(options: dict[str, Any]) -> Pace:
    """Return what the options of ``add_pace``, and ``--limit``, ask for."""
    return Pace(
        batch_size=options["batch_size"],
        pause_s=options["sleep"],
        max_seconds=options["max_seconds"],
        limit=options["limit"],
    )


def add_engine(parser: CommandParser) -> None:
    """Add the option of a command that needs the table of an engine and nothing else."""
    parser.add_argument(
        "--engine",
        metavar="NAME",
        help=f"dotted path, or {', '.join(SHORT_NAMES)} (default: SESSION_ENGINE)",
    )
