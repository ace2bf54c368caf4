"""`make mutants` knows the code that it changes, and what it may leave alone."""

import runpy
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MUTANTS = runpy.run_path(str(ROOT / ".ci" / "mutants.py"))
LISTED = tomllib.loads((ROOT / ".ci" / "mutants.toml").read_text())
DIFF = """# sessionstore.core.keys.x_new_id__mutmut_1: survived
--- sessionstore/core/keys.py
+++ sessionstore/core/keys.py
@@ -1,4 +1,4 @@
 def new_id(now_ms: int) -> bytes:
-    random = int.from_bytes(secrets.token_bytes(10), "big")
+    random = int.from_bytes(secrets.token_bytes(11), "big")
     return random
"""


@pytest.mark.parametrize(("module", "tests"), MUTANTS["NEAR"].items())
def test_the_modules_and_their_tests_are_there(module, tests):
    """One that was renamed would not be examined any more."""
    paths = [ROOT / "sessionstore" / module, *(ROOT / "tests" / name for name in tests)]
    assert [path for path in paths if not path.exists()] == []


@pytest.mark.parametrize("folder", ["core", "cache", "views"])
def test_whole_folders_are_examined(folder):
    """A new module is not forgotten."""
    package = ROOT / "sessionstore"
    there = {path.relative_to(package) for path in (package / folder).rglob("*.py")}
    modules = {str(path) for path in there if path.name != "__init__.py"}
    assert modules <= set(MUTANTS["NEAR"])


def test_what_is_no_fault_has_a_reason_and_is_still_in_the_code():
    """An entry that was left behind could hide a fault."""
    for module, entries in LISTED.items():
        code = " ".join((ROOT / "sessionstore" / module).read_text().split())
        assert [entry for entry in entries if entry["before"] not in code] == []
        assert [entry for entry in entries if len(entry["reason"]) < 10] == []


def test_a_change_is_known_by_its_lines_and_the_one_above():
    """Numbers of mutants change with each edit, and a line may stand in a function twice."""
    assert MUTANTS["change_of"](DIFF) == (
        'def new_id(now_ms: int) -> bytes: random = int.from_bytes(secrets.token_bytes(10), "big")',
        'random = int.from_bytes(secrets.token_bytes(11), "big")',
    )


def test_a_module_that_nobody_knows_is_named():
    """With those that are known."""
    with pytest.raises(SystemExit, match=r"session/nowhere\.py; known are core/"):
        MUTANTS["main"](["sessionstore/session/nowhere.py"])
