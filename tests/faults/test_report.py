"""What docs/ says of the faults is what was measured, and nothing else."""

import json
import re
from datetime import UTC, datetime

import pytest

from tests.faults import page, report
from tests.faults.figures import ROWS, STORES, Row
from tests.faults.sites import EVERY


def measured() -> dict:
    return json.loads(report.MEASURED.read_text())


def test_the_page_is_drawn_from_the_figures_in_the_repository():
    """Who has measured, or has changed a word of a fault, draws it again (`--table`)."""
    for document in report.DOCUMENTS:
        text = document.read_text()
        assert page.drawn(text, measured()) == text


def test_every_figure_is_of_a_known_fault_and_store_and_has_its_date():
    """And the page says what each day's were measured on."""
    figures, days = measured()["figures"], measured()["runs"]
    assert {one["row"] for one in figures} <= set(ROWS)
    assert {one["site"] for one in figures} <= set(STORES)
    assert {one["date"] for one in figures} <= set(days)
    assert max(days) <= datetime.now(UTC).date().isoformat()
    assert len({report.place(one) for one in figures}) == len(figures)


@pytest.mark.parametrize("name", ROWS)
def test_every_fault_has_plain_words_figures_of_ours_and_a_place(name):
    """A heading that is a sentence without codes, and a line in one of the two tables."""
    row = ROWS[name]
    marks, figures = (document.read_text() for document in report.DOCUMENTS[:2])
    found = [one["site"] for one in measured()["figures"] if one["row"] == name]
    assert f"\n### {row.plain}\n" in figures
    assert marks.count(f"\n| [{row.plain}](faults.md#") == 1
    assert row.title or row.plain[0].isupper()
    assert {"ours", "cached_sql"} & set(found)


def test_every_store_that_is_tried_has_a_column():
    """Those of Django by their sites, the two of Express by theirs."""
    sites = [one.values[0].name for one in EVERY]
    assert set(sites) | {"express-mysql", "connect-pg"} == set(STORES)
    head = page.marks({name: {} for name in ROWS})[0]
    assert re.findall(r"[^|]+", head)[1:] == [f" {title} " for title in STORES.values()]


ROW = Row("done", "asked", met=r"0 of .*", apart={"cache": "it has none"})


@pytest.mark.parametrize(
    ("site", "figures", "mark"),
    [
        ("stock", ["0 of 10 open", "0 of 3 open"], "yes"),
        ("stock", ["10 of 10 open"], "**no**, 10 of 10 open"),
        ("stock", ["0 of 10 open", "3 of 10 open"], "partly, 3 of 10 open"),
        ("cache", [], "n/a"),
        ("stock", [], "not run"),
    ],
)
def test_a_mark_says_how_many_figures_meet_the_target(site, figures, mark):
    """And the first share that does not."""
    assert page.mark(ROW, site, [{"figure": figure} for figure in figures]) == mark


def test_a_fault_without_a_pattern_counts_as_its_tests_assert_it():
    """They assert it of ours only."""
    figures = [{"figure": "2 s"}]
    assert page.mark(Row("done", "asked"), "ours", figures) == "yes"
    assert page.mark(Row("done", "asked"), "stock", figures) == "**no**"


def test_a_run_renews_its_own_figures_and_leaves_the_others(tmp_path, monkeypatch):
    """With the day of each."""
    old = {"row": "updates", "site": "ours", "part": "sqlite", "figure": "a", "date": "2026-01-01"}
    monkeypatch.setattr(report, "MEASURED", tmp_path / "measured")
    kept = {**old, "site": "stock"}
    report.MEASURED.write_text(report.as_lines({"runs": {}, "figures": [old, kept]}))
    new = {**old, "figure": "b", "date": "2026-01-02"}
    (tmp_path / "one.json").write_text(json.dumps(new))
    report.keep(tmp_path)
    assert measured()["figures"] == [new, kept]
    assert list(measured()["runs"]) == ["2026-01-02"]


def test_one_fault_runs_the_tests_that_name_it():
    """And all of them when none is asked for."""
    assert "tests/faults/test_codes.py" in report.modules(["transient"])
    assert "tests/faults/test_galera.py" not in report.modules(["transient"])
    assert report.modules([]) == ["tests/faults"]
