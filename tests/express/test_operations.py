"""The commands of operation on a table that belongs to Express."""

import json
from itertools import count

import pytest

from sessionstore.backends.express import SessionStore
from sessionstore.express.store import ExpressStore
from sessionstore.users import mass_revocation
from tests.harness.commands import run
from tests.harness.statements import record_statements


@pytest.fixture
def table(database, shared_table, clock) -> str:
    """Three sessions that have ended, and two that have not."""
    name = shared_table(mark=True)
    for _ in range(3):
        stored()
    clock.advance(days=2)
    for _ in range(2):
        stored()
    return name


def stored() -> None:
    session = SessionStore()
    session["colour"] = "green"
    session.set_expiry(86_400)
    session.save()


@pytest.mark.only_on("sqlite", "mariadb")
def test_expired_sessions_are_cleared(table):
    """Also when the site's own engine is another one."""
    assert "Would delete 3 expired sessions" in run(
        "clearsessions", "--engine=express", "--dry-run"
    )
    assert "Deleted 3 expired sessions" in run("clearsessions", "--batch-size=2")
    assert SessionStore.get_table().count() == 2


@pytest.mark.only_on("sqlite", "mariadb")
def test_statistics_count_what_the_table_tells(table):
    """It knows the ends of sessions, and nothing else."""
    told = json.loads(run("sessionstats", "--json"))
    counts = {"live": {"value": 2, "is_exact": True}, "expired": {"value": 3, "is_exact": True}}
    counts["clearable"] = counts["expired"]
    assert (told["table"], told["counts"]) == (table, counts)
    assert "live              2" in run("sessionstats")


@pytest.mark.only_on("sqlite", "mariadb")
def test_all_sessions_end(table):
    """For that no column is needed."""
    assert run("revokesessions", "--all", "--no-input") == "Ended 2 sessions of everybody.\n"
    assert SessionStore.get_table().count() == 0


@pytest.mark.only_on("sqlite", "mariadb")
def test_visitors_who_come_meanwhile_do_not_make_it_endless(table):
    """Their sessions cannot be told from older ones, so the passes are counted."""
    visits = count()

    def visit(_: int) -> None:
        assert next(visits) < 200
        stored()

    which = mass_revocation.all_until_now(SessionStore())
    assert mass_revocation.revoke(SessionStore(), which, on_batch=visit).rows >= 2


@pytest.mark.parametrize("minutes", [-10, 10])
def test_all_sessions_end_whatever_the_clock_of_this_host_says(table, clock, minutes):
    """One that ends soon is over by a clock that is ahead, and opens on the other hosts."""
    run("revokesessions", "--all", "--no-input")
    session = SessionStore()
    session.set_expiry(300)
    session.save()
    clock.advance(minutes=minutes)
    assert run("revokesessions", "--all", "--no-input") == "Ended 1 session of everybody.\n"
    clock.advance(minutes=-minutes)
    assert SessionStore(session.session_key).load() == {}


@pytest.mark.only_on("sqlite", "mariadb")
def test_ending_all_sessions_reads_none_of_them(table):
    """Their ids are enough."""
    with record_statements() as seen:
        run("revokesessions", "--all", "--no-input")
        assert ExpressStore().clear() == 0
    assert not [sql for sql in seen.about(table) if sql.startswith("SELECT") and "data" in sql]
