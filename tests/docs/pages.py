"""The examples that a page of docs/ shows: as text, as files, and as modules to import."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if path.relative_to(DOCS).parts[0][0] != "_")
_BLOCK = re.compile(r"^```([\w+-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# ([\w/]+\.py)\n")


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of one language."""
    return [code for found, code in _BLOCK.findall(page.read_text()) if found == language]


def files(page: Path) -> dict[str, str]:
    """Return the files that a page writes: blocks whose first line is a comment with a name."""
    written: dict[str, str] = {}
    for code in blocks(page, "python"):
        named = _FILE.match(code)
        if named:
            written[named[1]] = written.get(named[1], "") + code
    return written


def settings_of(code: str, **before: Any) -> dict[str, Any]:
    """Return what a settings file sets; ``before`` is what stood there already."""
    names: dict[str, Any] = dict(before)
    exec(code, names)  # noqa: S102 - our own document
    return {name: value for name, value in names.items() if name.isupper()}


class Shop:
    """The files of a page as modules; ``**others`` are those that it leaves to its reader."""

    def __init__(self, page: Path, monkeypatch: Any, **others: str) -> None:
        self._patch = monkeypatch
        sources = {f"shop/{name}.py": code for name, code in others.items()} | files(page)
        self._waiting = {
            name.removesuffix(".py").replace("/", "."): code
            for name, code in sources.items()
            if name.partition("/")[2]
        }
        package = ModuleType("shop")
        package.__path__ = []
        monkeypatch.setitem(sys.modules, "shop", package)
        for name in [*self._waiting]:
            self._load(name)

    def __getattr__(self, name: str) -> ModuleType:
        return sys.modules[f"shop.{name}"]

    def _load(self, name: str) -> None:
        """Run a file, after those of the page that it imports."""
        code = self._waiting.pop(name, None)
        if code is None:
            return
        for other in _imported(code):
            self._load(other)
        module = ModuleType(name)
        self._patch.setitem(sys.modules, name, module)
        self._patch.setattr(sys.modules["shop"], name.partition(".")[2], module, raising=False)
        exec(compile(code, name, "exec"), vars(module))  # noqa: S102 - our own document


def _imported(code: str) -> Iterator[str]:
    return (f"shop.{name}" for name in re.findall(r"^from shop\.(\w+) import", code, re.MULTILINE))
