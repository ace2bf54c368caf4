"""The progress bar of the commands that take long."""

import sys
from io import StringIO

import pytest

from sessionstore.management.progress import progress


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_progress(monkeypatch):
    """A bar with the number that is left to do."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress(lambda: 200, wanted=True) as tell:
        tell(200)
    assert "200/200" in sys.stderr.getvalue()


@pytest.mark.parametrize(
    ("stream", "wanted", "library"),
    [(StringIO, True, True), (Terminal, False, True), (Terminal, True, False)],
)
def test_nothing_is_shown_elsewhere(monkeypatch, stream, wanted, library):
    """Not in a pipe, not when it is unwanted, and not without tqdm; nor is anything counted."""
    monkeypatch.setattr(sys, "stderr", stream())
    if not library:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    with progress(pytest.fail, wanted=wanted) as tell:
        tell(200)
    assert sys.stderr.getvalue() == ""
