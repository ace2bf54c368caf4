"""docs/device-binding.md says nothing that a test does not run."""

import re
from pathlib import Path

import pytest

from sessionstore import signals
from sessionstore.checks.options import binding

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "device-binding.md").read_text()
FOLDERS = [ROOT / "tests" / name for name in ("binding", "browser/bound", "ecosystem")]
TESTS = "\n".join(path.read_text() for folder in FOLDERS for path in folder.glob("*.py"))


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(test_\w+)`", PAGE))))
def test_each_claim_names_a_test_that_exists(name):
    """A test that was renamed must not leave a claim without proof."""
    assert f"def {name}(" in TESTS


def test_each_signal_of_it_exists():
    """By the names in the table of what to look at."""
    [names] = re.findall(r"^\| Signal, metric \|(.*)$", PAGE, re.MULTILINE)
    found = [name for name in re.findall(r"`(\w+)`", names) if hasattr(signals, name)]
    assert found == ["session_bound", "session_refused"]


def test_each_check_of_it_is_explained():
    """By its id, beside what it asks for."""
    source = Path(binding.__file__).read_text()
    assert set(re.findall(r"sessionstore\.([EW]07\d)\b", source)) == set(
        re.findall(r"`([EW]07\d)`", PAGE)
    )


def test_the_guarded_pages_of_the_page_run():
    """The block with the decorator and both mixins, as printed."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(next(block for block in blocks if "bound_device_required" in block), {})  # noqa: S102 - our own page
