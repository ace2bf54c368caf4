"""`python -m demo_site [PORT]`: two servers, one table of sessions.

With --https it is one server, with a certificate made on the spot: a browser binds a session to its
device over HTTPS only, and only for the port that it has signed in at.
"""

import argparse
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

import django
from django.apps import apps
from django.core.management import call_command
from django.db import connection

from demo_site.accounts import NAMES, PASSWORD, make_demo_users

HOST = "127.0.0.1"
START_WITHIN = 30  # seconds
TOO_SHORT_A_LIFE = 3  # seconds; a server that ends sooner would end again
CACHE = Path(__file__).resolve().parent.parent / ".cache"
# On Linux there is no hardware that Chromium would keep the key in.
FEATURES = "DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting"


class Server:
    """One server process on one port, started again when it ends.

    Django's own `runserver --noreload`: it serves the static files too and comes with Django, so
    the demo needs no package that the reader would have to know first. With a certificate it is the
    same server with TLS around it.
    """

    def __init__(self, port: int, certificate: Path | None = None) -> None:
        self.port = port
        command = ["django", "runserver", "--noreload", "--insecure", "--skip-checks"]
        self.words = [*command, f"{HOST}:{port}"]
        if certificate:
            self.words = ["demo_site.https", str(port), str(certificate)]
        self.start()

    def start(self) -> None:
        """Start the process; its access log is switched off in the settings."""
        self.started = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603 (our own interpreter and words)
            [sys.executable, "-m", *self.words], stdout=subprocess.DEVNULL
        )

    def has_ended(self) -> bool:
        """Tell whether the process is gone."""
        return self.process.poll() is not None

    def age(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def is_up(self) -> bool:
        """Tell whether something answers on the port."""
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0

    def stop(self) -> None:
        """End the process and wait for it."""
        self.process.terminate()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def main() -> int:
    """Prepare the database, run both servers until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m demo_site", description=__doc__)
    default = int(os.environ.get("PORT") or 8000)
    parser.add_argument("port", type=int, nargs="?", default=default, help="and the one after it")
    parser.add_argument("--https", action="store_true", help="one server, with a certificate")
    arguments = parser.parse_args()
    port = arguments.port
    if not 1 <= port < 65535:
        parser.error("the port is a number from 1 to 65534")
    ports = [port] if arguments.https else [port, port + 1]
    for taken in (each for each in ports if not is_free(each)):
        target = "demo-https" if arguments.https else "demo"
        say(f"Port {taken} is in use. Choose another: make {target} PORT=8010")
        return 1
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo_site.settings")
    os.environ.setdefault("DJANGO_RUNSERVER_HIDE_WARNING", "true")
    os.environ["DEMO_PORTS"] = ",".join(map(str, ports))
    certificate = None
    if arguments.https:
        certificate = Path(os.environ.setdefault("DEMO_CERTIFICATE", str(CACHE / "demo.pem")))
    signal.signal(signal.SIGTERM, interrupt)
    try:
        django.setup()
        if is_of_a_former_layout():
            path = os.path.relpath(connection.settings_dict["NAME"])
            say(f"{path} was made by an older version: its table of sessions has other columns.")
            say(f"Delete the file and start again: rm {shlex.quote(path)}")
            return 1
        prepare()
        return serve(ports, certificate)
    except KeyboardInterrupt:
        say("Stopped.")
        return 0


def prepare() -> None:
    """Bring the database file up to date and make the users; harmless when repeated."""
    call_command("migrate", verbosity=0)
    make_demo_users()


def is_of_a_former_layout() -> bool:
    """Tell whether the file holds a table of sessions that lacks columns of today's."""
    meta = apps.get_model("sessionstore", "Session")._meta
    introspection = connection.introspection
    with connection.cursor() as cursor:
        if meta.db_table not in introspection.table_names(cursor):
            return False
        found = {
            column.name for column in introspection.get_table_description(cursor, meta.db_table)
        }
    return not {field.column for field in meta.local_fields} <= found


def serve(ports: list[int], certificate: Path | None) -> int:
    """Keep the servers up; stop all of them, however this ends."""
    chromium = "" if certificate is None else certified(certificate)
    servers: list[Server] = []
    try:
        servers += [Server(port, certificate) for port in ports]
        while not all(server.is_up() for server in servers):
            if any(server.has_ended() or server.age() > START_WITHIN for server in servers):
                say("A server did not start; see the lines above.")
                return 1
            time.sleep(0.1)
        greet_securely(ports[0], chromium) if certificate else greet(ports)
        while True:
            time.sleep(0.2)
            for server in filter(Server.has_ended, servers):
                if server.age() < TOO_SHORT_A_LIFE:
                    say(f"The server on port {server.port} ends again and again.")
                    return 1
                say(f"The server on port {server.port} ended; starting it again.")
                server.start()
    finally:
        for server in servers:
            server.stop()


def greet(ports: list[int]) -> None:
    """Say where the shop is and who may come in."""
    say("The shop is open, on two servers that share one table of sessions:")
    for port in ports:
        say(f"  http://{HOST}:{port}")
    say(f"Sign in as {' or '.join(NAMES)}, password {PASSWORD}. Ctrl-C stops both.")


def certified(certificate: Path) -> str:
    """Make the certificate, and return the words that start a Chromium which takes it."""
    from demo_site import https  # noqa: PLC0415 - needs cryptography, which `make demo` does not

    certificate.parent.mkdir(exist_ok=True)
    known = https.public_key_hash(https.certificate(certificate))
    profile = shlex.quote(str(CACHE / "demo-browser"))
    return (
        f"chromium --user-data-dir={profile} --enable-features={FEATURES}"
        f" --ignore-certificate-errors-spki-list={known}"
    )


def greet_securely(port: int, chromium: str) -> None:
    """Say where the shop is, and which browser can bind a session to its device there."""
    address = f"https://{HOST}:{port}"
    say("The shop is open, with a certificate of its own that no browser knows:")
    say(f"  {address}")
    say("Behind a warning no browser binds a session to its device. This one does (Chromium 146+):")
    say(f"  {chromium} {address}/theft/")
    say(f"Sign in as {' or '.join(NAMES)}, password {PASSWORD}. Ctrl-C stops it.")


def is_free(port: int) -> bool:
    """Tell whether a server could listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Let SIGTERM end the demo the way Ctrl-C does."""
    raise KeyboardInterrupt


def say(line: str) -> None:
    """Print at once, also into a pipe."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
