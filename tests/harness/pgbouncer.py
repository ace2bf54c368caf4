"""PgBouncer before a PostgreSQL server, in one of its modes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.harness.cluster import program, required
from tests.harness.databases import postgresql
from tests.harness.process import Launched, account_for, free_port, launch, owned_folder

# What comes with the start of a connection is lost in a pool, so the server is told here.
CONFIG = """
[databases]
* = host=127.0.0.1 port={server} user=postgres connect_query='{at_connect}'
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = 4
query_wait_timeout = 3
server_login_retry = 1
"""
AT_CONNECT = "SET lock_timeout = 3000"


@dataclass(slots=True)
class Pool:
    """A pooler that runs."""

    port: int
    process: Launched

    def settings(self) -> dict[str, Any]:
        """Return settings of an alias behind it, as docs/scale.md recommends them."""
        settings = postgresql(self.port)
        settings["OPTIONS"] = {"connect_timeout": 3}
        return {**settings, "DISABLE_SERVER_SIDE_CURSORS": True}


def start(folder: Path, *, server: int, mode: str) -> Pool:
    """Start PgBouncer, which refuses to run as root."""
    required(pgbouncer="pgbouncer")
    account, port = account_for("postgres"), free_port()
    home = owned_folder(folder / "pgbouncer", account)
    config = home / "pgbouncer.ini"
    config.write_text(CONFIG.format(server=server, port=port, mode=mode, at_connect=AT_CONNECT))
    process = launch(
        "pgbouncer", [program("pgbouncer"), config], log=folder / "log", account=account
    )
    process.wait_for_port(port)
    return Pool(port, process)
