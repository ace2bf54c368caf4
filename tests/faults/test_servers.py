"""Real application servers under load: workers killed in mid-request, and deployments."""

import os
import re
import signal
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as current
from django.contrib.auth.models import User
from django.db import connections, transaction

from sessionstore.conf import conf
from tests.faults.figures import note
from tests.faults.served.crowd import BROKEN, Connection, Crowd, asking
from tests.faults.sites import OURS, STOCK, Site
from tests.harness.appservers import KINDS, AppServer
from tests.harness.cluster import wait_until
from tests.harness.process import ended_by_a_cut, private_folder

# A request whose worker is killed gets no answer, or one of the proxy before it.
NO_ANSWER = {BROKEN, 502, 503}
LOCMEM = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}


def told(site, alias, kind, folder: Path, **more) -> dict[str, Any]:
    """What the site is told."""
    databases = {name: dict(connections[name].settings_dict) for name in {"default", alias}}
    for one in databases.values():
        one |= {"TEST": {}, "CONN_MAX_AGE": None if kind.keeps_connections else 0}
    databases["default"]["NAME"] = copy_of_the_users(folder)
    return {
        "secret": current.SECRET_KEY,
        "engine": site.engine,
        "middleware": site.middleware,
        "databases": databases,
        "alias": alias,
        "driver": "",
        "cache": LOCMEM,
        "is_async": kind.is_async,
        "at_import": False,
        **more,
    }


