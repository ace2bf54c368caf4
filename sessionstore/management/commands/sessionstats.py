"""Tell how many sessions there are, whose, how old and how large."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser
from django.template.defaultfilters import filesizeformat

from sessionstore.cleaning import GRACE_MS
from sessionstore.core import expiry
from sessionstore.core.text import printable
from sessionstore.management.arguments import add_engine, positive
from sessionstore.management.base import GRACE_MINUTES, SessionCommand, database_errors, where
from sessionstore.management.engines import engine_named, table_of
from sessionstore.table import statistics
from sessionstore.table.rows import SqlTable
from sessionstore.table.statistics import Figure, Spread, Statistics
from sessionstore.users.accounts import names_of

_EPILOG = f"""\
A table of fewer than {statistics.SAMPLE:,} rows is counted. Of a larger one {statistics.READ:,}
random rows are read, and what is computed from them is marked "about": right
within 2 % of the rows, 19 times of 20. JSON says "is_exact" beside each count.
Sizes, ages and formats always describe the rows that were read.

Live sessions are those whose end is to come by the clock of this host. The others have
expired: nobody gets in by them, and clearsessions deletes them ten minutes later, for
the clocks of other hosts may be behind.
"""
# So many rows tell whether another site shares the table.
_LOOKED_AT = 100
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


class Command(SessionCommand):
    help = "Tell how many sessions there are, whose, how old and how large."
    epilog = _EPILOG

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the result as JSON")
        parser.add_argument(
            "--exact", action="store_true", help="count every row: this reads the whole table"
        )
        parser.add_argument(
            "--top",
            type=positive,
            default=10,
            metavar="USERS",
            help="how many of the users with most sessions to list (default: 10)",
        )
        add_engine(parser)

    def handle(self, **options: Any) -> None:
        table = table_of(engine_named(options["engine"]))
        with database_errors(table):
            if isinstance(table, SqlTable):
                found = statistics.collect(table, exact=options["exact"], top=options["top"])
                names = _names(table, found)
                as_json, lines = {**asdict(found), "user_names": names}, _lines(found, names)
            else:
                as_json, lines = _express(table)
        # json.dumps escapes all that is not printed but DEL, which is ASCII.
        dumped = json.dumps(as_json, default=datetime.isoformat).replace("\x7f", "\\u007f")
        self.stdout.write(dumped if options["json"] else "\n".join(lines))


def _express(table: Any) -> tuple[dict[str, Any], list[str]]:
    """Count what an Express table can tell: it has a column for the end and no other."""
    now = expiry.now_ms()
    counts = {
        "live": Figure(table.count(), is_exact=True),
        "expired": Figure(table.count_expired(now), is_exact=True),
        "clearable": Figure(table.count_expired(now - GRACE_MS), is_exact=True),
    }
    told = {name: asdict(figure) for name, figure in counts.items()}
    pairs = [("table", where(table)), *((name, _count(one)) for name, one in counts.items())]
    pairs[-1] = ("  clearable", _clearable(counts["expired"], counts["clearable"]))
    as_json = {"table": table.table, "database": table.alias, "counts": told}
    return as_json, [f"{name:<18}{value}" for name, value in pairs if value]


def _lines(found: Statistics, names: dict[str, str]) -> list[str]:
    """Return the report in words."""
    counts = found.counts
    pairs = [
        ("table", f"{found.table} of database {found.database!r}"),
        ("on disk", _size(found.table_bytes)),
        ("rows", _count(counts.rows)),
        ("  live", _count(counts.live)),
        ("    signed in", _count(counts.signed_in)),
        ("      bound", _count(counts.bound)),
        ("    anonymous", _count(counts.anonymous)),
        ("  expired", _count(counts.expired) + _since(found.oldest_end)),
        ("    clearable", _clearable(counts.expired, counts.clearable)),
        ("data", _spread(found.data_bytes, _bytes)),
        ("writes", _spread(found.writes, lambda value: f"{value:,}")),
        ("age", _spread(found.age_s, _duration)),
        ("last used before", _spread(found.unused_s, _duration)),
        ("formats", _formats(found)),
    ]
    lines = [f"{name:<18}{value}" for name, value in pairs if value]
    if found.top_users:
        lines += _top(found, names)
    if not counts.rows.is_exact:
        lines.append(f'"about" is estimated from {found.looked_at:,} rows; --exact counts.')
    return lines


def _top(found: Statistics, names: dict[str, str]) -> list[str]:
    """Return who has most sessions: of a sample the ended ones count too, up to a number."""
    is_whole = found.top_is_complete
    lines = [f"users with most {'live ' if is_whole else ''}sessions"]
    for user_id, sessions in found.top_users:
        more = "" if is_whole or sessions < statistics.COUNTED else " or more"
        lines.append(f"  {_user(user_id, names):<15} {sessions:,}{more}")
    if not is_whole:
        lines.append("  (of the users in the sample; what has ended is counted too)")
    return lines


def _names(table: SqlTable, found: Statistics) -> dict[str, str]:
    """Return the login names of the users with most sessions, where they can be only ours.

    Another site that shares the table has users of its own under the same ids.
    """
    ids = [user_id for user_id, _ in found.top_users]
    rows = table.objects.filter(user_id__in=ids).with_head()[:_LOOKED_AT]
    return {} if any(row.is_foreign for row in rows) else names_of(ids)


def _user(user_id: str, names: dict[str, str]) -> str:
    name = f" ({names[user_id]})" if user_id in names else ""
    return printable(f"{user_id}{name}")


def _clearable(expired: Figure, clearable: Figure) -> str:
    """Return how many clearsessions deletes, where that is not all that have expired."""
    if clearable.value == expired.value:
        return ""
    return f"{_count(clearable)}, the others ended in the last {GRACE_MINUTES} minutes"


def _count(figure: Figure) -> str:
    return f"{figure.value:,}" if figure.is_exact else f"about {_rounded(figure.value):,}"


def _rounded(value: int) -> int:
    """Return three significant digits: more would look more certain than it is."""
    return round(value, 3 - len(str(value))) if value else 0


def _size(figure: Figure | None) -> str:
    if figure is None:
        return ""
    return ("" if figure.is_exact else "about ") + _bytes(figure.value)


def _bytes(value: int) -> str:
    return filesizeformat(value).replace("\xa0", " ")


def _since(moment: datetime | None) -> str:
    return "" if moment is None else f", the oldest since {moment:%Y-%m-%d %H:%M} UTC"


def _spread(spread: Spread | None, told: Any) -> str:
    if spread is None:
        return ""
    return (
        f"median {told(spread.median)}, 95 % up to {told(spread.p95)}, most {told(spread.largest)}"
    )


def _duration(seconds: int) -> str:
    size, unit = next(pair for pair in _UNITS if seconds >= pair[0] or pair[0] == 1)
    return f"{seconds // size} {unit}"


def _formats(found: Statistics) -> str:
    total = sum(found.formats.values())
    counted = sorted(found.formats.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{100 * count / total:.0f} % {name}" for name, count in counted)
