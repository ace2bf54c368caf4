"""`python -m demo_site [PORT]`: two servers, one table of sessions."""

import argparse
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from types import FrameType

import django
from django.apps import apps
from django.core.management import call_command
from django.db import connection

from demo_site.accounts import NAMES, PASSWORD, make_demo_users

HOST = "127.0.0.1"
START_WITHIN = 30  # seconds
TOO_SHORT_A_LIFE = 3  # seconds; a server that ends sooner would end again


class Server:
    """One server process on one port, started again when it ends.

    Django's own `runserver --noreload`: it serves the static files too and comes with Django, so
    the demo needs no package that the reader would have to know first.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.start()

    def start(self) -> None:
        """Start the process; its access log is switched off in the settings."""
        self.started = time.monotonic()
        command = ["runserver", "--noreload", "--insecure", "--skip-checks", f"{HOST}:{self.port}"]
        self.process = subprocess.Popen(  # noqa: S603 (our own interpreter and words)
            [sys.executable, "-m", "django", *command], stdout=subprocess.DEVNULL
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
    port = parser.parse_args().port
    if not 1 <= port < 65535:
        parser.error("the port is a number from 1 to 65534")
    ports = [port, port + 1]
    for taken in (each for each in ports if not is_free(each)):
        say(f"Port {taken} is in use. Choose another: make demo PORT=8010")
        return 1
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo_site.settings")
    os.environ.setdefault("DJANGO_RUNSERVER_HIDE_WARNING", "true")
    os.environ["DEMO_PORTS"] = ",".join(map(str, ports))
    signal.signal(signal.SIGTERM, interrupt)
    try:
        django.setup()
        if is_of_a_former_layout():
            path = os.path.relpath(connection.settings_dict["NAME"])
            say(f"{path} was made by an older version: its table of sessions has other columns.")
            say(f"Delete the file and start again: rm {shlex.quote(path)}")
            return 1
        prepare()
        return serve(ports)
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


def serve(ports: list[int]) -> int:
    """Keep the servers up; stop all of them, however this ends."""
    servers: list[Server] = []
    try:
        servers += [Server(port) for port in ports]
        while not all(server.is_up() for server in servers):
            if any(server.has_ended() or server.age() > START_WITHIN for server in servers):
                say("A server did not start; see the lines above.")
                return 1
            time.sleep(0.1)
        greet(ports)
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