def copy_of_the_users(folder: Path) -> str:
    """Copy the file in which the users are; the sessions are in the server that is tested.

    gunicorn's threads may write over an SQLite file, as docs/guides/servers.md says.
    """
    copy = str(folder / "users.sqlite3")
    with (
        closing(sqlite3.connect(connections["default"].settings_dict["NAME"])) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    return copy


@pytest.fixture
def serve(site, database) -> Iterator[Any]:
    """A function that starts a server."""
    started = []

    def start(name: str, *, workers: int = 2, **changes: Any) -> AppServer:
        kind, folder = KINDS[name], private_folder(in_memory=True)
        known = told(site, database, kind, folder, **changes)
        server = AppServer(kind, folder, known, workers)
        started.append(server)
        server.start()
        return server

    for name in ("guest", "patient", *(f"visitor{number}" for number in range(8))):
        User.objects.create_user(name)
    yield start
    for server in started:
        server.stop()


WAITING = {
    "mysql": "SELECT COUNT(*) FROM information_schema.innodb_lock_waits w JOIN information_schema."
    "innodb_trx t ON w.blocking_trx_id = t.trx_id WHERE t.trx_mysql_thread_id = CONNECTION_ID()",
    "postgresql": "SELECT COUNT(*) FROM pg_stat_activity WHERE pg_backend_pid() = "
    "ANY(pg_blocking_pids(pid))",
}


@dataclass(slots=True)
class Held:
    """A request that waits in a worker."""

    thread: threading.Thread
    connection: Connection
    file: Path
    answer: list[int]
    pid: int = 0

    def go_on(self) -> None:
        """Let it go on."""
        self.file.unlink()

    def leave(self) -> None:
        """Close the connection, as a browser does whose tab is closed."""
        self.connection.link.sock.shutdown(socket.SHUT_RDWR)

    def status(self) -> int:
        """Return how it was answered."""
        self.thread.join(60)
        [status] = self.answer
        return status


def hold(crowd: Crowd, server: AppServer, mark: str, where: str) -> Held:
    """Let the patient visitor's request wait in a worker, before or after its save.

    Who was in the queue of a worker that has just been killed has to ask again.
    """
    file = server.folder / mark
    while True:
        held = ask_and_wait(crowd, file, mark, where)
        wait_until(lambda held=held: file.exists() or held.answer)
        if file.exists():
            held.pid = int(file.read_text())
            assert held.pid in server.workers()
            return held
        assert held.status() in NO_ANSWER


def ask_and_wait(crowd: Crowd, file: Path, mark: str, where: str) -> Held:
    """Ask in a thread, as the patient visitor, for what waits at `where`."""
    answer, connection = [], Connection(crowd.port)
    pause = {"pause": where, "file": str(file)}

    def ask() -> None:
        answer.append(crowd.put(connection, crowd.patient, mark, **pause))
        connection.close()

    held = Held(threading.Thread(target=ask, daemon=True), connection, file, answer)
    held.thread.start()
    return held


@contextmanager
def row_locked(site: Site, alias: str, key: str) -> Iterator[Any]:
    """Lock the row of a session; yields a function that tells whether somebody waits for it."""
    store = site.store(key)
    where = {"pk": store.session_key}
    if site is OURS:
        where = {"digest": conf.keyring.open(key).digest}

    def is_awaited() -> bool:
        with connections[alias].cursor() as cursor:
            if connections[alias].vendor == "mysql":
                # What it tells of locks is renewed when nobody has asked for 0.1 s.
                cursor.execute("DO SLEEP(0.15)")
            cursor.execute(WAITING[connections[alias].vendor])
            return cursor.fetchone()[0] > 0

    with transaction.atomic(using=alias):
        assert len(site.rows().using(alias).select_for_update().filter(**where)) == 1
        yield is_awaited


def kill(crowd: Crowd, server: AppServer, site: Site, where: str) -> None:
    """Kill a worker with -9 while it has a request: before, in or after the save."""
    held = hold(crowd, server, f"killed-{where}", "saved" if where == "saved" else "unsaved")
    with ExitStack() as stack:
        if where == "saving":
            alias = current.SESSIONSTORE_DATABASE
            is_awaited = stack.enter_context(row_locked(site, alias, crowd.patient.key))
            held.go_on()
            wait_until(is_awaited)
        with ended_by_a_cut([held.pid]):
            pass
    assert held.status() in NO_ANSWER
    server.revive()


def leave(crowd: Crowd, server: AppServer) -> None:
    """Let a browser leave while its request is at work: the server cancels the view."""
    held = hold(crowd, server, "left", "unsaved")
    held.leave()
    wait_until(server.folder.joinpath("left.cancelled").exists)
    assert held.status() == BROKEN


def end(crowd: Crowd, server: AppServer, mark: str) -> int:
    """Let a worker end with SIGTERM while it has a request; return how that was answered."""
    held = hold(crowd, server, mark, "unsaved")
    os.kill(held.pid, signal.SIGTERM)
    wait_until(lambda: not is_pending(held.pid, signal.SIGTERM))
    held.go_on()
    status = held.status()
    wait_until(lambda: held.pid not in server.workers())
    server.revive()
    return status


def is_pending(pid: int, number: int) -> bool:
    """Tell whether a process has not yet taken a signal."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    masks = re.findall(r"^S\w*Pnd:\s*(\w+)", status, re.MULTILINE)
    return any(int(mask, 16) >> (number - 1) & 1 for mask in masks)


def judge(crowd: Crowd, server: AppServer, site: Site, part: str) -> None:
    """Keep the figures; ours loses nothing that was acknowledged, and signs nobody out."""
    lost, back = crowd.lost(), crowd.came_back()
    stored = sum(len(one.stored) + one.counted for one in [crowd.patient, *crowd.visitors])
    bad = [status for status in crowd.statuses if status != 200]
    kinds = ", ".join(str(one or "no answer") for one in sorted(set(bad))) or "none"
    figure = (
        f"{lost} of {stored} acknowledged changes lost; {len(crowd.signed_out)} signed out; {back} "
        f"of {len(crowd.ended)} ended keys came back; {len(crowd.leaks)} saw another's session; "
        f"{len(bad)} of {len(crowd.statuses)} requests failed ({kinds})"
    )
    note("servers", site, part, figure)
    assert bad, "nobody noticed"
    if site is OURS:
        assert (lost, back, crowd.signed_out, crowd.leaks) == (0, 0, [], []), figure
        assert set(bad) <= NO_ANSWER, crowd.errors[:3]
        assert crowd.rounds


@pytest.mark.only_on("postgresql")
def test_a_killed_worker_and_a_deployment_lose_nothing(serve, site, database):
    """A worker is killed while its statement waits for a lock, then both are replaced."""
    server = serve("gunicorn sync", at_import=True)
    with asking(server.port, visitors=2) as crowd:
        kill(crowd, server, site, "saving")
        server.reload()
    judge(crowd, server, site, "gunicorn sync, in short")


@pytest.mark.only_on("postgresql")
def test_a_browser_that_leaves_and_a_killed_worker_lose_nothing(serve, site, database):
    """A view that is cancelled in the midst of its request leaves the next ones alone."""
    server = serve("uvicorn")
    with asking(server.port, visitors=2) as crowd:
        leave(crowd, server)
        kill(crowd, server, site, "saving")
    judge(crowd, server, site, "uvicorn, in short")


def run_all(server: AppServer, site: Site, part: str) -> None:
    """Kill workers at three places, end one with SIGTERM, replace them under load."""
    with asking(server.port, visitors=4) as crowd:
        for where in ("unsaved", "saving", "saved"):
            kill(crowd, server, site, where)
        status = end(crowd, server, "ended")
        server.reload()
    judge(crowd, server, site, f"{part}; SIGTERM in mid-request: {status or 'no answer'}")


@pytest.mark.soak
@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize(
    ("name", "site"),
    [*((name, OURS) for name in KINDS), ("gunicorn threads", STOCK), ("uvicorn", STOCK)],
    indirect=["site"],
    ids=lambda one: getattr(one, "name", one),
)
def test_workers_that_end_in_every_way_lose_nothing(serve, site, database, name):
    """Each server at length, and two of them with Django's engine."""
    run_all(serve(name, workers=4), site, f"{name}, PostgreSQL")


@pytest.mark.soak
@pytest.mark.only_on("mariadb")
@pytest.mark.parametrize("driver", ["mysqlclient", "PyMySQL"])
def test_gevent_loses_nothing_with_either_driver(serve, site, database, driver):
    """PyMySQL lets other requests run while it waits, mysqlclient does not."""
    server = serve("gunicorn gevent", workers=4, driver=driver)
    run_all(server, site, f"gunicorn gevent, {driver}, MariaDB")
