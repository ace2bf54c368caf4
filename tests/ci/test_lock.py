"""uv.lock: all that this repository installs, by version and hash, from PyPI and nowhere else."""

import re
import runpy
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.harness.lock import LOCK, locked, source_hash

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FILES = [
    file for one in locked() for file in [*one.get("wheels", []), *filter(None, [one.get("sdist")])]
]


def requirements() -> set[str]:
    """Return each requirement that pyproject.toml names: of users, of extras, of groups."""
    lists = [
        PROJECT["build-system"]["requires"],
        PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"].values(),
        *PROJECT["dependency-groups"].values(),
    ]
    return {one for words in lists for one in words if isinstance(one, str)}


@pytest.mark.parametrize("line", sorted(requirements()))
def test_each_requirement_is_locked_within_its_range(line):
    """Who adds one runs `make lock`."""
    wanted = Requirement(line)
    name = canonicalize_name(wanted.name)
    versions = [one["version"] for one in locked() if one["name"] == name]
    assert any(wanted.specifier.contains(version) for version in versions)


def test_the_lock_is_of_pypi():
    """A mirror that somebody used must not become everybody's."""
    assert {one["source"]["registry"] for one in locked()} == {"https://pypi.org/simple"}
    assert {urlsplit(file["url"])[:2] for file in FILES} == {("https", "files.pythonhosted.org")}
    hosts = {urlsplit(url).hostname for url in re.findall(r"\w+://[^\s\"]+", LOCK.read_text())}
    assert hosts == {"pypi.org", "files.pythonhosted.org"}


def test_each_file_has_its_hash():
    """Another file under the same name is refused."""
    assert [file for file in FILES if not re.fullmatch("sha256:[0-9a-f]{64}", file["hash"])] == []


def test_what_is_built_here_is_built_with_the_lock():
    """A build in isolation would take the newest setuptools of that day."""
    built = {
        one["name"]
        for one in locked()
        if not any(re.search("-any.whl|linux", file["url"]) for file in one.get("wheels", []))
    }
    isolated = built - set(PROJECT["tool"]["uv"]["no-build-isolation-package"])
    assert isolated == set()


def test_each_supported_django_is_locked():
    """Those of the noxfile, one group for each."""
    wanted = set(re.findall(r'"(\d\.\d)":', (ROOT / "noxfile.py").read_text()))
    versions = [one["version"] for one in locked() if one["name"] == "django"]
    assert {version.rpartition(".")[0] for version in versions} == wanted


def test_nothing_is_installed_past_the_lock():
    """Each line that installs says where its versions come from.

    `make test-latest` is apart, and so is `make newcomer`, which installs as a newcomer does.
    """
    lines = [
        line
        for path in [ROOT / "Makefile", ROOT / "noxfile.py", *sorted((ROOT / ".ci").iterdir())]
        for line in path.read_text().splitlines()
        if re.search(r"pip\b.*\b(install|wheel)\b|\buv\b.*\bsync\b|session\.install", line)
    ]
    lawful = ("--require-hashes", "--frozen", "--no-deps --no-index", "--no-build-isolation")
    lawful += ("$(LATEST) -m pip install $(NEWEST)", "as_printed('pip install", "with step(")
    assert lines
    assert [line for line in lines if not any(word in line for word in lawful)] == []


def test_uv_itself_is_installed_by_hash(tmp_path):
    """The version and every wheel of it, so that each machine finds its own."""
    (tmp_path / "uv.lock").write_text(
        '[[package]]\nname = "uv"\nversion = "1.2"\n'
        'wheels = [{ hash = "sha256:aa" }, { hash = "sha256:bb" }]\n'
        '[[package]]\nname = "other"\nversion = "3"\n'
    )
    line = runpy.run_path(str(ROOT / ".ci" / "install_uv.py"))["requirement"]
    assert line(tmp_path / "uv.lock") == "uv==1.2 --hash=sha256:aa --hash=sha256:bb"


def test_the_source_of_a_django_that_is_not_locked_has_no_hash():
    """`make test-latest` has such a one."""
    versions = [one["version"] for one in locked() if one["name"] == "django"]
    assert [source_hash("django", one)[:7] for one in versions] == ["sha256:"] * 3
    assert source_hash("django", "0.1") is None
