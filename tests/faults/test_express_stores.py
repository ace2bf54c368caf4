# ruff: noqa: S608 - the names are those of the stores' own tables
"""The faults of this folder on two stores of express-session, through HTTP."""

import contextlib
import random
import threading
import time
from functools import partial
from itertools import islice
from urllib.parse import unquote

import pytest
from django.db import DatabaseError, connections

from tests.faults.express_sites import CONNECT_PG, EXPRESS_MYSQL, NAME, sid_of
from tests.faults.figures import note, share
from tests.faults.injection import LOST, TRANSIENT
from tests.faults.test_cookies import variants
from tests.faults.test_damaged_rows import as_text, mutants
from tests.faults.verbs import summary
from tests.harness.threads import run_together

pytestmark = [pytest.mark.soak]
CASES = [
    pytest.param("mariadb", EXPRESS_MYSQL, id="express-mysql"),
    pytest.param("postgresql", CONNECT_PG, id="connect-pg"),
]
each_store = pytest.mark.parametrize(("database", "store"), CASES, indirect=["database"])


@pytest.fixture
def express(database, store, tmp_path):
    """A store of Express on its database."""
    with store.served(database, tmp_path / "express.log"):
        yield store


def signed_in(store):
    """Return a browser in which somebody is signed in, and a value is set."""
    client = store.browser()
    assert client.get("/login/").status_code == 200
    assert client.get("/write/?value=old").status_code == 200
    client.old_key = client.key
    return client


HEAD = "CREATE TRIGGER fault_{verb} BEFORE {verb} ON {table} FOR EACH ROW"
MYSQL = (
    HEAD
    + """
    IF (SELECT times FROM faults) > 0 THEN
        UPDATE faults SET times = times - 1;
        {action};
    END IF"""
)
POSTGRES = """CREATE OR REPLACE FUNCTION fault() RETURNS trigger AS $$ BEGIN
    IF nextval('faults') < 0 THEN {action}; END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END; END $$ LANGUAGE plpgsql"""


@contextlib.contextmanager
def writes_fail(store, code):
    """Let triggers refuse writes with a code, or kill the connection; yields how to arm them."""
    postgres = connections[store.alias].vendor == "postgresql"
    if postgres:
        action = f"RAISE EXCEPTION USING ERRCODE = '{code}', MESSAGE = 'injected'"
        action = "PERFORM pg_terminate_backend(pg_backend_pid())" if code is None else action
        store.sql("CREATE SEQUENCE faults MINVALUE -1000000000 START 1")
        store.sql(POSTGRES.format(action=action))
    else:
        action = f"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {code}, MESSAGE_TEXT = 'injected'"
        action = "KILL CONNECTION_ID()" if code is None else action
        store.sql("CREATE TABLE faults (times INT) ENGINE = MyISAM")
        store.sql("INSERT INTO faults VALUES (0)")
    for verb in ("INSERT", "UPDATE", "DELETE"):
        text = f"{HEAD} EXECUTE FUNCTION fault()" if postgres else MYSQL
        store.sql(text.format(verb=verb, table=store.table, action=action))

    def arm(times):
        if postgres:
            store.sql(f"SELECT setval('faults', {-times - 1 if times else 1})")
        else:
            store.sql(f"UPDATE faults SET times = {times}")

    def left():
        if postgres:
            return max(0, -store.sql("SELECT last_value FROM faults")[0][0] - 1)
        return store.sql("SELECT times FROM faults")[0][0]

    try:
        yield arm, left
    finally:
        arm(0)
        for verb in ("INSERT", "UPDATE", "DELETE"):
            store.sql(f"DROP TRIGGER fault_{verb}" + (f" ON {store.table}" if postgres else ""))
        store.sql("DROP SEQUENCE faults" if postgres else "DROP TABLE faults")


def is_right(store, verb, client):
    """Tell whether what was asked for has come to pass."""
    if verb in {"load", "write"}:
        value = "old" if verb == "load" else "new"
        return client.get("/read/").json()["value"] == value
    if verb == "logout":
        return store.user_of(client.old_key) is None
    if verb == "login":
        return store.user_of(client.key) is not None
    gone = store.user_of(client.old_key) is None
    return client.key != client.old_key and store.user_of(client.key) is not None and gone


URLS = {"load": "/read/", "write": "/write/", "logout": "/logout/", "cycle": "/cycle/"}


