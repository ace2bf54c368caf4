"""Group Replication of three servers of MySQL proper, and HAProxy in front of them.

Started by the tests that ask for it only: it takes about ten seconds.
"""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.harness.cluster import Cluster, MySQLNode, wait_until
from tests.harness.databases import mysql
from tests.harness.process import copy_folder, free_port, keep_folder, launch, owned_folder
from tests.harness.servers import CACHE, find_mysql, mysql_account

PLUGINS = CACHE / "mysql" / "root" / "usr" / "lib" / "mysql" / "plugin"
NAME = "5e551045-0000-4000-8000-000000000000"
# Its own channel brings a joining server what it lacks; the accounts have no passwords.
JOIN = "START GROUP_REPLICATION USER='root', PASSWORD=''"
MEMBERS = "SELECT {} FROM performance_schema.replication_group_members"
OF_ITSELF = " WHERE MEMBER_ID = @@server_uuid"
ONLINE = MEMBERS.format("COUNT(*)") + " WHERE MEMBER_STATE = 'ONLINE'"

# Good is who may write and sees most of the others.
MAY_WRITE = f"({ONLINE}) * 2 > ({MEMBERS.format('COUNT(*)')}) AND NOT @@super_read_only"
WRITER = f"""#!/bin/sh
answer=$(timeout 2 mysql --no-defaults -h "$3" -P "$4" -u root -Ne \
    "{MEMBERS.format(f"MEMBER_STATE = 'ONLINE' AND {MAY_WRITE}")}{OF_ITSELF}")
[ "$answer" = 1 ]
"""


