"""`make newcomer`: what it says of a step that fails, and that nothing is left behind."""

import re
import runpy
from pathlib import Path

import pytest

NEWCOMER = runpy.run_path(str(Path(__file__).parents[2] / ".ci" / "newcomer.py"))


@pytest.mark.parametrize(("code", "said"), [(0, "ok  it  0 s\n"), (3, "why\nFAILED  it  0 s\n")])
def test_a_step_is_a_line_and_one_that_fails_its_last_lines_too(tmp_path, capsys, code, said):
    """The error ends the run; what has gone well says nothing of its own."""
    try:
        with NEWCOMER["step"]("it"):
            NEWCOMER["run"]("sh", "-c", f"echo why; exit {code}", folder=tmp_path)
    except NEWCOMER["StepFailedError"]:
        assert code
    assert re.sub(r"\d+ s$", "0 s", capsys.readouterr().out, flags=re.MULTILINE) == said


def test_what_a_step_has_left_running_is_ended(tmp_path, monkeypatch):
    """By its id, also where it has a session of its own and its parent has gone."""
    name = str(tmp_path)
    monkeypatch.setenv(NEWCOMER["MARK"], name)
    NEWCOMER["run"]("setsid", "--fork", "sh", "-c", "exec sleep 100 >&- 2>&-", folder=tmp_path)
    assert len(NEWCOMER["of_this_run"](name)) == 1
    NEWCOMER["end_what_runs"](name)
    assert NEWCOMER["of_this_run"](name) == []
