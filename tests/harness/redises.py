"""A Redis primary with a replica, Sentinel that watches both, and HAProxy before them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from tests.harness.cluster import Cluster, program, required, wait_until
from tests.harness.process import Launched, account_for, free_port, frozen, launch

NEEDED = {"redis-server": "redis-server"}
# Redis is asked who it is. Who has become the primary is let in when it has been that for so long
# (`rise` checks) that nothing it knew before can be left in it.
IS_PRIMARY = """option tcp-check
    tcp-check send info\\ replication\\r\\n
    tcp-check expect string role:master"""
SENTINEL = """
port {port}
bind 127.0.0.1
sentinel monitor sessions 127.0.0.1 {primary} 1
sentinel down-after-milliseconds sessions 500
sentinel failover-timeout sessions 5000
"""


@dataclass(slots=True)
class RedisNode:
    """One Redis server."""

    port: int
    process: Launched

    def ask(self, *command: str) -> Any:
        """Send one command."""
        with redis.Redis(port=self.port, socket_timeout=2) as client:
            return client.execute_command(*command)

    def is_primary(self) -> bool:
        """Tell whether it takes writes."""
        return bool(self.ask("ROLE")[0] == b"master")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop it: what it should hear meanwhile it hears later, or never."""
        with frozen(self.process.process.pid):
            yield


@dataclass(slots=True)
class CacheServer:
    """One Redis or memcached that may be killed and started again at its address."""

    kind: str
    folder: Path
    port: int = 0
    process: Any = None

    def start(self, *flags: str) -> None:
        """Start it, with nothing in it."""
        self.port = self.port or free_port()
        if self.kind == "redis":
            required(**NEEDED)
            command = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port)]
            command += ["--save", "", "--appendonly", "no", "--dir", str(self.folder), *flags]
        else:
            required(memcached="memcached")
            command = ["memcached", "--listen=127.0.0.1", f"--port={self.port}", "--udp-port=0"]
        account = None if self.kind == "redis" else account_for("memcache")
        command[0] = program(command[0])
        self.process = launch(self.kind, command, log=self.folder / "log", account=account)
        self.process.wait_for_port(self.port)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()

    def ask(self, *command: str) -> Any:
        """Send one command to Redis."""
        with redis.Redis(port=self.port, socket_timeout=2) as client:
            return client.execute_command(*command)

    def stop(self) -> None:
        """End it for good."""
        self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(slots=True)
class Watched(Cluster):
    """The primary, its replica, and who promotes it."""

    proxy_port: int = 0

    def start(self, *, rise: int) -> None:
        """Start both and HAProxy; Sentinel comes when it is asked for."""
        required(**NEEDED)
        for number in range(2):
            follow = ["--replicaof", "127.0.0.1", str(self.nodes[0].port)] if number else []
            self.nodes.append(self._serve(number, follow))
        link = "master_link_status"
        wait_until(lambda: self.nodes[1].ask("INFO", "replication")[link] == "up")
        ports = [node.port for node in self.nodes]
        self.proxy_port = self.haproxy(ports, check=IS_PRIMARY, rise=rise)

    def _serve(self, number: int, more: list[str]) -> RedisNode:
        port, home = free_port(), self.folder / f"redis{number}"
        home.mkdir()
        flags = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(home)]
        command: list[str | Path] = [program("redis-server"), "--port", str(port), *flags, *more]
        process = launch("redis", command, log=self.folder / f"redis{number}.log")
        process.wait_for_port(port)
        return RedisNode(port, process)

    def watch(self) -> None:
        """Start Sentinel, which promotes the replica when the primary is gone."""
        port, config = free_port(), self.folder / "sentinel.conf"
        config.write_text(SENTINEL.format(port=port, primary=self.nodes[0].port))
        command = [program("redis-server"), config, "--sentinel"]
        process = launch("sentinel", command, log=self.folder / "sentinel.log")
        self.proxies.append(process)
        process.wait_for_port(port)
        ask = RedisNode(port, process).ask
        wait_until(lambda: len(ask("SENTINEL", "REPLICAS", "sessions")) == 1)
