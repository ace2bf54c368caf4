"""A Galera cluster of three MariaDB nodes, and HAProxy in front of them.

Started by the tests that ask for it only: it takes about a quarter of a minute.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.harness.cluster import Cluster, MySQLNode, required, wait_until
from tests.harness.databases import mysql
from tests.harness.process import (
    account_for,
    copy_folder,
    free_port,
    launch,
    owned_folder,
)
from tests.harness.servers import ServerMissingError

PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")
NEEDED = {"mariadbd": "mariadb-server", "rsync": "rsync", "haproxy": "haproxy"}
# As `clustercheck` asks: 4 is a node that has all that the others have.
SYNCED = """#!/bin/sh
answer=$(timeout 2 mysql --no-defaults -h "$3" -P "$4" -u root -Ne \
    "SHOW STATUS WHERE Variable_name = 'wsrep_local_state' AND Value = 4")
[ -n "$answer" ]
"""
# A node that is gone is noticed after two seconds instead of five; less is too little on a
# machine that is busy with other tests.
TIMEOUTS = "evs.suspect_timeout=PT2S;evs.inactive_timeout=PT8S;evs.keepalive_period=PT0.5S"


@dataclass(slots=True)
class Node(MySQLNode):
    """One server of the cluster, and where the others reach it."""

    group_port: int = 0


@dataclass(slots=True)
class Galera(Cluster):
    """The nodes in the order of their start, and the address that moves to a living one."""

    proxy_port: int = 0

    def start(self) -> None:
        """Start the first node, let the others join it, and put HAProxy before them."""
        required(**NEEDED)
        if not PROVIDER.exists():
            raise ServerMissingError("apt-get install galera-4")
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
        ports = [node.port for node in self.nodes]
        self.proxy_port = self.haproxy(ports, script=SYNCED, interval="1s")

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
            "--innodb-flush-log-at-trx-commit=2",
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
        self.nodes.append(self._joined(Node(port, home, command, group_port=group_port)))

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
        wait_until(lambda: node.status("wsrep_local_state_comment") == "Synced")
        return node

    def rejoin(self, node: Node) -> None:
        """Let a node that was cut off by `gmcast.isolate` join the others again."""
        node.ask("SET GLOBAL wsrep_provider_options='gmcast.isolate=0'")
        wait_until(lambda: node.status("wsrep_local_state_comment") == "Synced")
        wait_until(lambda: node.status("wsrep_cluster_size") == str(len(self.nodes)))

    def restart(self, node: Node) -> None:
        """Let a node that was killed join the others again."""
        self._joined(node)
        wait_until(lambda: node.status("wsrep_cluster_size") == str(len(self.nodes)))

    def settings(self, port: int, *, sync_wait: int = 3) -> dict[str, Any]:
        """Return settings of a node, or of the proxy, as docs/scale.md recommends them."""
        settings = mysql(port)
        init = settings["OPTIONS"]["init_command"]
        init += f", SESSION wsrep_sync_wait={sync_wait}"
        settings["OPTIONS"].update(init_command=init, connect_timeout=2, read_timeout=10)
        return {**settings, "NAME": "sessionstore"}


def version() -> str:
    """Return the version of the provider, for docs/reliability.md."""
    found = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Version}", "galera-4"],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout or "unknown"
