"""A database that is killed and started again under load."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, close_old_connections, connections

from tests.faults.conftest import another_alias
from tests.faults.figures import note
from tests.faults.sites import BOTH, OURS, STOCK, browser, key_of
from tests.harness.databases import mysql, postgresql
from tests.harness.process import private_folder
from tests.harness.servers import STARTERS, Servers
from tests.harness.threads import run_together

pytestmark = pytest.mark.django_db(transaction=True, databases=["default"])
both_sites = pytest.mark.parametrize("site", BOTH, indirect=True)


class Own(Servers):
    """A server of this test alone, which can be killed and started again."""

    def launch(self, name, command, *, account):
        """Note how it is started: with commits that outlive a kill, as on a site."""
        lasting = {
            "--innodb-flush-log-at-trx-commit=0": "--innodb-flush-log-at-trx-commit=1",
            "synchronous_commit=off": "synchronous_commit=on",
        }
        command = [lasting.get(part, part) for part in command]
        self.__dict__["last"] = (name, command, account)
        return super().launch(name, command, account=account)

    def kill_and_restart(self) -> None:
        """End it as a power cut would, and start it again on the same data."""
        name, command, account = self.__dict__["last"]
        process = self.launched.pop()
        os.kill(process.process.pid, signal.SIGKILL)
        process.process.wait(10)
        for stale in self.folder.glob("*/data/postmaster.pid"):
            stale.unlink()
        self.launch(name, command, account=account).wait_for_port(self.ports[name])


@pytest.fixture(params=["mariadb", "postgresql"])
def own(request, site, settings, db) -> Iterator[tuple[str, Own]]:
    """The alias of a server of its own, with the tables of both engines."""
    servers = Own(private_folder())
    try:
        for _ in STARTERS[request.param](servers):
            pass
        port = servers.ports[request.param]
        make = mysql if request.param == "mariadb" else postgresql
        settings.SESSIONSTORE_DATABASE = alias = f"own_{request.param}"
        root = {"NAME": "mysql"} if request.param == "mariadb" else {}
        with another_alias("default", alias, replace={**make(port), **root}):
            wait_for_answer(alias)
            with connections[alias].schema_editor() as editor:
                for one in (OURS, STOCK):
                    editor.create_model(one.model)
            yield alias, servers
    finally:
        servers.stop()


def wait_for_answer(alias: str) -> None:
    """Return when the server lets us in; PostgreSQL opens its port some time before."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            return connections[alias].ensure_connection()
        except OperationalError:
            time.sleep(0.05)
    raise TimeoutError(alias)


@both_sites
def test_a_restart_under_load_signs_nobody_out(own, site):
    """kill -9 and a new start: 503 meanwhile, every browser keeps its session."""
    alias, servers = own
    User.objects.create_user("ann")
    clients = [browser() for _ in range(6)]
    for client in clients:
        assert client.get("/login/").status_code == 200
        client.start_key = key_of(client)
    progress = [0] * len(clients)
    restarted = threading.Event()

    def load(number):
        client, seen, after = clients[number], [], 0
        deadline = time.monotonic() + 100
        while after < 10 and time.monotonic() < deadline:
            status = client.get(f"/write/?value={len(seen)}").status_code
            close_old_connections()
            seen.append(status)
            progress[number] += 1
            after += status == 200 and restarted.is_set()
        return seen

    outcomes = []
    loads = [partial(load, number) for number in range(len(clients))]
    crowd = threading.Thread(target=lambda: outcomes.extend(run_together(loads, seconds=120)))
    crowd.start()
    while min(progress) < 5 and crowd.is_alive():
        time.sleep(0.01)
    # In this thread: a server ends with the thread that has started it.
    servers.kill_and_restart()
    restarted.set()
    crowd.join()
    seen = [status for outcome in outcomes for status in outcome]
    failures = [status for status in seen if status != 200]
    assert failures, "nobody noticed the restart"
    close_old_connections()
    kept = sum(
        key_of(client) == client.start_key and client.get("/read/").json()["user"] is not None
        for client in clients
    )
    statuses = ", ".join(map(str, sorted(set(failures))))
    note(
        "restart",
        site,
        alias.removeprefix("own_"),
        f"{kept} of {len(clients)} still signed in; errors meanwhile: {statuses}",
    )
    if site is OURS:
        assert kept == len(clients)
        assert set(failures) <= {503}
