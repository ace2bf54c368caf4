"""Each error code of each database, at the first statements of each verb."""

import time
from contextlib import ExitStack

import pytest
from django.db import DatabaseError, InterfaceError, connections

from sessionstore.core.keys import handle_of
from sessionstore.exceptions import SessionStoreUnavailable
from tests.faults.figures import note, share
from tests.faults.injection import (
    ALWAYS,
    FULL,
    LOST,
    PERMANENT,
    TRANSIENT,
    first_statements_fail,
)
from tests.faults.sites import WITH_TABLE, key_of, user_of
from tests.faults.verbs import matrix, summary

each_store = pytest.mark.parametrize("site", WITH_TABLE, indirect=True)


@each_store
def test_what_may_pass_is_repeated_until_it_does(database, site, signed_in):
    """Every verb succeeds when its first one or two statements fail, with any such code."""
    outcomes = matrix(TRANSIENT[connections[database].vendor], database, signed_in, site)
    note("transient", site, database, summary(outcomes))
    if site.is_ours:
        assert {key: value for key, value in outcomes.items() if value != "right"} == {}


@each_store
@pytest.mark.only_on("mariadb", "mysql", "postgresql")
def test_what_needs_a_new_connection_is_repeated_on_one(database, site, signed_in):
    """The same for the codes that tell of a lost connection."""
    outcomes = matrix(LOST[connections[database].vendor], database, signed_in, site)
    note("lost", site, f"{database}, each code", summary(outcomes))
    if site.is_ours:
        assert {key: value for key, value in outcomes.items() if value != "right"} == {}


@each_store
def test_permanent_errors_are_told_at_once(database, site, signed_in):
    """No second try, the database's own error, an error page, and nobody is signed out."""
    wrong = {}
    trials = 0
    for code in PERMANENT[connections[database].vendor]:
        for url in ("/read/", "/write/", "/cycle/", "/logout/"):
            client = signed_in()
            key = key_of(client)
            site.forget_cached()
            writes = url != "/read/"
            with first_statements_fail(database, code, ALWAYS, writes_only=writes) as injection:
                status = client.get(url).status_code
            trials += 1
            readable = key_of(client) == key and user_of(key) is not None
            outcome = (status, injection.fired, readable)
            if outcome != (500, 1, True):
                wrong[code, url] = outcome
    statuses = sorted({outcome[0] for outcome in wrong.values()})
    others = f" (else {', '.join(map(str, statuses))})" if wrong else ""
    note("permanent", site, database, share(trials - len(wrong), trials) + others)
    if site.is_ours:
        assert wrong == {}


@pytest.mark.only_on("mariadb", "mysql", "postgresql")
@pytest.mark.parametrize("url", ["/read/", "/write/", "/cycle/", "/logout/", "/broken/"])
def test_a_server_that_is_full_is_asked_twice(database, site, signed_in, url):
    """Not now is no error of ours: 503 at the second try, and nobody is signed out."""
    seen = {}
    for code in FULL[connections[database].vendor]:
        client = signed_in()
        key = key_of(client)
        with first_statements_fail(database, code, ALWAYS) as injection:
            seen[code] = client.get(url).status_code, injection.fired
        assert key_of(client) == key
        assert user_of(key) is not None
    assert set(seen.values()) == {(503, 2)}


@pytest.mark.only_on("mariadb", "mysql", "postgresql")
def test_a_server_that_has_room_again_answers(database, site, signed_in):
    """The second try finds it."""
    for code in FULL[connections[database].vendor]:
        client = signed_in()
        with first_statements_fail(database, code, 1) as injection:
            assert client.get("/write/").json()["value"] == "new"
        assert injection.fired == 1


def test_the_stores_own_error_is_the_databases(database, site, signed_in):
    """Who saves by hand sees the real error, with its code, and never "session was deleted"."""
    session = site.store(key_of(signed_in()))
    session["a"] = 2
    code = PERMANENT[connections[database].vendor][0]
    with (
        first_statements_fail(database, code, ALWAYS) as injection,
        pytest.raises((DatabaseError, InterfaceError)),
    ):
        session.save()
    assert injection.fired == 1


