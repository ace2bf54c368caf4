"""Application servers as sites run them: how each starts, reloads and tells its workers."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.harness.cluster import Cluster, wait_until
from tests.harness.process import Launched, children_of, free_port, launch

ROOT = Path(__file__).parents[2]
_SITE = "tests.faults.served.site"
_GUNICORN = (
    "gunicorn --bind 127.0.0.1:{port} --workers {workers} --log-level warning "
    "--graceful-timeout 30 --pid {folder}/gunicorn.pid"
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A server, how it is started, and how a new release of the site gets into it.

    ``reload`` is the signal to its parent; "second" a second server on the same port, after which
    the first ends; "rolling" one process after the other behind HAProxy. ``revives`` tells whether
    it replaces a worker that was killed: where it does not, it ends, and who looks after services
    (systemd) starts it again.
    """

    name: str
    command: str
    is_async: bool = False
    reload: str = "HUP"
    revives: bool = True


def _gunicorn(name: str, more: str, **named: Any) -> Kind:
    return Kind(f"gunicorn {name}", f"{_GUNICORN} {more} {{app}}", **named)


KINDS = {
    kind.name: kind
    for kind in (
        _gunicorn("sync", "--worker-class sync --preload"),
        _gunicorn("threads", "--worker-class gthread --threads 4"),
        _gunicorn("gevent", "--worker-class gevent"),
        _gunicorn("asgi", "--worker-class asgi", is_async=True),
        # With --preload a HUP would go on with the old site.
        _gunicorn("USR2", "--worker-class gthread --threads 4 --preload", reload="USR2"),
        Kind(
            "uvicorn",
            "uvicorn --port {port} --workers {workers} --log-level warning --no-access-log "
            "--timeout-graceful-shutdown 30 {app}",
            is_async=True,
        ),
        Kind(
            "hypercorn",
            "hypercorn --bind 127.0.0.1:{port} --workers {workers} --graceful-timeout 30 {app}",
            is_async=True,
            reload="second",
            revives=False,
        ),
        Kind(
            "daphne",
            "daphne --bind 127.0.0.1 --port {port} --verbosity 0 {app}",
            is_async=True,
            reload="rolling",
            revives=False,
        ),
        Kind(
            "granian",
            "granian --interface asgi --port {port} --workers {workers} --no-access-log "
            "--respawn-failed-workers --respawn-interval 1 --workers-kill-timeout 30 {app}",
            is_async=True,
        ),
        Kind(
            "granian wsgi",
            "granian --interface wsgi --port {port} --workers {workers} --no-access-log "
            "--respawn-failed-workers --respawn-interval 1 --workers-kill-timeout 30 {app}",
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
    count: int = 4
    more: Sequence[str] = ()
    port: int = 0
    # Each process that was started from here; of daphne one for each worker, by its port.
    running: dict[int, Launched] = field(default_factory=dict)
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
            port=port, workers=self.count, folder=self.folder, app=app
        ).split()
        return launch(
            self.kind.name,
            [sys.executable, "-m", *line, *self.more],
            log=self.folder / f"{port}.log",
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
        wait_until(lambda: len(self.workers()) == self.count)
        wait_until(lambda: new.log.read_text().count("Running on") == 2 * self.count)
        _end(old)

    def _roll(self) -> None:
        for port, process in list(self.running.items()):
            _end(process)
            self.running[port] = self._launch(port)
            self.running[port].wait_for_port(port)

    def revive(self) -> None:
        """Wait until all workers are there again; start what has ended, as systemd does."""
        if not self.kind.revives:
            for port, process in list(self.running.items()):
                if self.kind.reload != "rolling" or process.process.poll() is not None:
                    process.process.wait(30)
                    self.running[port] = self._launch(port)
                    self.running[port].wait_for_port(port)
        wait_until(lambda: len(self.workers()) == self.count)

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