@dataclass(slots=True)
class Group(Cluster):
    """The members in the order of their start, and the address that moves to one that writes."""

    multi_primary: bool = False
    proxy_port: int = 0
    seeds: list[int] = field(default_factory=list)

    def start(self) -> None:
        """Start the servers at the same time, let them join, and put HAProxy before them."""
        daemon = find_mysql()
        self.seeds = [free_port() for _ in range(3)]
        for number in range(3):
            self._add(number, daemon)
        for node in self.nodes:
            node.process.wait_for_port(node.port)
        first, *others = self.nodes
        first.ask("SET GLOBAL group_replication_bootstrap_group=ON")
        first.ask(JOIN)
        first.ask("SET GLOBAL group_replication_bootstrap_group=OFF")
        for node in others:
            node.ask(JOIN)
        self.wait_for_members(3)
        ports = [node.port for node in self.nodes]
        self.proxy_port = self.haproxy(ports, script=WRITER, interval="2s")

    def _add(self, number: int, daemon: Path) -> None:
        account, flags = mysql_account(daemon)
        home = owned_folder(self.folder / f"node{number + 1}", account)
        copy_folder(self._template(daemon, account, flags), home / "data", account)
        (home / "data" / "auto.cnf").unlink()  # the server's identity
        start = home / "start.sql"
        start.write_text(
            "SET SQL_LOG_BIN=0;\n"
            "CREATE USER IF NOT EXISTS 'root'@'127.0.0.1';\n"
            "GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;\n"
            # A member that has lost the others lets root in, and nobody else.
            "CREATE USER IF NOT EXISTS 'site'@'127.0.0.1';\n"
            "GRANT ALL ON sessionstore.* TO 'site'@'127.0.0.1';\n"
        )
        port = free_port()
        command: list[str | Path] = [
            *(daemon, "--no-defaults", f"--datadir={home / 'data'}", *flags),
            *(f"--init-file={start}", f"--socket={home / 'sock'}", f"--pid-file={home / 'pid'}"),
            *(f"--port={port}", "--mysqlx=OFF", "--secure-file-priv=NULL"),
            *("--bind-address=127.0.0.1", "--skip-name-resolve", "--report-host=127.0.0.1"),
            # Not 0: a server that is killed would lose from its tables what its binary log has.
            *("--innodb-flush-log-at-trx-commit=2", "--sync-binlog=0", "--innodb-doublewrite=0"),
            *("--innodb-flush-method=nosync", "--innodb-buffer-pool-size=64M"),
            *("--max-connections=200", "--character-set-server=utf8mb4"),
            *(f"--server-id={number + 1}", "--gtid-mode=ON", "--enforce-gtid-consistency=ON"),
            *([f"--plugin-dir={PLUGINS}"] if PLUGINS.exists() else []),
            "--plugin-load-add=group_replication.so",
            *(f"--loose-group-replication-{option}" for option in self._options(number)),
        ]
        self.nodes.append(MySQLNode(port, home, command))
        self._launch(self.nodes[-1])

    def _options(self, number: int) -> list[str]:
        mode = "OFF" if self.multi_primary else "ON"
        return [
            *(f"group-name={NAME}", "start-on-boot=OFF", f"single-primary-mode={mode}"),
            f"local-address=127.0.0.1:{self.seeds[number]}",
            f"group-seeds={','.join(f'127.0.0.1:{port}' for port in self.seeds)}",
            *("message-cache-size=128M", "recovery-get-public-key=ON"),
            # Who is silent for five seconds is expelled, who has lost the others gives up.
            *("member-expel-timeout=0", "unreachable-majority-timeout=2", "autorejoin-tries=0"),
        ]

    def _template(self, daemon: Path, account: str | None, flags: list[str]) -> Path:
        kept = CACHE / "mysql" / "initialised"
        made = self.folder / "template"
        if kept.exists() or made.exists():
            return kept if kept.exists() else made / "data"
        owned_folder(made, account)
        command = [daemon, "--no-defaults", f"--datadir={made / 'data'}", *flags]
        log = self.folder / "install.log"
        launch(
            "mysql", [*command, "--initialize-insecure"], log=log, account=account
        ).wait_for_end()
        keep_folder(made / "data", kept)
        return made / "data"

    def _launch(self, node: MySQLNode) -> None:
        account, _ = mysql_account(Path(node.command[0]))
        log = self.folder / f"{node.home.name}.log"
        node.process = launch("mysql", node.command, log=log, account=account)

    def wait_for_members(self, number: int) -> None:
        """Return when so many members are online, by all that run: one that is killed counts yet.

        It does until the others have expelled it.
        """
        running = [node for node in self.nodes if node.process.process.poll() is None]
        wait_until(lambda: all(int(node.ask(ONLINE)[0]) == number for node in running))

    def state(self, node: MySQLNode) -> str:
        """Return what a member says of itself."""
        return node.ask(MEMBERS.format("MEMBER_STATE") + OF_ITSELF)[0]

    def primary_of(self, node: MySQLNode) -> int | None:
        """Return the port of the primary that a member knows."""
        row = node.ask(MEMBERS.format("MEMBER_PORT") + " WHERE MEMBER_ROLE = 'PRIMARY'")
        return row and row[0]

    def wait_for_primary(self, nodes: list[MySQLNode]) -> None:
        """Return when one of these has become the primary."""
        ports = {node.port for node in nodes}
        wait_until(lambda: any(self.primary_of(node) in ports for node in nodes))

    def primary(self) -> MySQLNode:
        """Return the member that may write; of several the first."""
        role = MEMBERS.format("MEMBER_ROLE") + OF_ITSELF
        return next(node for node in self.nodes if node.ask(role)[0] == "PRIMARY")

    def conflicts(self) -> int:
        """Return how many transactions the members have refused at their certification."""
        count = "SELECT SUM(COUNT_CONFLICTS_DETECTED)"
        stats = "performance_schema.replication_group_member_stats"
        return int(self.nodes[0].ask(f"{count} FROM {stats}")[0])

    def restart(self, node: MySQLNode) -> None:
        """Start a member that has ended, or ends now, and let it join the others."""
        node.kill()
        self._launch(node)
        node.process.wait_for_port(node.port)
        self.heal()

    def rejoin(self, node: MySQLNode) -> bool:
        """Let a member that was expelled join the others again; they may not be ready for it."""
        node.ask("STOP GROUP_REPLICATION")
        node.ask("SET GLOBAL offline_mode=OFF")
        node.ask(JOIN)
        return True

    def heal(self) -> None:
        """Let all that were expelled, or have given up, join again."""
        for node in self.nodes:
            if self.state(node) in {"ERROR", "OFFLINE"}:
                wait_until(partial(self.rejoin, node))
        self.wait_for_members(3)

    def settings(self, port: int, *, consistency: str) -> dict[str, Any]:
        """Return settings of a member, or of the proxy, as docs/scale.md recommends them."""
        settings = mysql(port)
        init = settings["OPTIONS"]["init_command"]
        init += f", SESSION group_replication_consistency='{consistency}'"
        settings["OPTIONS"].update(init_command=init, connect_timeout=2, read_timeout=10)
        return {**settings, "USER": "site"}
