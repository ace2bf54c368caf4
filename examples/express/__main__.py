"""`python -m examples.express [PORT]`: the shop on Django and on Express, with one table."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

import django
from django.core.management import call_command
from django.db import connection

from demo_site.__main__ import HOST, START_WITHIN, Server, interrupt, is_free, say
from demo_site.accounts import NAMES, PASSWORD, make_demo_users
from examples.express.mariadb import MariaDB

HERE = Path(__file__).parent
FOLDER = Path(os.environ.get("EXPRESS_DEMO_FOLDER", HERE.parents[1] / ".cache" / "demo-express"))
NEEDED = {"mariadb-install-db": "mariadb-server", "node": "nodejs", "npm": "npm"}


class NodeServer(Server):
    """The Express half, started again when it ends."""

    def start(self) -> None:
        """Start Node on the database and the secrets of the Django half."""
        from django.conf import settings  # noqa: PLC0415 (only now is it known which settings)

        database = settings.DATABASES["default"]
        environment = {
            "PORT": str(self.port),
            "DJANGO_URL": f"http://{HOST}:{self.port - 1}/",
            "DB_PORT": str(database["PORT"]),
            "DB_NAME": database["NAME"],
            "SESSION_SECRETS": json.dumps(settings.SESSIONSTORE_EXPRESS["secrets"]),
        }
        self.started = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603 (our own words)
            [shutil.which("node") or "node", "server.js"],
            cwd=HERE,
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
        )


def main() -> int:
    """Start the database and both halves, and stop all of them, however this ends."""
    parser = argparse.ArgumentParser(prog="python -m examples.express", description=__doc__)
    default = int(os.environ.get("PORT") or 8000)
    parser.add_argument("port", type=int, nargs="?", default=default, help="and the one after it")
    port = parser.parse_args().port
    if not 1 <= port < 65535:
        parser.error("the port is a number from 1 to 65534")
    missing = [package for program, package in NEEDED.items() if shutil.which(program) is None]
    if missing:
        say(f"Missing on this machine: apt-get install {' '.join(missing)}")
        return 1
    if taken := [each for each in (port, port + 1) if not is_free(each)]:
        say(f"Port {taken[0]} is in use. Choose another: make demo-express PORT=8010")
        return 1
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt_once)
    running: list[Server | MariaDB] = []
    try:
        prepare(running, port)
        return serve(running, port)
    except KeyboardInterrupt:
        say("Stopped.")
        return 0
    finally:
        for server in reversed(running):
            server.stop()


def interrupt_once(number: int, frame: FrameType | None) -> None:
    """Interrupt, and let no second signal (make passes them on) leave a server behind."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    interrupt(number, frame)


def prepare(running: list[Server | MariaDB], port: int) -> None:
    """Install what Express needs, start the database, and make tables and users."""
    if not (HERE / "node_modules" / ".package-lock.json").exists():
        say("Installing the packages of the Express half (npm ci) ...")
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=HERE, check=True)  # noqa: S607 (the npm that was found)
    database = MariaDB(FOLDER)
    running.append(database)
    database.wait()
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "examples.express.settings",
        "DJANGO_RUNSERVER_HIDE_WARNING": "true",
        "DEMO_DATABASE_PORT": str(database.port),
        "DEMO_EXPRESS_PORT": str(port + 1),
    }
    django.setup()
    with connection._nodb_cursor() as cursor:
        cursor.execute("CREATE DATABASE IF NOT EXISTS shop CHARACTER SET utf8mb4")
    call_command("migrate", verbosity=0)
    with open(os.devnull, "w") as quiet:  # noqa: PTH123 (no path of a file)
        call_command("expresstable", "--create", stdout=quiet)
        call_command("expresstable", "--add-user", stdout=quiet)
    make_demo_users()


def serve(running: list[Server | MariaDB], port: int) -> int:
    """Start both halves and keep them up."""
    halves = [Server(port), NodeServer(port + 1)]
    running += halves
    while not all(half.is_up() for half in halves):
        if any(half.has_ended() or half.age() > START_WITHIN for half in halves):
            say("A server did not start; see the lines above.")
            return 1
        time.sleep(0.1)
    say("The shop is open twice, with one table of sessions and one cookie:")
    say(f"  http://{HOST}:{port}  on Django")
    say(f"  http://{HOST}:{port + 1}  on Express")
    say(f"Sign in on either as {' or '.join(NAMES)}, password {PASSWORD}. Ctrl-C stops everything.")
    while True:
        time.sleep(0.2)
        for half in halves:
            if half.has_ended():
                say(f"The server on port {half.port} ended; starting it again.")
                half.start()


if __name__ == "__main__":
    sys.exit(main())
