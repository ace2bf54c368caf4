"""The tables, as Markdown that also reads well in a terminal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.baseline import CACHE, DRIVER, OURS, STOCK
from bench.instructions import Counts
from bench.memory import Memory
from bench.operations import COLD, OPERATIONS, Ratio, Samples, Way
from bench.requests import VIEWS
from bench.stages import Stages
from bench.storage import Stored

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
START, END = "<!-- bench: generated -->", "<!-- bench: end -->"

WAYS = {
    "cold": (
        "## One operation, cold\n\n"
        "In turn, one call of each engine, nothing pinned: as on a site whose requests do other "
        "things too."
    ),
    "warm": (
        "## One operation, warm\n\nThe same in blocks of 25 calls, client and servers on one core."
    ),
}
STATEMENTS = "Statements that reach the server, transaction statements included:"
INSTRUCTIONS = (
    "## Machine instructions\n\n"
    "Thousands of an operation in the client, counted by callgrind; on SQLite that is the database "
    "too. These counts do not jitter."
)
STAGES = (
    "## Where the time goes\n\n"
    "MariaDB, warm, in microseconds: time in Python + time in statements, until they answer."
)
REQUESTS = (
    "## A whole request through Django's handler\n\n"
    "Microseconds, cold, of a visitor who is signed in, with Django's authentication: a page that "
    "looks at neither session nor user, one that reads both, one that changes the session. In "
    "brackets how many times faster than Django db."
)
START_UP = (
    "## Start and memory of a process\n\n"
    "Medians; the first request writes a session into SQLite in memory."
)

# The columns: the cache engine on Redis / ours, ours / driver, Django db / ours.
GOALS = {
    "load": (1.05, 1.7, 4.0),
    "load and save": (0.95, 1.65, 3.3),
    "create": (1.15, 1.75, 3.5),
    "cycle": (1.3, 2.4, 5.5),
    "delete": (0.85, 1.45, 4.0),
}


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table whose columns line up."""
    widths = [max(len(row[place]) for row in [head, *rows]) for place in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    )


def _names(samples: Samples) -> list[str]:
    return list(dict.fromkeys(name for _, name in samples))


def _ratio(ratio: Ratio) -> str:
    return f"{ratio.middle:.2f} ({ratio.least:.2f} to {ratio.most:.2f})"


def _grid(samples: Samples, columns: list[str], cell: Callable[[str, str], str]) -> str:
    """Return one row per engine, one column per operation."""
    columns = [column for column in columns if any(column == seen for seen, _ in samples)]
    rows = [
        [name, *(cell(column, name) if (column, name) in samples else "" for column in columns)]
        for name in _names(samples)
    ]
    return table(["", *columns], rows)


def operations(database: str, samples: Samples, way: Way) -> str:
    """Return medians, ratios to ours with their spread, and statements, of one database."""

    def median_us(operation: str, name: str) -> str:
        sample = samples[operation, name]
        return f"{sample.median:.0f} ({sample.microseconds(99):.0f})"

    def beside_ours(operation: str, name: str) -> str:
        ours = samples.get((operation, OURS))
        return _ratio(samples[operation, name].ratio(ours)) if ours else ""

    parts = [
        f"### {database}, {way.name}",
        "How many times as long as ours, the median of five rounds, the least and the most:",
        _grid(samples, OPERATIONS, beside_ours),
        "Median in microseconds, in brackets the 99th percentile:",
        _grid(samples, OPERATIONS, median_us),
    ]
    if way is COLD:
        statements = _grid(samples, OPERATIONS, lambda what, who: samples[what, who].statements)
        parts += [STATEMENTS, statements]
    return "\n\n".join(parts)


def requests(database: str, samples: Samples) -> str:
    """Return the medians of whole requests on one database."""

    def cell(view: str, name: str) -> str:
        sample, stock = samples[view, name], samples.get((view, STOCK))
        text = f"{sample.median:.0f}"
        return f"{text} ({stock.ratio(sample).middle:.2f}x)" if stock else text

    return "\n\n".join([f"On {database}:", _grid(samples, VIEWS, cell)])


def instructions(found: dict[str, Counts]) -> str:
    """Return one row per database and engine."""
    rows = [
        [database, name, *(str(counts.get(operation, "")) for operation in OPERATIONS)]
        for database, engines in found.items()
        for name, counts in engines.items()
    ]
    return table(["Database", "Engine", *OPERATIONS], rows)


def stages(found: dict[tuple[str, str], Stages]) -> str:
    """Return one row per engine: microseconds in Python and in statements."""
    names = list(dict.fromkeys(name for name, _ in found))
    rows = [
        [
            name,
            *(
                f"{found[name, operation].python:.0f} + {found[name, operation].statements:.0f}"
                for operation in OPERATIONS
            ),
        ]
        for name in names
    ]
    return table(["", *OPERATIONS], rows)


def goals(cold: dict[str, Samples]) -> str:
    """Return what was asked for beside what was reached, cold."""
    mariadb, sqlite = cold.get("MariaDB", {}), cold.get("SQLite", {})
    rows = []
    for operation, (redis, driver, stock) in GOALS.items():
        cells = [
            _goal(mariadb, operation, CACHE, OURS, f">= {redis}", lambda it, w=redis: it >= w),
            _goal(mariadb, operation, OURS, DRIVER, f"<= {driver}", lambda it, w=driver: it <= w),
            _goal(sqlite, operation, STOCK, OURS, f">= {stock}", lambda it, w=stock: it >= w),
        ]
        rows.append([operation, *cells])
    head = ["", "Redis / ours, MariaDB", "ours / driver, MariaDB", "Django db / ours, SQLite"]
    return "## Goals\n\n" + table(head, rows)


def _goal(samples: Samples, operation: str, one: str, other: str, wanted: str, is_met: Any) -> str:
    mine, its = samples.get((operation, one)), samples.get((operation, other))
    if mine is None or its is None:
        return ""
    ratio = mine.ratio(its)
    return f"{_ratio(ratio)}, {wanted}: {'yes' if is_met(ratio.middle) else 'no'}"


def storage(found: dict[str, dict[str, Stored]]) -> str:
    """Return the bytes per session."""
    rows = [
        [database, name, str(stored.data), str(stored.with_indexes)]
        for database, engines in found.items()
        for name, stored in engines.items()
    ]
    return table(["", "Engine", "Bytes of data", "Bytes with row and indexes"], rows)


def memory(found: dict[str, Memory]) -> str:
    """Return what stays in memory."""
    rows = [
        [
            name,
            *(f"{size / 1024:.1f}" for size in (one.data, one.serialised, one.held)),
            f"{one.requests:,}",
            str(one.grown_kib),
        ]
        for name, one in found.items()
    ]
    held = "held by a loaded session"
    head = ["KiB", "data", "their JSON", held, "requests", "process grew by"]
    return table(head, rows)


def write(text: str) -> None:
    """Put the tables into the page, between the two markers."""
    page = PAGE.read_text()
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{START}\n\n{text}\n\n{END}{after}")
