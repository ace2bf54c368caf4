"""Django's own tests, from the source release of the installed version."""

import contextlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import types
from pathlib import Path
from typing import Any

import django

from tests.harness.lock import source_hash
from tests.harness.servers import CACHE

# What is taken of the release: the tests of sessions, and MaxMind's addresses for tests.
PARTS = ("/tests/sessions_tests/", "/tests/gis_tests/data/geoip2/GeoLite2-")


class SdistMissingError(Exception):
    """The release is not in the cache and could not be downloaded."""


def tests_folder() -> Path:
    """Return the folder with `sessions_tests`, downloaded on first use."""
    folder = CACHE / f"django-tests-{django.__version__}"
    if not folder.exists():
        CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as name:
            _download(Path(name))
            # In one step: several processes may do this at the same time.
            with contextlib.suppress(OSError):
                (Path(name) / "tests").rename(folder)
    return folder


def _download(folder: Path) -> None:
    wanted = f"django=={django.__version__}"
    if digest := source_hash("django", django.__version__):
        wanted += f" --hash={digest}"
    (folder / "wanted.txt").write_text(wanted)
    # pip asks the release for its metadata: with the setuptools that is here, not the newest.
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation"]
    command = [*pip, "--no-binary=django", f"--dest={folder}", "-r", str(folder / "wanted.txt")]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if answer.returncode:
        reason = (answer.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise SdistMissingError(f"Django's source release could not be downloaded: {reason}")
    [archive] = folder.glob("*.tar.gz")
    with tarfile.open(archive) as release:
        parts = [one for one in release.getmembers() if any(part in one.name for part in PARTS)]
        # Compat: Python 3.11.2, Debian's, has no filters yet.
        safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        release.extractall(folder, parts, **safely)  # noqa: S202 - Django's own release
    [unpacked] = folder.glob("*/tests")
    shutil.move(unpacked, folder / "tests")


def sessions_tests() -> Any:
    """Import Django's `sessions_tests.tests`.

    Its module of models is replaced: it defines a table of its own, for the one class that tests
    how Django's engine is extended.
    """
    models: Any = types.ModuleType("sessions_tests.models")
    models.SessionStore = type("SessionStore", (), {})
    sys.modules.setdefault(models.__name__, models)
    folder = str(tests_folder())
    if folder not in sys.path:
        sys.path.append(folder)
    from sessions_tests import tests  # noqa: PLC0415 - exists only after the download

    return tests
