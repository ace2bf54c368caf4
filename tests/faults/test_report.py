"""docs/reliability.md holds what a full run has measured."""

import json

from tests.faults import report
from tests.faults.figures import ROWS


def test_every_row_of_the_targets_stands_in_the_document():
    """Each with a figure of ours, between the markers that the runner writes."""
    text = report.DOCUMENT.read_text()
    generated = text.partition(report.BEGIN)[2].partition(report.END)[0]
    rows = [line.split(" | ") for line in generated.splitlines() if line.startswith("| ")][1:]
    assert [(row[0].removeprefix("| "), row[1]) for row in rows] == [
        (row.test, row.target) for row in ROWS.values()
    ]
    assert all(row[2] != "not run" for row in rows)


def test_the_runner_writes_figures_only_between_the_markers(tmp_path, monkeypatch):
    """What stands around them is written by people."""
    document = tmp_path / "reliability.md"
    document.write_text(f"before\n{report.BEGIN}\nstale line\n{report.END}\nafter\n")
    monkeypatch.setattr(report, "DOCUMENT", document)
    figures = {"row": "cookies", "site": "ours", "part": "sqlite", "figure": "0 logins"}
    (tmp_path / "a.json").write_text(json.dumps(figures))
    report.write(tmp_path)
    text = document.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "**0 logins** (sqlite)" in text
    assert "stale line" not in text
