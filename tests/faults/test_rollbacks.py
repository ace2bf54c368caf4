"""Requests whose transaction is rolled back: a logout is final, a new key is not lost."""

from collections.abc import Iterator

import pytest
from django.db import connections

from tests.faults.figures import note, share
from tests.faults.sites import EVERY, ask, browser, key_of, user_of

each_store = pytest.mark.parametrize("site", EVERY, indirect=True)
both_servers = pytest.mark.parametrize("server", ["WSGI", "ASGI"])
TIMES = [10, pytest.param(100, marks=pytest.mark.soak)]


@pytest.fixture
def atomic_requests(database: str) -> Iterator[None]:
    """Each view runs in a transaction of the alias that holds the sessions."""
    connections.settings[database]["ATOMIC_REQUESTS"] = True
    yield
    connections.settings[database]["ATOMIC_REQUESTS"] = False


@each_store
@both_servers
@pytest.mark.parametrize("times", TIMES)
def test_a_logout_is_final_though_the_view_fails(
    database, site, signed_in, atomic_requests, server, times
):
    """The rollback brings the row back; after the response it is gone again."""
    accepted = 0
    for _ in range(times):
        client = signed_in()
        key = key_of(client)
        response = ask(client, server, "/logout/?fail")
        assert response.status_code == 500
        assert key_of(client) is None or not site.is_ours
        accepted += user_of(key) is not None
    note("rollback", site, f"{database}, {server}", f"{share(accepted, times)} accepted")
    if site.is_ours:
        assert accepted == 0


@each_store
@both_servers
@pytest.mark.parametrize("atomic", [False, True], ids=["autocommit", "atomic"])
@pytest.mark.parametrize("times", TIMES)
def test_after_an_error_page_the_browser_holds_a_working_key(
    request, database, site, user, server, atomic, times
):
    """Whether the new key was committed or rolled back (D16)."""
    if atomic:
        request.getfixturevalue("atomic_requests")
    working = 0
    for number in range(times):
        client = browser()
        client.get("/write/?value=mine")
        url = "/login/?fail" if number % 2 else "/cycle/?fail"
        assert ask(client, server, url).status_code == 500
        working += client.get("/read/").json()["value"] == "mine"
    case = "ATOMIC_REQUESTS" if atomic else "autocommit"
    note("broken-pages", site, f"{database}, {server}, {case}", share(working, times))
    if site.is_ours:
        assert working == times


def test_a_logout_in_a_block_that_rolls_back_is_final(database, site, signed_in):
    """An atomic() block of the view's own, and an answer of 200."""
    client = signed_in()
    key = key_of(client)
    assert client.get(f"/block/?alias={database}").status_code == 200
    assert user_of(key) is None
    assert site.rows().count() == 0


def test_a_revocation_that_rolls_back_is_repeated(database, site, signed_in, atomic_requests):
    """Another session, deleted by its key in a request that fails, is gone too."""
    mine, other = signed_in(), key_of(signed_in())
    assert mine.get(f"/end/?key={other}").status_code == 500
    assert user_of(other) is None
    assert user_of(key_of(mine)) is not None


@pytest.mark.only_on("mariadb", "mysql", "postgresql")
def test_an_alias_of_its_own_takes_no_part_in_the_rollback(database, site, signed_in):
    """Sessions in a database that no transaction of the view is about: always final."""
    connections.settings["default"]["ATOMIC_REQUESTS"] = True
    try:
        client = signed_in()
        key = key_of(client)
        assert client.get("/logout/?fail").status_code == 500
    finally:
        connections.settings["default"]["ATOMIC_REQUESTS"] = False
    assert site.rows().count() == 0
    assert user_of(key) is None
