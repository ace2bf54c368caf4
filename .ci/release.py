"""Usage: release.py dist|release. `make dist` and `make release`: all of a release but the upload.

`dist` builds both files twice, as of the last commit, and installs each in an environment that has
nothing else. `release` first refuses what would be a wrong release, and at last signs the tag.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
UV = Path(sys.executable).with_name("uv")


def output(*command: str | Path, folder: Path = ROOT) -> str:
    """Return what a command prints; it has to succeed."""
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def run(*command: str | Path, folder: Path = ROOT, **environment: str) -> None:
    """Run a command, which has to succeed."""
    subprocess.run(command, cwd=folder, env={**os.environ, **environment}, check=True)


def objections(root: Path) -> list[str]:
    """Return why this is no state to release, each with the way out."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    version, source = project["version"], project["urls"]["Source"]
    found = []
    if changed := output("git", "status", "--porcelain", folder=root):
        found.append(f"There is something that is not committed:\n{changed}")
    sections = section_of((root / "CHANGELOG.md").read_text(), version)
    if sections is None:
        found.append(
            f'CHANGELOG.md has no section "## [{version}] - YYYY-MM-DD": give what is under '
            f'"[Unreleased]" this heading.'
        )
    elif not sections:
        found.append(f"The section of {version} in CHANGELOG.md is empty.")
    if output("git", "tag", "--list", f"v{version}", folder=root):
        found.append(
            f"The tag v{version} is there: raise the version in pyproject.toml, and run make lock."
        )
    remotes = output("git", "remote", "--verbose", folder=root)
    if remotes and source.partition("://")[2] not in remotes.replace(":", "/"):
        found.append(f"No remote is {source}, which pyproject.toml names.")
    return found


def section_of(changelog: str, version: str) -> str | None:
    """Return what a version's dated section says; None when there is none."""
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## |\Z)"
    found = re.search(heading, changelog, re.MULTILINE | re.DOTALL)
    return found[1].strip() if found else None


def build(source: Path, into: Path, *, moment: str) -> list[Path]:
    """Build the source release, and the wheel from it, as of a moment; return both."""
    command = (UV, "build", "--quiet", "--no-build-isolation", "--python", sys.executable)
    run(*command, "--out-dir", into, folder=source, SOURCE_DATE_EPOCH=moment)
    return sorted([*into.glob("*.tar.gz"), *into.glob("*.whl")])


def install(file: Path, folder: Path) -> None:
    """Install a file beside what the lock says and nothing else, and sign in to a site with it."""
    python = folder / "venv" / "bin" / "python"
    run(UV, "venv", "--quiet", "--python", sys.executable, folder / "venv")
    # What builds the source release is needed for that one alone.
    without = ("--no-group", "build") if file.suffix == ".whl" else ()
    locked = output(UV, "export", "--quiet", "--frozen", "--no-emit-project", *without)
    (folder / "locked.txt").write_text(locked)
    into = ("--quiet", "--python", python)
    run(UV, "pip", "install", "--require-hashes", *into, "--requirement", folder / "locked.txt")
    run(UV, "pip", "install", "--no-deps", "--no-index", "--no-build-isolation", *into, file)
    run(UV, "pip", "check", *into)
    # From a copy: a folder that holds the package would hide what is installed.
    shutil.copy(ROOT / ".ci" / "smoke.py", folder)
    run(python, "smoke.py", folder=folder)


def dist(into: Path) -> list[Path]:
    """Build, compare and install; return the two files."""
    shutil.rmtree(into, ignore_errors=True)
    moment = output("git", "log", "-1", "--format=%ct")
    files = build(ROOT, into, moment=moment)
    with tempfile.TemporaryDirectory() as name:
        again = build(ROOT, Path(name) / "again", moment=moment)
        if [file.read_bytes() for file in files] != [file.read_bytes() for file in again]:
            sys.exit("The same source gave other bytes the second time.")
        for file in files:
            print(f"=== install {file.name}", flush=True)
            folder = Path(name) / file.name
            folder.mkdir()
            install(file, folder)
    return files


def tag(version: str) -> None:
    """Sign the tag where git has a key; else print how to."""
    words = ["git", "tag", "--sign", f"v{version}", "--message", f"Release {version}"]
    key = subprocess.run(
        ["git", "config", "user.signingkey"], cwd=ROOT, stdout=subprocess.DEVNULL, check=False
    )
    if key.returncode == 0:
        run(*words)
        return
    print("git has no user.signingkey. Where it has one:")
    print(f"    {' '.join(words[:-1])} '{words[-1]}'")


def main(arguments: list[str]) -> None:
    """Do what is asked, and say what is left to do."""
    if arguments not in (["dist"], ["release"]):
        sys.exit(__doc__)
    into = ROOT / "dist"
    if arguments == ["dist"]:
        dist(into)
        return
    if found := objections(ROOT):
        sys.exit("\n".join(["Not released:", *found]))
    run(UV, "lock", "--check", "--offline", "--quiet")
    files = dist(into)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    tag(version)
    print("To upload:")
    print(f"    git push origin v{version}")
    print(f"    .venv/bin/uv publish {' '.join(f'dist/{file.name}' for file in files)}")


if __name__ == "__main__":
    main(sys.argv[1:])
