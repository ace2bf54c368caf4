"""The tables, as Markdown that also reads well in a terminal."""

from pathlib import Path

from bench.memory import Memory
from bench.operations import OPERATIONS, Samples
from bench.requests import VIEWS
from bench.stages import Stages
from bench.storage import Stored

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
START, END = "<!-- bench: generated -->", "<!-- bench: end -->"
OURS, STOCK = "sessionstore", "Django db"

TARGETS = {
    "MariaDB": {"load": 2.5, "load and save": 2.3, "create": 3, "cycle": 5, "delete": 2.5},
    "SQLite": {"load": 4, "load and save": 4, "create": 4, "cycle": 7, "delete": 5},
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


def _grid(samples: Samples, columns: list[str], cell: str) -> str:
    """Return one row per engine, one column per operation."""
    columns = [column for column in columns if any(column == seen for seen, _ in samples)]
    rows = []
    for name in _names(samples):
        cells = []
        for column in columns:
            sample = samples.get((column, name))
            stock = samples.get((column, STOCK))
            if sample is None or not sample.nanoseconds:
                cells.append("")
            elif cell == "ratio":
                times = f" ({stock.median / sample.median:.1f}x)" if stock else ""
                cells.append(f"{sample.median:.0f}{times}")
            elif cell == "p99":
                cells.append(f"{sample.microseconds(99):.0f}")
            else:
                cells.append(sample.statements)
        rows.append([name, *cells])
    return table(["", *columns], rows)


def operations(database: str, samples: Samples) -> str:
    """Return medians with ratios, 99th percentiles and statements of one database."""
    return "\n\n".join(
        [
            f"### {database}",
            f"Median in microseconds; in brackets how many times faster than {STOCK}:",
            _grid(samples, OPERATIONS, "ratio"),
            "99th percentile in microseconds:",
            _grid(samples, OPERATIONS, "p99"),
            "Statements that reach the server, transaction statements included:",
            _grid(samples, OPERATIONS, "statements"),
        ]
    )


def requests(database: str, samples: Samples) -> str:
    """Return the medians of whole requests on one database."""
    return "\n\n".join([f"On {database}:", _grid(samples, VIEWS, "ratio")])


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


def targets(measured: dict[str, Samples]) -> str:
    """Return what was asked for beside what was reached."""
    rows = []
    for database, wanted in TARGETS.items():
        samples = measured.get(database, {})
        for operation, times in wanted.items():
            ours, stock = (samples.get((operation, name)) for name in (OURS, STOCK))
            if ours and stock:
                reached = stock.median / ours.median
                verdict = "yes" if reached >= times else "no"
                rows.append([database, operation, f"{times:g}x", f"{reached:.2f}x", verdict])
    redis = measured.get("MariaDB", {})
    ours, cache = (redis.get(("load", name)) for name in (OURS, "Django cache (Redis)"))
    if ours and cache:
        reached = cache.median / ours.median
        verdict = "yes" if reached >= 1 else "no"
        rows.append(["MariaDB", "load, against Redis", "1x", f"{reached:.2f}x", verdict])
    return table(["Database", "Operation", "Target", "Measured", "Reached"], rows)


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
