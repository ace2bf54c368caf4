"""A Galera cluster of three MariaDB nodes, and HAProxy in front of them.

Started by the tests that ask for it only: it takes about a quarter of a minute.
"""

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import MySQLdb

from tests.harness.databases import mysql
from tests.harness.process import (
    Launched,
    account_for,
    copy_folder,
    free_port,
    launch,
    owned_folder,
)
from tests.harness.servers import ServerMissingError

PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")
NEEDED = {"mariadbd": "mariadb-server", "rsync": "rsync", "haproxy": "haproxy"}
# A node that is gone is noticed after two seconds instead of five; less is too little on a
# machine that is busy with other tests.
TIMEOUTS = "evs.suspect_timeout=PT2S;evs.inactive_timeout=PT8S;evs.keepalive_period=PT0.5S"

HAPROXY = """
defaults
    mode tcp
    timeout connect 1s
    timeout client 60s
    timeout server 60s
listen galera
    bind 127.0.0.1:{port}
    option tcp-check
    default-server inter 200ms fall 2 rise 2 on-marked-down shutdown-sessions
    server node1 127.0.0.1:{nodes[0]} check
    server node2 127.0.0.1:{nodes[1]} check backup
    server node3 127.0.0.1:{nodes[2]} check backup
"""


@dataclass(slots=True)
class Node:
    """One server of the cluster."""

    port: int
    group_port: int
    home: Path
    command: list[str | Path]
    process: Any

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
        """Return one of the node's wsrep variables."""
        row = self.ask(f"SHOW STATUS LIKE '{name}'")
        return row[1] if row else None

    def kill(self) -> None:
        """End it as a power cut would."""
        os.kill(self.process.process.pid, signal.SIGKILL)
        self.process.process.wait(10)


@dataclass(slots=True)
class Galera:
    """The nodes in the order of their start, and the address that moves to a living one."""

    folder: Path
    nodes: list[Node] = field(default_factory=list)
    proxy: Launched | None = None
    proxy_port: int = 0

    def start(self) -> None:
        """Start the first node, let the others join it, and put HAProxy before them."""
        missing = [package for name, package in NEEDED.items() if not _is_there(name)]
        if missing or not PROVIDER.exists():
            packages = " ".join([*missing, *([] if PROVIDER.exists() else ["galera-4"])])
            raise ServerMissingError(f"Galera: apt-get install {packages}")
        account = account_for("mysql")
        template = owned_folder(self.folder / "template", account)
        flags = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        install = launch(
            "galera",
            ["mariadb-install-db", "--no-defaults", f"--datadir={template / 'data'}", *flags],
            log=self.folder / "install.log",
            account=account,
        )
        install.wait_for_end()
        for number in range(3):
            self._add_node(number, template / "data", account)
        self._start_proxy()

    def _add_node(self, number: int, template: Path, account: str | None) -> None:
        home = owned_folder(self.folder / f"node{number + 1}", account)
        copy_folder(template, home / "data", account)
        port, group_port, ist_port, sst_port = (free_port() for _ in range(4))
        options = (
            f"gmcast.listen_addr=tcp://127.0.0.1:{group_port};"
            f"ist.recv_addr=127.0.0.1:{ist_port};gcache.size=32M;{TIMEOUTS}"
        )
        command: list[str | Path] = [
            shutil.which("mariadbd") or "/usr/sbin/mariadbd",
            "--no-defaults",
            f"--datadir={home / 'data'}",
            f"--socket={home / 'sock'}",
            f"--pid-file={home / 'pid'}",
            f"--port={port}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=64M",
            "--innodb-autoinc-lock-mode=2",
            "--binlog-format=ROW",
            "--character-set-server=utf8mb4",
            "--wsrep-on=ON",
            f"--wsrep-provider={PROVIDER}",
            "--wsrep-node-address=127.0.0.1",
            f"--wsrep-sst-receive-address=127.0.0.1:{sst_port}",
            f"--wsrep-provider-options={options}",
            "--wsrep-sst-method=rsync",
        ]
        self.nodes.append(self._joined(Node(port, group_port, home, command, None)))

    def _joined(self, node: Node) -> Node:
        """Start a node, as the first of a cluster or as one that joins the living ones."""
        others = [f"127.0.0.1:{one.group_port}" for one in self.nodes if one is not node]
        address = f"--wsrep-cluster-address=gcomm://{','.join(others)}"
        node.process = launch(
            "galera",
            [*node.command, address, *([] if others else ["--wsrep-new-cluster"])],
            log=self.folder / f"{node.home.name}.log",
            account=account_for("mysql"),
        )
        node.process.wait_for_port(node.port, seconds=90)
        self.wait_until(lambda: node.status("wsrep_local_state_comment") == "Synced")
        return node

    def restart(self, node: Node) -> None:
        """Let a node that was killed join the others again."""
        self._joined(node)
        self.wait_until(lambda: node.status("wsrep_cluster_size") == str(len(self.nodes)))

    def _start_proxy(self) -> None:
        self.proxy_port = free_port()
        config = self.folder / "haproxy.cfg"
        ports = [node.port for node in self.nodes]
        config.write_text(HAPROXY.format(port=self.proxy_port, nodes=ports))
        haproxy = shutil.which("haproxy") or "/usr/sbin/haproxy"
        self.proxy = launch(
            "haproxy", [haproxy, "-f", config], log=self.folder / "haproxy.log", account=None
        )
        self.proxy.wait_for_port(self.proxy_port)

    def wait_until(self, condition: Any, *, seconds: float = 60) -> None:
        """Return when a condition of the cluster holds; errors of the servers count as not yet."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if condition():
                    return
            except MySQLdb.Error:
                pass
            time.sleep(0.1)
        raise TimeoutError("the cluster did not come to it")

    def settings(self, port: int, *, sync_wait: int = 3) -> dict[str, Any]:
        """Return settings of a node, or of the proxy, as docs/scale.md recommends them."""
        settings = mysql(port)
        init = settings["OPTIONS"]["init_command"]
        settings["OPTIONS"]["init_command"] = f"{init}, SESSION wsrep_sync_wait={sync_wait}"
        settings["OPTIONS"]["connect_timeout"] = 2
        return {**settings, "NAME": "sessionstore"}

    def stop(self) -> None:
        """End everything that was started here."""
        for process in filter(None, [self.proxy, *(node.process for node in self.nodes)]):
            if process.process.poll() is None:
                process.process.kill()
                process.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


def _is_there(name: str) -> bool:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return shutil.which(name, path=path) is not None


def version() -> str:
    """Return the version of the provider, for docs/reliability.md."""
    found = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Version}", "galera-4"],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout or "unknown"
