"""docs/decisions.md: each entry says what it costs, and names tests that hold it."""

import re

import pytest

from tests.core.test_layers import ROOT
from tests.web.test_security_claims import functions_in

PAGE = (ROOT / "docs" / "decisions.md").read_text()
ENTRIES = [entry.partition("\n") for entry in re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]]
MOST_LINES = 22
each_entry = pytest.mark.parametrize(
    "entry", [body for _, _, body in ENTRIES], ids=[title for title, _, _ in ENTRIES]
)


@each_entry
def test_a_decision_has_a_price_and_is_short(entry):
    """What costs nothing was no decision."""
    assert entry.count("**Cost:**") == 1
    assert len(entry.partition("\n## ")[0].strip().splitlines()) <= MOST_LINES


@each_entry
def test_a_decision_is_held_by_tests_that_exist(entry):
    """Whoever decides otherwise meets one that fails."""
    named = re.findall(r"`(\w+/test_\w+\.py)::(test_\w+)`", entry.partition("**Kept by**")[2])
    assert named
    assert [one for one in named if one[1] not in functions_in(one[0])] == []
