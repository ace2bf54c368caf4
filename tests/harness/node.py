"""Node itself, with the packages of examples/express, for tests against the real thing."""

import fcntl
import functools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "express"


@functools.cache
def why_no_node() -> str | None:
    """Install the locked packages once; return None, or why Node cannot be used."""
    if not (shutil.which("node") and shutil.which("npm")):
        return "node and npm are not installed (Debian: apt-get install nodejs npm)"
    # Workers of one run must not install over each other.
    with (EXAMPLE / ".installing").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return None if _is_installed() else _install()


def _is_installed() -> bool:
    installed = EXAMPLE / "node_modules" / ".package-lock.json"
    wanted = EXAMPLE / "package-lock.json"
    return installed.exists() and installed.stat().st_mtime >= wanted.stat().st_mtime


def _install() -> str | None:
    command = ["npm", "ci", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=EXAMPLE, capture_output=True, text=True, check=False)
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
