"""A primary and the one that follows it, of PostgreSQL and MariaDB, and how they change places."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.harness.cluster import Cluster, MySQLNode, program, required, wait_until
from tests.harness.databases import mysql, postgresql
from tests.harness.process import (
    Launched,
    account_for,
    children_of,
    ended_by_a_cut,
    free_port,
    launch,
    owned_folder,
)
from tests.harness.servers import ServerMissingError

IS_PRIMARY = """#!/bin/sh
answer=$(PGCONNECT_TIMEOUT=1 timeout 2 psql -XAtq -h "$3" -p "$4" -U postgres \
    -c "SELECT NOT pg_is_in_recovery()")
[ "$answer" = t ]
"""
MAY_BE_WRITTEN = """#!/bin/sh
answer=$(timeout 2 mysql --no-defaults -h "$3" -P "$4" -u root -Ne "SELECT NOT @@read_only")
[ "$answer" = 1 ]
"""


# It sends each session's SELECTs to one of the servers; those of an application that calls itself
# "sessions" to the primary.
PGPOOL = """
listen_addresses = '127.0.0.1'
port = {port}
pcp_port = {pcp_port}
unix_socket_directories = '{home}'
pcp_socket_dir = '{home}'
pid_file_name = '{home}/pgpool.pid'
logdir = '{home}'
backend_clustering_mode = 'streaming_replication'
backend_hostname0 = '127.0.0.1'
backend_port0 = {ports[0]}
backend_weight0 = 1
backend_hostname1 = '127.0.0.1'
backend_port1 = {ports[1]}
backend_weight1 = 1
load_balance_mode = on
app_name_redirect_preference_list = 'sessions:primary'
sr_check_user = 'postgres'
sr_check_period = 1
num_init_children = 8
"""


@dataclass(slots=True)
class PostgresNode:
    """One PostgreSQL server."""

    port: int
    home: Path
    process: Any = None

    def ask(self, sql: str) -> Any:
        """Send one statement as the superuser and answer its first row."""
        place = f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres connect_timeout=2"
        with psycopg.connect(place, autocommit=True) as connection:
            answer = connection.execute(sql)
            return answer.fetchone() if answer.description else None

    def kill(self) -> None:
        """End it as a power cut would, with the processes of its connections."""
        with ended_by_a_cut(children_of(self.process.process.pid)):
            self.process.kill()


@dataclass(slots=True)
class Standby(Cluster):
    """A PostgreSQL primary whose commits wait for its standby, which can take its place."""

    def start(self) -> None:
        """Start the primary, copy it, and let the copy follow."""
        folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        if not folders:
            raise ServerMissingError("apt-get install postgresql")
        programs = folders[0]
        primary, standby = (
            PostgresNode(free_port(), owned_folder(self.folder / name, account_for("postgres")))
            for name in ("primary", "standby")
        )
        flags = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8"]
        self._run(
            [programs / "initdb", f"--pgdata={primary.home / 'data'}", *flags, "--no-sync"]
        ).wait_for_end()
        self._serve(programs, primary)
        self._run(
            [
                *(programs / "pg_basebackup", "--pgdata", standby.home / "data", "--no-sync"),
                *("--checkpoint=fast", "--write-recovery-conf", "--wal-method=stream"),
                *("--dbname", f"host=127.0.0.1 port={primary.port} user=postgres"),
            ]
        ).wait_for_end()
        self._serve(programs, standby)
        primary.ask("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.ask("SELECT pg_reload_conf()")
        state = "SELECT sync_state FROM pg_stat_replication"
        wait_until(lambda: primary.ask(state) == ("sync",))

    def _run(self, command: list[Any]) -> Launched:
        log = self.folder / "postgresql.log"
        return launch("postgresql", command, log=log, account=account_for("postgres"))

    def _serve(self, programs: Path, node: PostgresNode) -> None:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": node.port,
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "16MB",
            # In its folder, where a server that is killed leaves nothing behind.
            "dynamic_shared_memory_type": "mmap",
            "max_connections": 100,
            "wal_keep_size": "64MB",
        }
        flags = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        node.process = self._run([programs / "postgres", "-D", node.home / "data", *flags])
        self.nodes.append(node)
        wait_until(lambda: node.ask("SELECT 1"))

    @property
    def primary(self) -> PostgresNode:
        """The server that was started as the primary."""
        return self.nodes[0]

    @property
    def standby(self) -> PostgresNode:
        """The server that follows."""
        return self.nodes[1]

    def promote(self) -> None:
        """Let the standby take the place of the primary."""
        assert self.standby.ask("SELECT pg_promote(true, 30)") == (True,)

    def pgpool(self) -> int:
        """Start Pgpool-II before both, and return its port."""
        required(pgpool="pgpool2")
        account, port = account_for("postgres"), free_port()
        home = owned_folder(self.folder / "pgpool", account)
        for name in ("pcp.conf", "pool_hba.conf", "pool_passwd", ".pgpoolkey"):
            (home / name).touch()
        ports = [node.port for node in self.nodes]
        config = home / "pgpool.conf"
        config.write_text(PGPOOL.format(port=port, pcp_port=free_port(), home=home, ports=ports))
        files = ["-f", config, "-F", home / "pcp.conf", "-a", home / "pool_hba.conf"]
        command = [program("pgpool"), "-n", *files, "-k", home / ".pgpoolkey"]
        process = launch("pgpool", command, log=self.folder / "pgpool.log", account=account)
        self.proxies.append(process)
        process.wait_for_port(port)
        return port

    def stop(self) -> None:
        """End the servers with the processes of their connections, and what stands before them."""
        for node in self.nodes:
            if node.process is not None and node.process.process.poll() is None:
                node.kill()
        Cluster.stop(self)

    def settings(self, *ports: int, **options: str) -> dict[str, Any]:
        """Return settings of an address, or of several, as docs/scale.md recommends them."""
        settings = postgresql(",".join(map(str, ports)))  # type: ignore[arg-type]
        settings["HOST"] = ",".join(["127.0.0.1"] * len(ports))
        settings["OPTIONS"].update(connect_timeout=2, **options)
        return settings


@dataclass(slots=True)
class Replica(Cluster):
    """A MariaDB primary whose commits wait for its replica, which can take its place."""

    def start(self) -> None:
        """Start both servers, and let the second follow the first."""
        required(mariadbd="mariadb-server")
        for number in range(2):
            self._serve(number)
        primary, replica = self.nodes
        primary.ask("CREATE DATABASE sessionstore CHARACTER SET utf8mb4")
        replica.ask(
            f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={primary.port},"
            " MASTER_USER='root', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1"
        )
        replica.ask("START SLAVE")
        wait_until(lambda: primary.status("Rpl_semi_sync_master_clients") == "1")

    def _serve(self, number: int) -> None:
        account = account_for("mysql")
        home = owned_folder(self.folder / f"node{number + 1}", account)
        log = self.folder / f"node{number + 1}.log"
        common = ["--no-defaults", f"--datadir={home / 'data'}", "--skip-name-resolve"]
        flags = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        install = [program("mariadb-install-db"), *common, *flags, "--innodb-log-file-size=16M"]
        launch("mariadb", install, log=log, account=account).wait_for_end()
        port = free_port()
        command: list[str | Path] = [
            *(program("mariadbd"), *common, f"--socket={home / 'sock'}"),
            *(f"--pid-file={home / 'pid'}", f"--port={port}", "--bind-address=127.0.0.1"),
            *("--innodb-log-file-size=16M", "--innodb-buffer-pool-size=32M"),
            *("--innodb-flush-log-at-trx-commit=2", "--max-connections=100"),
            *("--character-set-server=utf8mb4", f"--server-id={number + 1}", "--log-bin=binlog"),
            *("--binlog-format=ROW", "--gtid-strict-mode=ON", "--log-slave-updates=ON"),
            *("--rpl-semi-sync-master-enabled=ON", "--rpl-semi-sync-slave-enabled=ON"),
            *("--rpl-semi-sync-master-wait-point=AFTER_SYNC", f"--read-only={number}"),
            # A commit that nobody confirms waits for as long as it takes.
            "--rpl-semi-sync-master-timeout=600000",
            # Without a replica, which is so after a failover, it does not.
            "--rpl-semi-sync-master-wait-no-slave=OFF",
        ]
        node = MySQLNode(port, home, command)
        node.process = launch("mariadb", command, log=log, account=account)
        self.nodes.append(node)
        node.process.wait_for_port(port)

    @property
    def primary(self) -> MySQLNode:
        """The server that was started as the primary."""
        return self.nodes[0]

    @property
    def replica(self) -> MySQLNode:
        """The server that follows."""
        return self.nodes[1]

    def lag(self, seconds: int) -> None:
        """Let the replica carry out what it hears so many seconds later."""
        self.replica.ask("STOP SLAVE")
        self.replica.ask(f"CHANGE MASTER TO MASTER_DELAY={seconds}")
        self.replica.ask("START SLAVE")
        wait_until(lambda: self.primary.status("Rpl_semi_sync_master_clients") == "1")

    def promote(self) -> None:
        """Let the replica take the place of the primary, with all that it has heard of."""
        self.replica.ask("STOP SLAVE IO_THREAD")
        idle = "Slave has read all relay log"
        wait_until(lambda: idle in str(self.replica.ask("SHOW SLAVE STATUS")))
        self.replica.ask("STOP SLAVE")
        self.replica.ask("RESET SLAVE ALL")
        self.replica.ask("SET GLOBAL read_only=OFF")

    def settings(self, port: int) -> dict[str, Any]:
        """Return settings of a server, or of the address that moves."""
        settings = mysql(port)
        settings["OPTIONS"].update(connect_timeout=2, read_timeout=10)
        return settings
