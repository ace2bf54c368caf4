"""Application servers as sites run them: how each starts, reloads and tells its workers."""

import json
import os
import shutil
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.harness.cluster import Cluster, wait_until
from tests.harness.process import Launched, children_of, free_port, launch

ROOT = Path(__file__).parents[2]
# Where pip puts programs; gunicorn starts its successor by the name under which it was started.
_PROGRAMS = Path(sys.executable).parent
_SITE = "tests.faults.served.site"
_GUNICORN = (
    "{programs}/gunicorn --bind 127.0.0.1:{port} --workers {workers} --log-level warning "
    "--no-control-socket --graceful-timeout 10 --pid {folder}/gunicorn.pid"
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A server, how it is started, and how a new release of the site gets into it.

    ``reload`` is the signal to its parent; "second" a second server on the same port, after which
    the first ends; "rolling" one process after the other behind HAProxy.
    """

    name: str
    command: str
    is_async: bool = False
    reload: str = "HUP"

    @property
    def keeps_connections(self) -> bool:
        """Tell whether a thread of it that has asked the database will ask again."""
        return not self.is_async and "gevent" not in self.name


# Past it a worker that ends may write over files that are open: docs/guides/servers.md.
_THREADS = "--worker-class gthread --threads 4 --graceful-timeout 60"


def _gunicorn(name: str, more: str, **named: Any) -> Kind:
    return Kind(f"gunicorn {name}", f"{_GUNICORN} {more} {{app}}", **named)


KINDS = {
    kind.name: kind
    for kind in (
        _gunicorn("sync", "--worker-class sync --preload"),
        _gunicorn("threads", _THREADS),
        _gunicorn("gevent", "--worker-class gevent"),
        _gunicorn("asgi", "--worker-class asgi", is_async=True),
        # With --preload a HUP would go on with the old site.
        _gunicorn("USR2", f"{_THREADS} --preload", reload="USR2"),
        Kind(
            "uvicorn",
            "-m uvicorn --port {port} --workers {workers} --log-level warning --no-access-log "
            "--timeout-graceful-shutdown 10 --timeout-worker-healthcheck 60 {app}",
            is_async=True,
        ),
        Kind(
            "hypercorn",
            "-m hypercorn --bind 127.0.0.1:{port} --workers {workers} --graceful-timeout 10 {app}",
            is_async=True,
            reload="second",
        ),
        Kind(
            "daphne",
            "-m daphne --bind 127.0.0.1 --port {port} --verbosity 0 {app}",
            is_async=True,
            reload="rolling",
        ),
        Kind(
            "granian",
            "-m granian --interface asgi --port {port} --workers {workers} --no-access-log "
            "--respawn-failed-workers --respawn-interval 1 --workers-kill-timeout 10 {app}",
            is_async=True,
        ),
        Kind(
            "granian wsgi",
            "-m granian --interface wsgi --port {port} --workers {workers} --no-access-log "
            "--respawn-failed-workers --respawn-interval 1 --workers-kill-timeout 10 {app}",
        ),
    )
}


def is_running(pid: int) -> bool:
    """Tell whether a process is there, and no mere entry of one that has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@dataclass(slots=True)
class AppServer:
    """One server with its workers, in a folder of its own; `site` is what the site is told."""

    kind: Kind
    folder: Path
    site: dict[str, Any]
    count: int
    port: int = 0
    # Each process that was started from here; of daphne one for each worker, by its port.
    running: dict[int, Launched] = field(default_factory=dict)
    launched: int = 0
    proxy: Cluster | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        if self.kind.reload == "rolling":
            ports = [free_port() for _ in range(self.count)]
            self.running = {port: self._launch(port) for port in ports}
            for port, process in self.running.items():
                process.wait_for_port(port)
            place = self.folder / "haproxy"
            place.mkdir()
            self.proxy = Cluster(place)
            self.port = self.proxy.haproxy(ports, backups=False)
            return
        self.port = free_port()
        self.running = {self.port: self._launch(self.port)}
        self.running[self.port].wait_for_port(self.port)
        wait_until(lambda: len(self.workers()) == self.count)

    def _launch(self, port: int) -> Launched:
        app = f"{_SITE}:{'asgi' if self.kind.is_async else 'wsgi'}"
        line = self.kind.command.format(
            port=port, workers=self.count, folder=self.folder, app=app, programs=_PROGRAMS
        ).split()
        self.launched += 1
        return launch(
            self.kind.name,
            [sys.executable, *line],
            log=self.folder / f"{self.launched}.log",
            folder=ROOT,
            environment={"SERVED_SITE": json.dumps(self.site)},
        )

    def parents(self) -> list[int]:
        """Return the processes that answer to nobody else of the server."""
        with suppress(OSError, ValueError):
            return [int((self.folder / "gunicorn.pid").read_text())]
        return [one.process.pid for one in self.running.values() if one.process.poll() is None]

    def workers(self) -> list[int]:
        """Return the processes that answer requests."""
        if self.kind.reload == "rolling":
            return self.parents()
        children = [child for parent in self.parents() for child in _children(parent)]
        return [child for child in children if is_running(child) and _is_worker(child)]

    def reload(self) -> None:
        """Put new workers into the place of all, as the server's documentation says."""
        old = self.workers()
        {"second": self._second, "rolling": self._roll, "USR2": self._upgrade}.get(
            self.kind.reload, self._hang_up
        )()
        wait_until(lambda: not any(map(is_running, old)) and len(self.workers()) == self.count)

    def _hang_up(self) -> None:
        os.kill(self.parents()[0], signal.SIGHUP)

    def _upgrade(self) -> None:
        """Let gunicorn start a second master, and end the first."""
        [old] = self.parents()
        os.kill(old, signal.SIGUSR2)
        path = self.folder / "gunicorn.pid.2"
        wait_until(path.exists)
        new = int(path.read_text())
        wait_until(lambda: len(_children(new)) == self.count)
        os.kill(old, signal.SIGTERM)
        wait_until(lambda: self.parents() == [new])

    def _second(self) -> None:
        """Start a second server on the same port (SO_REUSEPORT), then end the first."""
        [old] = self.running.values()
        new = self._launch(self.port)
        self.running = {self.port: new}
        wait_until(lambda: new.log.read_text().count("[INFO] Running on") == self.count)
        _end(old)

    def _roll(self) -> None:
        for port, process in list(self.running.items()):
            _end(process)
            self.running[port] = self._launch(port)
            self.running[port].wait_for_port(port)

    def revive(self) -> None:
        """Wait until all workers are there again; start what has ended, as systemd does."""
        wait_until(lambda: self._ended() or len(self.workers()) == self.count)
        for port in self._ended():
            self.running[port] = self._launch(port)
            self.running[port].wait_for_port(port)
        wait_until(lambda: len(self.workers()) == self.count)

    def _ended(self) -> list[int]:
        return [port for port, one in self.running.items() if one.process.poll() is not None]

    def stop(self) -> None:
        """End all of it."""
        everybody = {*self.parents(), *self.workers()}
        for process in self.running.values():
            process.stop()
        for pid in everybody:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.proxy is not None:
            self.proxy.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def _end(process: Launched) -> None:
    """Ask a server to end, and wait as long as it takes to answer its last requests."""
    process.process.terminate()
    process.process.wait(40)


def _children(pid: int) -> list[int]:
    try:
        return children_of(pid)
    except OSError:
        return []


def _is_worker(pid: int) -> bool:
    """Tell whether a child answers requests; multiprocessing has one that counts its resources."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"resource_tracker" not in line
