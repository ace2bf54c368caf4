"""Runs Python in the folder of a project that a test has written."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_python(folder: Path, *arguments: str) -> tuple[int, str]:
    """Return the exit code and all output; the project's settings are its `settings.py`."""
    names = {"PYTHONPATH": f"{ROOT}:.", "DJANGO_SETTINGS_MODULE": "settings"}
    ran = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **names},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return ran.returncode, ran.stdout
