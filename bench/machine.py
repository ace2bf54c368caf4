"""Where the benchmark runs: its private servers, and what to tell the reader about the machine."""

import contextlib
import datetime
import os
import platform
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import django
import MySQLdb

from tests.harness.databases import ALIASES, Running, running
from tests.harness.process import Launched, children_of, private_folder
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
def turns(running: Servers, *, pinned: bool, also: Sequence[int] = ()) -> Iterator[None]:
    """Leave the cores to the kernel, or keep this process and its servers on one for a while.

    ``also`` are the ids of other processes that take part.
    """
    if not pinned:
        yield
        return
    cores = os.sched_getaffinity(0)
    _keep_on({max(cores)}, running, also)
    try:
        with going_first(running):
            yield
    finally:
        _keep_on(cores, running, also)


def _keep_on(cores: set[int], running: Servers, also: Sequence[int]) -> None:
    """Move each thread: those to come inherit it."""
    ours = [os.getpid(), *(one.process.pid for one in running.launched if _lives(one))]
    for process in [*ours, *also]:
        for thread in Path(f"/proc/{process}/task").iterdir():
            with contextlib.suppress(OSError):
                os.sched_setaffinity(int(thread.name), cores)


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


@contextlib.contextmanager
def ahead() -> Iterator[None]:
    """Let us, and all that runs below us, go before other work for a while, on each core.

    Among them what a server has started for a connection: PostgreSQL gives each one a session.
    """
    _weigh(family(os.getpid()), -20)
    try:
        yield
    finally:
        _weigh(family(os.getpid()), 0)


def family(process: int) -> list[int]:
    """Return a process and all that it has started, and those have."""
    found = [process]
    for one in found:
        with contextlib.suppress(OSError):
            found += children_of(one)
    return found


def _weigh(processes: list[int], nice: int) -> None:
    for process in processes:
        _set_weight(process, nice)


def _lives(one: Launched) -> bool:
    return one.process.poll() is None


def _set_weight(process: int, nice: int) -> None:
    with contextlib.suppress(OSError):
        Path(f"/proc/{process}/autogroup").write_text(str(nice))


@contextlib.contextmanager
def each_database(
    names: dict[str, str], *, pinned: bool = False, durable: bool = False
) -> Iterator[Iterator[tuple[str, str]]]:
    """Start servers and set Django up; return alias and title of each database, migrated."""
    if pinned:
        pin()
    servers = start(list(names), durable=durable)
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.settings"
    try:
        django.setup()
        with going_first(servers) if pinned else contextlib.nullcontext():
            yield _migrated(names, servers.missing)
        import_module("django.db").connections.close_all()
    finally:
        servers.stop()


def _migrated(names: dict[str, str], missing: dict[str, str]) -> Iterator[tuple[str, str]]:
    # Only now: the engines and models need Django's apps.
    bulk, routers = import_module("bench.bulk"), import_module("bench.routers")
    for name, title in names.items():
        if name in missing:
            print(f"{title}: {missing[name]}", file=sys.stderr)
            continue
        routers.Router.alias = ALIASES[name]
        bulk.migrate(ALIASES[name])
        yield ALIASES[name], title


@contextlib.contextmanager
def serving(databases: list[str]) -> Iterator[Servers]:
    """Start servers for processes that set Django up themselves."""
    servers = start(databases)
    try:
        yield servers
    finally:
        servers.stop()


def start(databases: list[str], *, durable: bool = False) -> Servers:
    """Start what is needed and tell the settings, which are read after this."""
    hide_telemetry()
    found = Servers(private_folder(), durable=durable)
    found.start({*databases, "redis"} - {"sqlite"})
    Running(found.folder, found.ports, found.missing).publish()
    for name in {"mariadb", "mysql"} & set(found.ports):
        create_database(found.ports[name], "sessionstore")
    return found


def create_database(port: int, name: str) -> None:
    """Make a database on a MariaDB or MySQL of ours."""
    with MySQLdb.connect(host="127.0.0.1", port=port, user="root") as connection:
        connection.cursor().execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")


def hide_telemetry() -> None:
    """Do without OpenTelemetry, as most sites: the tests have it, and our engine would use it."""
    sys.modules["opentelemetry"] = None  # type: ignore[assignment]


def servers() -> Running:
    """Return the servers of this run."""
    now = running()
    if now is None:
        raise RuntimeError("run it as: python -m bench")
    return now


def describe(server_versions: dict[str, str]) -> str:
    """Return one sentence about date, machine and versions."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":")[1].strip() for line in lines if "model name" in line), "unknown")
    today = datetime.datetime.now(datetime.UTC).date()
    parts = [
        *(str(today), cpu, f"{os.cpu_count()} cores", f"{platform.system()} {platform.release()}"),
        f"Python {platform.python_version()}",
        *(f"{name} {version(name)}" for name in PACKAGES),
        *(f"{name} {text}" for name, text in server_versions.items()),
        f"SQLite {sqlite3.sqlite_version}",
    ]
    return f"{', '.join(parts)}."


def redis_version(port: int) -> str:
    """Ask the running Redis."""
    answer = subprocess.run(
        ["redis-cli", "-p", str(port), "info", "server"], capture_output=True, text=True, check=True
    )
    line = next(line for line in answer.stdout.splitlines() if line.startswith("redis_version"))
    return line.split(":")[1]