@each_store
def test_writes_that_may_pass(database, express):
    """The first one or two writes of each verb are refused with each transient code."""
    outcomes = {}
    for code in TRANSIENT[connections[database].vendor]:
        with writes_fail(express, code) as (arm, left):
            for verb in ("write", "logout", "cycle", "login"):
                for times in (1, 2):
                    outcomes[code, verb, times] = trial(express, verb, partial(arm, times), left)
    note("transient", express, f"{database}, writes", summary(outcomes))
    assert outcomes


def trial(store, verb, arm, left):
    """Do it once under the fault; return "right", or what went wrong."""
    client = store.browser() if verb == "login" else signed_in(store)
    arm()
    before = left()
    status = client.get(URLS.get(verb, "/login/")).status_code
    assert left() < before, "the fault was not injected"
    arm.func(0)
    if status != 200:
        return str(status)
    return "right" if is_right(store, verb, client) else "wrong"


@each_store
def test_a_write_whose_connection_is_killed(database, express):
    """By a trigger, in the middle of it."""
    outcomes = {}
    with writes_fail(express, None) as (arm, left):
        for verb in ("write", "logout", "cycle", "login"):
            for number in range(5):
                outcomes[verb, number] = trial(express, verb, partial(arm, 1), left)
    note("lost", express, f"{database}, killed in the middle of a write", summary(outcomes))
    assert outcomes


@each_store
def test_connections_that_are_killed_between_two_requests(database, express):
    """All of the pool, as by a restart of a proxy or a timeout of the server."""
    outcomes = {}
    for verb in ("load", "write", "logout", "cycle", "login"):
        for number in range(4):
            client = store_browser = express.browser() if verb == "login" else signed_in(express)
            assert kill_all(database) >= 1
            status = client.get(URLS.get(verb, "/login/")).status_code
            right = status == 200 and is_right(express, verb, store_browser)
            outcomes[verb, number] = "right" if right else str(status)
    note("lost", express, f"{database}, killed between two requests", summary(outcomes))
    assert outcomes


def kill_all(database) -> int:
    """End the connections of everybody else; return how many."""
    connection = connections[database]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            return cursor.fetchone()[0]
        cursor.execute(
            "SELECT id FROM information_schema.processlist "
            "WHERE db = DATABASE() AND id <> CONNECTION_ID()"
        )
        ids = [row[0] for row in cursor.fetchall()]
        for one in ids:
            cursor.execute(f"KILL {one}")
        return len(ids)


@each_store
def test_writes_that_always_fail(database, express):
    """How it gives up."""
    seen, worst = [], 0.0
    vendor = connections[database].vendor
    codes = [*TRANSIENT[vendor], *[c for c in LOST[vendor] if str(c)[0] != "2" or c == "25006"][:2]]
    for code in codes:
        with writes_fail(express, code) as (arm, left):
            for url in ("/write/", "/cycle/", "/logout/"):
                client = signed_in(express)
                arm(10**6)
                started = time.monotonic()
                status = client.get(url).status_code
                worst = max(worst, time.monotonic() - started)
                assert left() < 10**6, "the fault was not injected"
                arm(0)
                kept = express.user_of(client.old_key) is not None
                seen.append((status, kept and client.key == client.old_key))
    good = sum(status == 503 and kept for status, kept in seen)
    statuses = ", ".join(map(str, sorted({status for status, _ in seen})))
    kept = sum(kept for _, kept in seen)
    figure = f"{share(good, len(seen))} end as 503 (statuses {statuses}), at most {worst:.2f} s"
    note("always", express, database, f"{figure}; {kept} keep cookie and session")
    assert len(seen) == 3 * len(codes)


@each_store
def test_after_an_error_page_the_browser_holds_a_working_key(database, express):
    """A page that fails after a login, and after a new id."""
    working = 0
    for number in range(100):
        client = signed_in(express)
        url = "/login/?fail" if number % 2 else "/cycle/?fail"
        assert client.get(url).status_code == 500
        page = client.get("/read/").json()
        working += page["user"] is not None if number % 2 else page["value"] == "old"
    note("broken-pages", express, database, share(working, 100))
    assert client.key


