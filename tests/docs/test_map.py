"""docs/how-it-works.md: its map is the package, its layers and states are those of the code."""

import inspect
import re

from sessionstore.session.known import Known, Standing
from tests.core.test_layers import LAYERS, MODULES, PACKAGE, ROOT

PAGE = (ROOT / "docs" / "how-it-works.md").read_text()
MAP = PAGE.partition("## A map of the code")[2]
HOT_PATH = [
    *("middleware.py", "session/store.py", "session/reading.py", "session/saving.py"),
    "table/rows.py",
]


def modules(text):
    """Return the modules that a part of the map names, in its order."""
    return re.findall(r"^\| `([\w/]+\.py)` \| .+ \|$", text, re.MULTILINE)


def first_column(heading):
    """Return the names in the first column of the table that has this heading there."""
    rows = PAGE.partition(f"\n| {heading} |")[2].partition("\n\n")[0]
    return re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE)


def test_every_module_is_on_the_map_once():
    """And nothing else is; a file that only makes a folder a package needs no line."""
    written = [path for path in MODULES if path.read_text().strip()]
    assert sorted(modules(MAP)) == sorted(str(path.relative_to(PACKAGE)) for path in written)


def test_the_hot_path_comes_first():
    """It is what a newcomer reads in one sitting."""
    assert modules(MAP)[: len(HOT_PATH)] == HOT_PATH


def test_each_module_stands_under_its_folder():
    """A heading names the folders of its modules, or the root."""
    for section in re.split(r"^### ", MAP, flags=re.MULTILINE)[2:]:
        heading = section.partition("\n")[0]
        folders = re.findall(r"`(\w+)/`", heading) or [""]
        assert {name.rpartition("/")[0].partition("/")[0] for name in modules(section)} <= set(
            folders
        ), heading


def test_the_layers_are_those_that_are_enforced():
    """tests/core/test_layers.py holds every import against them."""
    block = re.search(r"```text\n(.*?)```", MAP, re.DOTALL)
    assert block is not None
    assert [set(line.split()) for line in block[1].splitlines()] == LAYERS


def test_the_standings_are_those_of_the_code():
    """In its order."""
    assert first_column("Standing") == [standing.name for standing in Standing]


def test_every_transition_is_explained():
    """A method that answers another value is one."""
    methods = {
        name: inspect.unwrap(getattr(Known, name))
        for name in vars(Known)
        if not name.startswith("_") and callable(getattr(Known, name))
    }
    transitions = {
        name
        for name, method in methods.items()
        if inspect.signature(method).return_annotation == "Known"
    }
    assert set(first_column("Transition")) == transitions
