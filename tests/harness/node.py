"""Node itself, with the packages of examples/express and old releases of them, for tests."""

import fcntl
import functools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "express"
OLD_RELEASES = Path(__file__).parents[1] / "express" / "node"


@functools.cache
def why_no_node() -> str | None:
    """Install the locked packages once; return None, or why Node cannot be used."""
    if not (shutil.which("node") and shutil.which("npm")):
        return "node and npm are not installed (Debian: apt-get install nodejs npm)"
    # Workers of one run must not install over each other.
    with (EXAMPLE / ".installing").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folders = [each for each in (EXAMPLE, OLD_RELEASES) if not _is_installed(each)]
        return next(filter(None, map(_install, folders)), None)


def _is_installed(folder: Path) -> bool:
    installed = folder / "node_modules" / ".package-lock.json"
    wanted = folder / "package-lock.json"
    return installed.exists() and installed.stat().st_mtime >= wanted.stat().st_mtime


def _install(folder: Path) -> str | None:
    command = ["npm", "ci", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"npm ci failed: {done.stderr.strip()[-300:]}"


def require_node() -> None:
    """Skip with the reason when Node is missing; fail instead under CI=true."""
    if reason := why_no_node():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


def run_node(script: str, *arguments: str) -> str:
    """Run a line of JavaScript beside the example's packages and return what it prints."""
    require_node()
    done = subprocess.run(
        ["node", "--eval", script, "--", *arguments],
        cwd=EXAMPLE,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout.strip()
