"""What uv.lock says: the versions that are installed here, and their hashes."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[2] / "uv.lock"


@cache
def locked() -> list[dict[str, Any]]:
    """Return the packages of the lock, ours left out."""
    packages = tomllib.loads(LOCK.read_text())["package"]
    return [one for one in packages if "editable" not in one["source"]]


def source_hash(name: str, version: str) -> str | None:
    """Return the hash of a source release, as pip wants it; None where the lock has another."""
    for package in locked():
        if (package["name"], package["version"]) == (name, version):
            return str(package["sdist"]["hash"])
    return None
