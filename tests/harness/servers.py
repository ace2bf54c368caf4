"""The private servers of a test run: found, started, stopped.

Everything listens on 127.0.0.1 at a free port and keeps its data in a temporary folder. Nothing
is flushed to disk: these settings are for tests, never for a site.
"""

import importlib.util
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.harness.process import (
    Launched,
    account_for,
    can_run,
    copy_folder,
    free_port,
    keep_folder,
    launch,
    owned_folder,
)

CACHE = Path(__file__).parents[2] / ".cache"
APT_PACKAGES = {
    "mariadb": "mariadb-server",
    "postgresql": "postgresql",
    "redis": "redis-server",
    "memcached": "memcached",
}

_SERVER = [
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--skip-log-bin",
    "--max-connections=400",
    "--character-set-server=utf8mb4",
]
_INNODB = [
    *_SERVER,
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-flush-method=nosync",
    "--innodb-buffer-pool-size=128M",
]
_UNFLUSHED_POSTGRESQL = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "128MB",
}


class ServerMissingError(Exception):
    """The server is not installed; the message names the cure."""


def _executable(name: str, *folders: Path) -> Path | None:
    path = [str(folder) for folder in folders]
    found = shutil.which(name) or shutil.which(name, path=":".join([*path, "/usr/sbin", "/sbin"]))
    return Path(found) if found else None


def _required(server: str, name: str, *folders: Path) -> Path:
    found = _executable(name, *folders)
    if found is None:
        raise ServerMissingError(f"{name} not found: apt-get install {APT_PACKAGES[server]}")
    return found


@dataclass(slots=True)
class Servers:
    """The servers of one run, by name; those that are ``durable`` flush as a site's do."""

    folder: Path
    ports: dict[str, int] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    launched: list[Launched] = field(default_factory=list)
    durable: bool = False

    def start(self, names: set[str]) -> None:
        """Start those that are installed, and note the reason for the others.

        One that is installed but does not start raises: that is a defect, no reason to skip.

        Each is a generator of two steps, so that all of them initialise at the same time.
        """
        started = {name: STARTERS[name](self) for name in STARTERS if name in names}
        while started:
            for name, steps in list(started.items()):
                try:
                    next(steps)
                except StopIteration:
                    del started[name]
                except ServerMissingError as error:
                    self.missing[name] = str(error)
                    del started[name]

    def launch(self, name: str, command: list[str | Path], *, account: str | None) -> Launched:
        """Start a process of server `name` that ends with this run."""
        running = launch(name, command, log=self.folder / f"{name}.log", account=account)
        self.launched.append(running)
        return running

    def endings(self) -> list[str]:
        """Say of each server that came up and runs no more how it ended."""
        last = {one.name: one for one in self.launched if one.name in self.ports}
        return [ending for one in last.values() if (ending := one.ending())]

    def stop(self) -> None:
        """End all processes and remove the folder."""
        for running in reversed(self.launched):
            running.stop()
        self.launched.clear()
        shutil.rmtree(self.folder, ignore_errors=True)


def _start_mariadb(servers):
    daemon = _required("mariadb", "mariadbd")
    install = _required("mariadb", "mariadb-install-db")
    account = account_for("mysql")
    home = owned_folder(servers.folder / "mariadb", account)
    installing = servers.launch(
        "mariadb",
        [
            install,
            "--no-defaults",
            f"--datadir={home / 'data'}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
            "--innodb-log-file-size=16M",
        ],
        account=account,
    )
    yield
    installing.wait_for_end()
    port = free_port()
    running = servers.launch(
        "mariadb",
        [
            daemon,
            "--no-defaults",
            f"--datadir={home / 'data'}",
            f"--socket={home / 'sock'}",
            f"--pid-file={home / 'pid'}",
            f"--port={port}",
            *(_SERVER if servers.durable else ["--innodb-log-file-size=16M", *_INNODB]),
        ],
        account=account,
    )
    yield
    running.wait_for_port(port)
    servers.ports["mariadb"] = port


