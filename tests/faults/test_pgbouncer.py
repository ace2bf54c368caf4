"""PgBouncer, which lends a connection for a transaction, or for one statement."""

import shutil
from collections.abc import Iterator
from functools import partial

import pytest
from django.core.checks import run_checks
from django.db import connections

from sessionstore.exceptions import SessionStoreUnavailable
from tests.faults.conftest import another_alias
from tests.faults.figures import note
from tests.faults.sites import OURS, browser, key_of, user_of
from tests.harness import pgbouncer
from tests.harness.databases import running
from tests.harness.missing import give_up
from tests.harness.process import private_folder
from tests.harness.servers import ServerMissingError
from tests.harness.threads import run_together

pytestmark = [pytest.mark.only_on("postgresql")]
# About the database: W040 to W046, and about who stands before it.
ABOUT = {f"sessionstore.W{number:03}" for number in (*range(40, 47), 93, 98)}


@pytest.fixture
def pooled(request, database, site, settings) -> Iterator[str]:
    """The alias of the sessions behind a pool of four connections."""
    folder, server = private_folder(in_memory=True), running().ports["postgresql"]
    try:
        pool = pgbouncer.start(folder, server=server, mode=request.param)
    except ServerMissingError as error:
        give_up(str(error))
    wanted = {**pool.settings(), "NAME": connections[database].settings_dict["NAME"]}
    try:
        with another_alias(database, "pooled", replace=wanted) as alias:
            settings.SESSIONSTORE_DATABASE = alias
            yield alias
    finally:
        pool.process.stop()
        shutil.rmtree(folder)


def told(alias: str) -> set[str]:
    """Return the ids of what the checks say of an alias."""
    found = run_checks(include_deployment_checks=True, databases=[alias])
    return {message.id for message in found} & ABOUT


@pytest.mark.parametrize("pooled", ["transaction"], indirect=True)
def test_a_pool_of_transactions_loses_nothing(pooled, signed_in):
    """Twelve requests on four connections change one session; the settings of the page pass."""
    client = signed_in()
    assert client.get("/cycle/").status_code == 200
    key = key_of(client)
    urls = [f"/write/?key=k{number}" for number in range(12)]
    answers = run_together([partial(browser(key=key).get, url) for url in urls])
    assert [answer.status_code for answer in answers] == [200] * 12
    kept = {f"k{number}" for number in range(12)} & set(OURS.store(key).keys())
    assert len(kept) == 12
    note("pools", OURS, "PgBouncer, transactions, 12 at once", f"{len(kept)} of 12 changes kept")
    assert told(pooled) == set()
    assert client.get("/logout/").status_code == 200
    assert user_of(key) is None


@pytest.mark.parametrize("pooled", ["statement"], indirect=True)
def test_a_pool_of_statements_is_told(pooled, signed_in):
    """W093: requests one after the other go well, and who is overtaken twice needs a lock."""
    client = signed_in()
    key = key_of(client)
    assert client.get("/read/").json()["value"] == "old"
    assert told(pooled) == {"sessionstore.W093"}
    met = []

    def overtaken(session):
        met.append(1)
        session["late"] = 1
        assert client.get(f"/write/?key=k{len(met)}").status_code == 200

    with pytest.raises(SessionStoreUnavailable):
        OURS.store(key).transact(overtaken)
    assert client.get("/read/").json()["value"] == "old"
    assert {"k1", "k2"} < set(OURS.store(key).keys())
    assert "late" not in OURS.store(key)
    part = "PgBouncer, statements, a change that is overtaken twice"
    note("pools", OURS, part, f"503 after {len(met)} runs; session and change kept")
