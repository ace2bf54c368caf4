"""A database that is killed and started again under load."""

import contextlib
import threading
import time
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.db import close_old_connections

from tests.faults.express_sites import CONNECT_PG, EXPRESS_MYSQL, ExpressSite
from tests.faults.figures import note
from tests.faults.sites import WITH_TABLE, compared
from tests.harness.threads import run_together

pytestmark = pytest.mark.django_db(transaction=True, databases=["default"])
each_store = pytest.mark.parametrize(
    "site", [*WITH_TABLE, *compared(EXPRESS_MYSQL, CONNECT_PG)], indirect=True
)


@each_store
def test_a_restart_under_load_signs_nobody_out(own, site, tmp_path):
    """kill -9 and a new start: 503 meanwhile, every browser keeps its session."""
    alias, servers = own
    with contextlib.ExitStack() as stack:
        if not isinstance(site, ExpressSite):
            User.objects.create_user("ann")
        elif alias.removeprefix("own_") in site.databases:
            stack.enter_context(site.served(alias, tmp_path / "express.log"))
        else:
            return  # a store of another database
        restart_under_load(alias, servers, site)


def restart_under_load(alias, servers, site):
    """Kill and restart the server while six browsers write."""
    clients = [site.browser() for _ in range(6)]
    for client in clients:
        assert client.get("/login/").status_code == 200
        client.old_key = site.key_of(client)
    progress = [0] * len(clients)
    noticed, restarted = threading.Event(), threading.Event()

    def load(number):
        client, seen, after = clients[number], [], 0
        deadline = time.monotonic() + 100
        while after < 10 and time.monotonic() < deadline:
            status = client.get(f"/write/?value={len(seen)}").status_code
            close_old_connections()
            seen.append(status)
            if status != 200:
                noticed.set()
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
    servers.kill_and_restart(meanwhile=lambda: noticed.wait(60))
    restarted.set()
    crowd.join()
    seen = [status for outcome in outcomes for status in outcome]
    failures = [status for status in seen if status != 200]
    assert failures, "nobody noticed the restart"
    close_old_connections()
    kept = sum(
        site.key_of(client) == client.old_key and client.get("/read/").json()["user"] is not None
        for client in clients
    )
    statuses = ", ".join(map(str, sorted(set(failures))))
    note(
        "restart",
        site,
        alias.removeprefix("own_"),
        f"{kept} of {len(clients)} still signed in; errors meanwhile: {statuses}",
    )
    if site.is_ours:
        assert kept == len(clients)
        assert set(failures) <= {503}