@each_store
def test_made_up_cookies(database, express):
    """As those that are tried on the engines."""
    luck = random.Random(3)  # noqa: S311 - the same cookies each time
    client = signed_in(express)
    logins = errors = asked = 0
    stranger = express.browser()
    # `%3a` for `%3A` is the same cookie.
    made_up = (one for one in variants(client.key, luck) if unquote(one) != unquote(client.key))
    for value in islice(made_up, 10_000):
        header = f"{NAME}={value}".encode("utf-8", "surrogatepass")
        before = stranger.get("/queries/").json()["queries"]
        try:
            answer = stranger.get("/read/", cookie=header)
        except ValueError:
            continue  # what no client can send
        errors += answer.status_code >= 500
        logins += answer.status_code == 200 and answer.json()["user"] is not None
        asked += stranger.get("/queries/").json()["queries"] > before
    figure = f"{errors} error pages, {logins} logins, SQL for {asked} of 10000"
    note("cookies", express, database, figure)
    assert express.user_of(client.key) is not None


@each_store
def test_a_damaged_row(database, express):
    """What the column can hold of the damages that are tried on the engines."""
    luck = random.Random(5)  # noqa: S311 - the same damages each time
    client, other = signed_in(express), signed_in(express)
    sid, _, data = express.columns
    where = f"FROM {express.table} WHERE {sid} = %s"
    blobs = [str_of(express, data, where, one).encode() for one in (client, other)]
    exceptions = filled = tried = 0
    slowest = 0.0
    hostile = [b"[]", b"1", b"null", b"{}", b'{"user": "1"}', b'{"cookie": 1, "user": "1"}']
    for mutant in islice([*hostile, *islice(mutants(*blobs, luck), 2_000)], 2_000):
        text = mutant.decode() if mutant in hostile else as_text(mutant)
        if len(text) > 1_000_000:
            continue
        express.sql(f"DELETE {where}", [sid_of(client.key)])
        try:
            put(express, sid_of(client.key), text)
        except DatabaseError:
            continue  # the column takes JSON only
        tried += 1
        started = time.monotonic()
        answer = express.browser(key=client.key).get("/read/")
        slowest = max(slowest, time.monotonic() - started)
        exceptions += answer.status_code >= 500
        filled += answer.status_code == 200 and answer.json()["user"] is not None
    ms = slowest * 1000
    figure = f"{exceptions} exceptions, {filled} not empty of {tried}, at most {ms:.0f} ms"
    note("rows", express, database, figure)
    assert tried


def str_of(store, data, where, client) -> str:
    """Return the content of a browser's row."""
    cast = f"CAST({data} AS {'TEXT' if store is CONNECT_PG else 'CHAR'})"
    return store.sql(f"SELECT {cast} {where}", [sid_of(client.key)])[0][0]


def put(store, sid, text) -> None:
    """Write a row by hand."""
    names = ", ".join(store.columns)
    expires = "now() + interval '1 day'" if store is CONNECT_PG else "UNIX_TIMESTAMP() + 86400"
    store.sql(f"INSERT INTO {store.table} ({names}) VALUES (%s, {expires}, %s)", [sid, text])


@each_store
def test_a_clean_up_under_writers(database, express):
    """5,000 expired rows, ten who work, two cleaners at once."""
    sid, expires, data = express.columns
    numbers = {
        "mariadb": "SELECT CONCAT('x', seq), 1, REPEAT('x', 200) FROM seq_1_to_5000",
        "postgresql": "SELECT 'x' || n, to_timestamp(1), to_json(repeat('x', 200)) "
        "FROM generate_series(1, 5000) n",
    }[database]
    clients = [signed_in(express) for _ in range(10)]
    express.sql(f"INSERT INTO {express.table} ({sid}, {expires}, {data}) {numbers}")
    cleaned, seen = threading.Event(), []

    def write(client):
        number = 0
        while not cleaned.wait(0.25) or number < 2:
            number += 1
            started = time.monotonic()
            status = client.get(f"/write/?value={number}").status_code
            seen.append((time.monotonic() - started, status))

    started = time.monotonic()

    def clean():
        assert express.browser().get("/clean/").status_code == 200
        cleaned.set()

    outcomes = run_together([*(partial(write, one) for one in clients), clean, clean])
    assert outcomes == [None] * 12
    left = express.sql(f"SELECT COUNT(*) FROM {express.table}")[0][0]
    failed = sum(status != 200 for _, status in seen)
    worst = max(taken for taken, _ in seen) * 1000
    note(
        "cleaning",
        express,
        f"{database}, 5,000 rows, 10 writers",
        f"{failed} of {len(seen)} writes failed, worst {worst:.0f} ms, "
        f"cleaned in {time.monotonic() - started:.0f} s",
    )
    assert left == len(clients)
