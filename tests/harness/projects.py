"""Runs Python in the folder of a project that a test has written."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# .ci/newcomer.py names the Python of an environment into which pip has installed the package.
INSTALLED = os.environ.get("SESSIONSTORE_TEST_PYTHON")
PYTHON = INSTALLED or sys.executable
PACKAGE = "" if INSTALLED else str(ROOT)


def run_python(folder: Path, *arguments: str) -> tuple[int, str]:
    """Return the exit code and all output; the project's settings are its `settings.py`."""
    names = {"PYTHONPATH": f"{PACKAGE}:.", "DJANGO_SETTINGS_MODULE": "settings"}
    ran = subprocess.run(
        [PYTHON, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **names},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return ran.returncode, ran.stdout