@each_store
def test_giving_up_is_quick_and_told_once(database, site, signed_in, caplog):
    """A database that always fails: 503 within 2.2 s, 5 tries at most, one error record."""
    vendor = connections[database].vendor
    worst = 0.0
    seen = []
    for code in [*TRANSIENT[vendor], *LOST[vendor][:2]]:
        for url in ("/broken/", "/write/", "/cycle/", "/logout/"):
            client = signed_in()
            key = key_of(client)
            site.forget_cached()
            caplog.clear()
            writes = url != "/broken/"
            with first_statements_fail(database, code, ALWAYS, writes_only=writes) as injection:
                started = time.monotonic()
                response = client.get(url)
                worst = max(worst, time.monotonic() - started)
            records = [r for r in caplog.records if r.name == "sessionstore" and r.levelno == 40]
            kept = key_of(client) == key and user_of(key) is not None
            tries = 1 <= injection.fired <= 5
            seen.append((response.status_code, kept, tries and len(records) == 1))
            if site.is_ours:
                assert seen[-1] == (503, True, True), (code, url, injection.fired)
                assert response["Retry-After"] == "5"
                assert not response.cookies
    good = sum(status == 503 and kept for status, kept, _ in seen)
    statuses = sorted({status for status, _, _ in seen})
    note(
        "always",
        site,
        database,
        f"{share(good, len(seen))} end as 503 (statuses "
        f"{', '.join(map(str, statuses))}), at most {worst:.2f} s",
    )
    if site.is_ours:
        assert worst < 2.2


def test_records_name_the_session_by_its_handle_only(database, site, signed_in, caplog):
    """A record carries the code and the handle, once it is known; never the key or the digest."""
    caplog.set_level("DEBUG", logger="sessionstore")
    client = signed_in()
    key = key_of(client)
    row, code = site.model.objects.by_key(key).get(), TRANSIENT[connections[database].vendor][0]
    with first_statements_fail(database, code, ALWAYS):
        client.get("/read/")
    read = [r.getMessage() for r in caplog.records if r.name == "sessionstore"]
    caplog.clear()
    with first_statements_fail(database, code, ALWAYS, writes_only=True):
        client.get("/write/")
    written = [r.getMessage() for r in caplog.records if r.name == "sessionstore"]
    assert len(read) == 3  # two repeated tries of a read, and giving up
    assert all(text.endswith("session -") for text in read)
    assert len(written) == 5
    assert all(text.endswith(f"session {row.handle}") for text in written)
    secrets = [key, bytes(row.digest).hex(), handle_of(bytes(row.digest))]
    assert [one for one in secrets if one in "".join(read + written)] == []


@pytest.mark.only_on("mariadb", "mysql", "postgresql")
def test_records_of_a_locked_row_name_the_session_too(database, site, signed_in, caplog):
    """A change that others keep overtaking locks the row in the end: there the fault is."""
    key = key_of(signed_in())
    row, code = site.model.objects.by_key(key).get(), TRANSIENT[connections[database].vendor][0]
    overtaken = []

    def change(session):
        theirs = site.store(key)
        theirs["theirs"] = session["ours"] = len(overtaken)
        theirs.save()
        overtaken.append(True)
        if len(overtaken) == 2:
            stack.enter_context(first_statements_fail(database, code, ALWAYS, reads_only=True))

    with ExitStack() as stack, pytest.raises(SessionStoreUnavailable):
        site.store(key).transact(change)
    records = [r.getMessage() for r in caplog.records if r.name == "sessionstore"]
    assert [text.endswith(f"session {row.handle}") for text in records] == [True]


def test_a_view_that_gives_up_costs_no_further_tries(database, site, signed_in):
    """The page asks six times; the database is asked three times, in the first."""
    client = signed_in()
    code = TRANSIENT[connections[database].vendor][0]
    with first_statements_fail(database, code, ALWAYS) as injection:
        assert client.get("/broken/").status_code == 503
    assert injection.fired == 3


def test_clearing_deletes_what_has_expired_long_ago_only(database, site, clock):
    """The grace of ten minutes."""
    session = site.store()
    session.set_expiry(60)
    session.create()
    clock.advance(minutes=10)
    assert site.store.clear_expired() == 0
    clock.advance(minutes=2)
    assert site.store.clear_expired() == 1
