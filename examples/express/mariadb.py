"""A MariaDB for the demo: private, on loopback, with data that survive a restart."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

START_WITHIN = 60  # seconds


class MariaDB:
    """One server process on a free port; its data stay in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.log = folder / "mariadb.log"
        # A socket's path may have 107 characters, and a checkout can lie deep.
        self.runtime = Path(tempfile.mkdtemp(prefix="express-demo-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            if not (self.data / "mysql").exists():
                subprocess.run(self._install(), check=True, stdout=log, stderr=log)  # noqa: S603 (our own words)
            self.process = subprocess.Popen(self._serve(), stdout=log, stderr=log)  # noqa: S603 (our own words)

    def wait(self) -> None:
        """Return when it accepts connections; RuntimeError when it does not."""
        deadline = time.monotonic() + START_WITHIN
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            time.sleep(0.05)
        message = f"MariaDB did not start; see {self.log}"
        raise RuntimeError(message)

    def stop(self) -> None:
        """End the process and remove its socket."""
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.runtime, ignore_errors=True)

    def _install(self) -> list[str]:
        return [
            *("mariadb-install-db", "--no-defaults", f"--datadir={self.data}"),
            *("--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"),
            *_account(),
        ]

    def _serve(self) -> list[str]:
        return [
            *(_daemon(), "--no-defaults", f"--datadir={self.data}", f"--port={self.port}"),
            *(f"--socket={self.runtime / 'sock'}", f"--pid-file={self.runtime / 'pid'}"),
            *("--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin"),
            *_account(),
        ]


def _daemon() -> str:
    return shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin") or "mariadbd"


def _account() -> list[str]:
    # The server refuses root unless told; another account could not read a checkout in /root.
    return ["--user=root"] if os.geteuid() == 0 else []
