"""What clusters of database servers have in common: nodes, and an address that moves."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import MySQLdb
import psycopg
import redis

from tests.harness.process import Launched, free_port, frozen, launch
from tests.harness.servers import ServerMissingError

NOT_YET = (MySQLdb.Error, psycopg.Error, redis.RedisError)
SYSTEM_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"

# An address of a proxy that leads to the first server whose check succeeds.
HAPROXY = """
global
    {external}
defaults
    mode tcp
    timeout connect 1s
    timeout check 3s
    timeout client 60s
    timeout server 60s
listen cluster
    bind 127.0.0.1:{port}
    balance {balance}
    {check}
    default-server inter {interval} fall 2 rise {rise} on-marked-down shutdown-sessions
"""


def required(**packages: str) -> None:
    """Raise ServerMissingError that names the packages of the programs that are not there."""
    missing = [pack for name, pack in packages.items() if not shutil.which(name, path=SYSTEM_PATH)]
    if missing:
        raise ServerMissingError(f"apt-get install {' '.join(missing)}")


def program(name: str) -> str:
    """Return the path of a program of the system."""
    return shutil.which(name, path=SYSTEM_PATH) or f"/usr/sbin/{name}"


def wait_until(condition: Callable[[], Any], *, seconds: float = 60) -> None:
    """Return when a condition of a cluster holds; errors of its servers count as not yet."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(*NOT_YET):
            if condition():
                return
        time.sleep(0.05)
    raise TimeoutError("the cluster did not come to it")


@dataclass(slots=True)
class MySQLNode:
    """One server that speaks MySQL's protocol."""

    port: int
    home: Path
    command: list[str | Path]
    process: Any = None

    def ask(self, sql: str) -> Any:
        """Send one statement as root and answer its first row."""
        connection = MySQLdb.connect(host="127.0.0.1", port=self.port, user="root")
        try:
            connection.autocommit(True)
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchone()
        finally:
            connection.close()

    def status(self, name: str) -> str | None:
        """Return one of the node's status variables."""
        row = self.ask(f"SHOW STATUS LIKE '{name}'")
        return row[1] if row else None

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop it: its connections stay open, and nobody answers."""
        with frozen(self.process.process.pid):
            yield


@dataclass(slots=True)
class Cluster:
    """Servers in the order of their start, and what stands before them."""

    folder: Path
    nodes: list[Any] = field(default_factory=list)
    proxies: list[Launched] = field(default_factory=list)

    def haproxy(
        self,
        ports: Sequence[int],
        *,
        check: str = "option tcp-check",
        script: str | None = None,
        backups: bool = True,
        interval: str = "200ms",
        rise: int = 2,
    ) -> int:
        """Start HAProxy before `ports`, and return its own; a script ends with 0 for a good one.

        All but the first are backups: one server after the other is used, never two. Without
        `backups` connections go to all good ones in turn.
        """
        required(haproxy="haproxy")
        port, number = free_port(), len(self.proxies)
        if script is not None:
            path = self.folder / f"check{number}"
            path.write_text(script)
            path.chmod(0o755)
            check = f"option external-check\n    external-check command {path}"
            check += "\n    external-check path /usr/bin:/bin"
        text = HAPROXY.format(
            port=port,
            balance="first" if backups else "roundrobin",
            check=check,
            interval=interval,
            rise=rise if script is None else 1,
            external="external-check\n    insecure-fork-wanted" if script else "",
        )
        for one, server in enumerate(ports):
            text += f"    server node{one + 1} 127.0.0.1:{server} check"
            text += " backup\n" if one and backups else "\n"
        config = self.folder / f"haproxy{number}.cfg"
        config.write_text(text)
        log = self.folder / f"haproxy{number}.log"
        proxy = launch("haproxy", [program("haproxy"), "-f", config], log=log)
        self.proxies.append(proxy)
        proxy.wait_for_port(port)
        return port

    def stop(self) -> None:
        """End everything that was started here."""
        for node in filter(None, (node.process for node in self.nodes)):
            if node.process.poll() is None:
                node.process.send_signal(signal.SIGCONT)
                node.kill()
        for proxy in self.proxies:
            proxy.stop()  # politely: Pgpool-II has processes of its own
        shutil.rmtree(self.folder, ignore_errors=True)