def _start_postgresql(servers):
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    initdb, daemon = (_required("postgresql", name, *debian) for name in ("initdb", "postgres"))
    account = account_for("postgres")
    home = owned_folder(servers.folder / "postgresql", account)
    installing = servers.launch(
        "postgresql",
        [
            initdb.resolve(),
            f"--pgdata={home / 'data'}",
            "--auth=trust",
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ],
        account=account,
    )
    yield
    installing.wait_for_end()
    port = free_port()
    options = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "max_connections": 400,
        **({} if servers.durable else _UNFLUSHED_POSTGRESQL),
    }
    flags = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
    running = servers.launch(
        "postgresql", [daemon.resolve(), "-D", home / "data", *flags], account=account
    )
    yield
    running.wait_for_port(port)
    servers.ports["postgresql"] = port


def _start_redis(servers):
    daemon = _required("redis", "redis-server")
    port = free_port()
    running = servers.launch(
        "redis",
        [daemon, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"],
        account=None,
    )
    yield
    running.wait_for_port(port)
    servers.ports["redis"] = port


def _start_memcached(servers):
    daemon = _required("memcached", "memcached")
    if importlib.util.find_spec("pymemcache") is None:
        raise ServerMissingError("pymemcache not found: pip install pymemcache")
    port = free_port()
    running = servers.launch(
        "memcached",
        [daemon, "--listen=127.0.0.1", f"--port={port}", "--udp-port=0", "--memory-limit=64"],
        account=account_for("memcache"),
    )
    yield
    running.wait_for_port(port)
    servers.ports["memcached"] = port


def find_mysql() -> Path:
    """Return the path of a `mysqld` that is MySQL proper (Debian links the name to MariaDB)."""
    wrapper = CACHE / "mysql" / "mysqld"
    candidates = [found for found in (_executable("mysqld"), wrapper) if found and found.exists()]
    for candidate in candidates:
        answer = subprocess.run([candidate, "--version"], capture_output=True, check=False)
        if answer.returncode == 0 and b"MariaDB" not in answer.stdout:
            return candidate
    raise ServerMissingError("no mysqld of MySQL proper found; `make mysql` brings one (Debian)")


def mysql_account(daemon: Path) -> tuple[str | None, list[str]]:
    """Return the account that MySQL proper runs under, and what it has to be told about it."""
    account = account_for("mysql")
    if account and not can_run(account, daemon):
        # The cache lies in a folder that is closed to others, such as /root.
        return None, ["--user=root"]
    return account, []


def _start_mysql(servers):
    daemon = find_mysql()
    account, flags = mysql_account(daemon)
    home = owned_folder(servers.folder / "mysql", account)
    owned_folder(home / "files", account)
    common = ["--no-defaults", f"--datadir={home / 'data'}", f"--secure-file-priv={home / 'files'}"]
    common += flags
    initialised = CACHE / "mysql" / "initialised"
    if initialised.exists():
        copy_folder(initialised, home / "data", account)
    else:
        # Optimization: this takes 5 s where the others take less than one, so it is kept.
        installing = servers.launch(
            "mysql", [daemon, *common, "--initialize-insecure"], account=account
        )
        yield
        installing.wait_for_end()
        keep_folder(home / "data", initialised)
    start = home / "start.sql"
    start.write_text(
        "CREATE USER IF NOT EXISTS 'root'@'127.0.0.1';"
        " GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;\n"
    )
    port = free_port()
    running = servers.launch(
        "mysql",
        [
            daemon,
            *common,
            f"--init-file={start}",
            f"--socket={home / 'sock'}",
            f"--pid-file={home / 'pid'}",
            f"--port={port}",
            "--mysqlx=OFF",
            *_INNODB,
        ],
        account=account,
    )
    yield
    running.wait_for_port(port)
    servers.ports["mysql"] = port


STARTERS = {
    "mysql": _start_mysql,
    "mariadb": _start_mariadb,
    "postgresql": _start_postgresql,
    "redis": _start_redis,
    "memcached": _start_memcached,
}
