"""The README: its three lines, its way to install, its table of versions, its picture."""

import ast
import re
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree

from packaging.requirements import Requirement

from tests.harness.projects import run_python

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
NOXFILE = (ROOT / "noxfile.py").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SESSION = (
    "from importlib import import_module\n"
    "import django; django.setup()\n"
    "from django.conf import settings\n"
    "store = import_module(settings.SESSION_ENGINE).SessionStore\n"
    "session = store(); session['a'] = 1; session.save()\n"
    "assert store(session.session_key)['a'] == 1\n"
)


def hunks() -> list[tuple[str, str]]:
    """Return what the diff replaces, and by what; its parts are divided by empty lines."""
    [block] = re.findall(r"```diff\n(.*?)```", README, re.DOTALL)
    parts = [part.splitlines() for part in block.split("\n\n")]
    return [
        tuple("\n".join(line[1:] for line in part if line[0] != left_out) for left_out in "+-")
        for part in parts
    ]


def test_the_three_lines_are_three_and_work_in_what_startproject_writes(tmp_path):
    """Applied as a reader would, checked without a finding, migrated, used and cleaned."""
    added = [line for line in README.splitlines() if line.startswith("+")]
    assert len(added) == 3
    assert run_python(tmp_path, "-m", "django", "startproject", "site_", ".")[0] == 0
    path = tmp_path / "site_" / "settings.py"
    text = path.read_text()
    for old, new in hunks():
        assert text.count(old) == 1 or not old
        text = text.replace(old, new) if old else f"{text}\n{new}\n"
    path.rename(tmp_path / "settings.py").write_text(text)
    (tmp_path / "use.py").write_text(SESSION)
    for command in (
        ["-m", "django", "check", "--fail-level", "WARNING"],
        ["-m", "django", "migrate"],
        ["use.py"],
        ["-m", "django", "clearsessions"],
    ):
        code, told = run_python(tmp_path, "-W", "error", *command)
        assert code == 0, told


def test_the_lines_that_install_name_this_project():
    """From the index, and before there is a release from where pyproject.toml says it lives."""
    named = [line.strip('"') for line in re.findall(r"^pip install (.+)$", README, re.MULTILINE)]
    requirements = [Requirement(one) for one in named]
    assert {one.name for one in requirements} == {PROJECT["name"]}
    assert [one.url for one in requirements] == [None, f"git+{PROJECT['urls']['Source']}"]
    extras = set(re.findall(r"\[(\w+)\]`", README))
    assert extras == set(PROJECT["optional-dependencies"])


def test_the_supported_versions_are_those_of_the_matrix():
    """Each Django, on each Python, as `make matrix` runs them."""
    matrix = re.search(r"^MATRIX = (\{.*?^\})$", NOXFILE, re.MULTILINE | re.DOTALL)
    [header] = re.findall(r"^\|(?: \|)? ?(\| Python .+) \|$", README, re.MULTILINE)
    pythons = re.findall(r"Python ([\d.]+)", header)
    rows = re.findall(r"^\| Django ([\d.]+) \| (.*) \|$", README, re.MULTILINE)
    told = {}
    for django, cells in rows:
        said = zip(pythons, cells.split("|"), strict=True)
        told[django] = [python for python, cell in said if cell.strip()]
    assert told == ast.literal_eval(matrix[1])


def test_the_picture_is_for_light_and_dark_and_for_who_hears_it():
    """One file that follows the reader's scheme, with a title and a description of its own."""
    [path] = re.findall(r"!\[.{20,}\]\((.+?\.svg)\)", README)
    picture = (ROOT / path).read_text()
    tree = ElementTree.fromstring(picture)  # noqa: S314 - our own file
    names = {one.tag.rpartition("}")[2] for one in tree.iter()}
    assert {"title", "desc"} <= names
    assert "script" not in names
    assert "prefers-color-scheme: dark" in picture
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")
    assert sys.getsizeof(picture) < 10_000
