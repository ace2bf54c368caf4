"""What is uploaded: a source release that can be tested, and a wheel of nothing but the package."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from hashlib import sha256
from pathlib import Path

import pytest
from readme_renderer.markdown import render

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BUILD = "from hatchling.build import build_sdist as s, build_wheel as w; s({0!r}), w({0!r})"
# From the core to the public names, in a second or two.
SOME_TESTS = ("tests/core/test_journal.py", "tests/docs/test_public_names.py")


@dataclass
class Built:
    """Both files, and what is in them."""

    folder: Path

    def __post_init__(self) -> None:
        [self.sdist] = self.folder.glob("*.tar.gz")
        [self.wheel] = self.folder.glob("*.whl")

    def in_wheel(self) -> set[str]:
        with zipfile.ZipFile(self.wheel) as file:
            return set(file.namelist())

    def in_sdist(self) -> set[str]:
        with tarfile.open(self.sdist) as file:
            return {name.partition("/")[2] for name in file.getnames()}

    def digests(self) -> list[str]:
        return [sha256(file.read_bytes()).hexdigest() for file in (self.sdist, self.wheel)]

    def metadata(self) -> Message:
        """Return what the index reads."""
        with zipfile.ZipFile(self.wheel) as file:
            [name] = [one for one in file.namelist() if one.endswith(".dist-info/METADATA")]
            return message_from_bytes(file.read(name))


def build(source: Path, into: Path) -> Built:
    """Build both, as of one moment."""
    subprocess.run(
        [sys.executable, "-c", BUILD.format(str(into))],
        cwd=source,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
        check=True,
    )
    return Built(into)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Built:
    return build(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def unpacked(built, tmp_path_factory) -> Path:
    """The source release in a folder of its own, with other times than the files here have."""
    with tarfile.open(built.sdist) as file:
        file.extractall(folder := tmp_path_factory.mktemp("unpacked"), filter="data")
    [root] = folder.iterdir()
    return root


def test_the_same_source_gives_the_same_bytes(built, unpacked, tmp_path):
    """Also elsewhere and from the source release, so that whoever doubts a file can build it."""
    assert build(unpacked, tmp_path).digests() == built.digests()


def test_the_wheel_is_the_package_and_nothing_else(built):
    """Its templates, files, translations and the mark of types with it."""
    package = {path for path in (ROOT / "sessionstore").rglob("*") if path.is_file()}
    wanted = {str(path.relative_to(ROOT)) for path in package if "__pycache__" not in path.parts}
    held = built.in_wheel()
    assert {name for name in held if ".dist-info/" not in name} == wanted
    for part in (
        "py.typed",
        "templates/sessionstore/login.html",
        "locale/ko/LC_MESSAGES/django.mo",
    ):
        assert f"sessionstore/{part}" in held
    assert [name for name in held if name.endswith("licenses/LICENSE")] != []


def test_the_source_release_is_what_is_kept_in_git(built):
    """Documents, changes, tests and their tools; nothing that .gitignore names."""
    held = built.in_sdist() - {"PKG-INFO"}
    wanted = {
        *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "uv.lock"),
        *("docs/quickstart.md", "docs/images/concurrent.svg", "tests/conftest.py", ".ci/run"),
        *("demo_site/__main__.py", "examples/express/package-lock.json", "noxfile.py"),
    }
    assert wanted - held == set()
    junk = {"__pycache__", "node_modules", ".venv", ".cache", ".git", "dist"}
    assert [name for name in held if junk & set(Path(name).parts)] == []
    if (ROOT / ".git").exists():
        git = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
        assert set(git.stdout.decode().strip("\0").split("\0")) - held == set()


def test_tests_run_from_the_source_release(unpacked):
    """A distribution builds and tests from this file alone."""
    # What this run notes of itself is none of theirs.
    kept = {key: value for key, value in os.environ.items() if "TEST_NOT_RUN" not in key}
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-m",
            "not soak",
            *SOME_TESTS,
        ],
        cwd=unpacked,
        env={**kept, "SESSIONSTORE_TEST_DATABASES": "sqlite", "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"^\d+ passed", ran.stdout, re.MULTILINE), ran.stdout


def test_the_page_of_the_index_has_no_dead_ends(built):
    """It renders; its links and its picture lead to the files of this release."""
    page = render(built.metadata().get_payload(), variant="GFM")
    assert page is not None
    addresses = re.findall(r'(?:href|src)="([^"]+)"', page)
    relative = [one for one in addresses if not re.match(r"https?://|#", one)]
    assert (relative, page.count("<img"), page.count("<table")) == ([], 1, 2)
    source, version = PROJECT["urls"]["Source"], PROJECT["version"]
    files = [one.removeprefix(f"{source}/") for one in addresses if one.startswith(source)]
    assert len(files) > 20
    for file in files:
        kind, _, path = file.partition(f"/v{version}/")
        assert kind in {"blob", "raw"}, file
        assert (ROOT / path.partition("#")[0]).is_file(), file


def test_the_classifiers_are_what_is_tested(built):
    """Those of the noxfile: each Django on each Python it runs on."""
    noxfile = (ROOT / "noxfile.py").read_text()
    pythons = set(re.findall(r'"(3\.\d+)"', noxfile))
    djangos = set(re.findall(r'"(\d\.\d)":', noxfile))
    told = built.metadata().get_all("Classifier")
    for prefix, wanted in (
        ("Framework :: Django", djangos),
        ("Programming Language :: Python", pythons),
    ):
        versions = {one.rpartition(" :: ")[2] for one in told if one.startswith(f"{prefix} :: ")}
        assert {one for one in versions if "." in one} == wanted


def test_every_address_of_the_project_is_that_of_pyproject():
    """It can move by one search and replace, and no file sends anybody elsewhere."""
    source = PROJECT["urls"]["Source"]
    assert all(url.startswith(source) for url in PROJECT["urls"].values())
    owner = source.rpartition("/")[0]
    files = [*ROOT.glob("*.*"), *(ROOT / "docs").rglob("*.md"), *(ROOT / ".github").rglob("*.*")]
    for path in [one for one in files if one.is_file() and one.suffix in {".md", ".toml", ".yml"}]:
        for address in re.findall(r"https://[\w./-]*django-sessionstore[\w./-]*", path.read_text()):
            assert address.startswith(source), f"{path.name}: {address}"
            assert address.startswith(owner)


def test_the_version_stands_in_one_place(built):
    """pyproject.toml; the lock repeats it, and `make lock-check` holds it to that."""
    version = PROJECT["version"]
    assert built.metadata()["Version"] == version
    assert built.wheel.name.split("-")[1] == version
    sources = [*(ROOT / "sessionstore").rglob("*.py"), *(ROOT / ".ci").iterdir()]
    assert [path.name for path in sources if f'"{version}"' in path.read_text()] == []
