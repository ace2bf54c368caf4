"""Writes a table into a page, row by row: what this run did not measure stays as it is."""

from pathlib import Path

from bench.report import table

DOCS = Path(__file__).parents[1] / "docs"


def markers(name: str) -> tuple[str, str]:
    """Return the lines between which the bench ``name`` writes."""
    return f"<!-- bench.{name}: generated -->", f"<!-- bench.{name}: end -->"


def write_rows(
    page: str, name: str, head: list[str], rows: list[list[str]], note: str, *, named_by: int = 2
) -> None:
    """Put ``rows`` into the table of the bench ``name``; the first cells name a row."""
    path = DOCS / page
    start, end = markers(name)
    before, _, rest = path.read_text().partition(start)
    between, _, after = rest.partition(end)
    kept = {tuple(row[:named_by]): row for row in _rows_in(between) if len(row) == len(head)}
    kept |= {tuple(row[:named_by]): row for row in rows}
    text = f"{table(head, list(kept.values()))}\n\n{note}"
    path.write_text(f"{before}{start}\n\n{text}\n\n{end}{after}")


def read_rows(page: str, name: str) -> list[list[str]]:
    """Return the table of the bench ``name`` as it is on the page."""
    start, end = markers(name)
    return _rows_in((DOCS / page).read_text().partition(start)[2].partition(end)[0])


def _rows_in(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
