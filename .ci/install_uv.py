#!/usr/bin/env python3
"""Install into this interpreter's environment the uv that uv.lock names, and no other.

uv reads uv.lock, so it cannot install itself from there: pip does, which checks the hash.
"""

import importlib.util
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

LOCK = Path(__file__).parents[1] / "uv.lock"


def requirement(lock: Path) -> str:
    """Return the line for pip: the version and the hash of each of its wheels."""
    [uv] = [one for one in tomllib.loads(lock.read_text())["package"] if one["name"] == "uv"]
    return " ".join(
        [f"uv=={uv['version']}", *(f"--hash={wheel['hash']}" for wheel in uv["wheels"])]
    )


def main() -> int:
    """Run pip on that line, and return its status."""
    if importlib.util.find_spec("pip") is None:
        # The environment was made by uv itself, which puts no pip there.
        subprocess.run([sys.executable, "-m", "ensurepip"], stdout=subprocess.DEVNULL, check=True)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(requirement(LOCK) + "\n")
        file.flush()
        pip = [sys.executable, "-m", "pip", "install", "--require-hashes", "--only-binary=:all:"]
        options = ["--quiet", "--disable-pip-version-check", "--requirement", file.name]
        return subprocess.run([*pip, *options], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
