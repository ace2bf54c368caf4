"""`python -m examples.express` as a process of its own."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.node import require_node
from tests.harness.process import free_port

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def running_demo(folder: Path) -> Iterator[list[str]]:
    """Start the demo with its database in `folder`; yield where its two halves are."""
    require_node()
    if shutil.which("mariadb-install-db") is None:
        pytest.skip("mariadb-server is not installed")
    demo = subprocess.Popen(
        [sys.executable, "-m", "examples.express", str(free_port(and_next=1))],
        cwd=ROOT,
        env={**os.environ, "EXPRESS_DEMO_FOLDER": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert demo.stdout is not None
    told = ""
    while "Ctrl-C" not in told:
        line = demo.stdout.readline()
        assert line, f"the demo ended: {told}"
        told += line
    try:
        yield re.findall(r"http://\S+", told)
    finally:
        # As make does: the signal comes once from the terminal and once from make.
        demo.send_signal(signal.SIGTERM)
        demo.send_signal(signal.SIGINT)
        assert demo.wait(60) == 0
        demo.stdout.close()
