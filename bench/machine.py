"""Where the benchmark runs: its private servers, and what to tell the reader about the machine."""

import contextlib
import datetime
import os
import platform
import sqlite3
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import MySQLdb

from tests.harness.databases import Running, running
from tests.harness.process import Launched, private_folder
from tests.harness.servers import Servers

PACKAGES = [
    "django",
    "mysqlclient",
    "psycopg",
    "redis",
    "hiredis",
    "django-qsessions",
    "django-user-sessions",
]


def pin() -> None:
    """Keep this process, and the servers that it starts, on one core.

    They take turns anyway. On two cores each statement costs a wake-up of the other core, which on
    a virtual machine is 50 us or nothing, by the kernel's mood of the minute.
    """
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


@contextlib.contextmanager
def going_first(running: Servers) -> Iterator[None]:
    """Let us and our servers go before other work on our one core; only root may.

    The kernel counts this for a whole session of processes, so our shell's is put back.
    """
    ours = os.getpid()
    for process in [ours, *(one.process.pid for one in running.launched if _lives(one))]:
        _set_weight(process, -20)
    try:
        yield
    finally:
        _set_weight(ours, 0)


def _lives(one: Launched) -> bool:
    return one.process.poll() is None


def _set_weight(process: int, nice: int) -> None:
    with contextlib.suppress(OSError):
        Path(f"/proc/{process}/autogroup").write_text(str(nice))


def start(databases: list[str]) -> Servers:
    """Start what is needed and tell the settings, which are read after this."""
    found = Servers(private_folder())
    found.start({*databases, "redis"} - {"sqlite"})
    Running(found.folder, found.ports, found.missing).publish()
    for name in {"mariadb", "mysql"} & set(found.ports):
        with MySQLdb.connect(host="127.0.0.1", port=found.ports[name], user="root") as connection:
            connection.cursor().execute("CREATE DATABASE sessionstore CHARACTER SET utf8mb4")
    return found


def servers() -> Running:
    """Answer the servers of this run."""
    now = running()
    if now is None:
        raise RuntimeError("run it as: python -m bench")
    return now


def describe(server_versions: dict[str, str]) -> str:
    """Answer one sentence about date, machine and versions."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":")[1].strip() for line in lines if "model name" in line), "unknown")
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    named = ", ".join(f"{name} {text}" for name, text in server_versions.items())
    today = datetime.datetime.now(datetime.UTC).date()
    return (
        f"{today}, {cpu}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, {packages}, {named}, SQLite {sqlite3.sqlite_version}."
    )


def redis_version(port: int) -> str:
    """Ask the running Redis."""
    answer = subprocess.run(
        ["redis-cli", "-p", str(port), "info", "server"], capture_output=True, text=True, check=True
    )
    line = next(line for line in answer.stdout.splitlines() if line.startswith("redis_version"))
    return line.split(":")[1]
