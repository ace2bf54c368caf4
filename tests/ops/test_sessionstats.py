"""The command that tells how many sessions there are, and what they are like."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from django.core.management import CommandError
from django.db import connections, transaction

from sessionstore.backends.sql import SessionStore
from sessionstore.core import expiry
from sessionstore.core.codec import ENCRYPTED, SEALED
from sessionstore.table import statistics
from tests.harness import commands
from tests.harness.statements import record_statements
from tests.ops.rows import add_rows

HOUR_AGO, IN_AN_HOUR = -3600, 3600
run = partial(commands.run, "sessionstats")


def counts(*arguments: str) -> dict[str, tuple[int, bool]]:
    told = json.loads(run("--json", *arguments))["counts"]
    return {name: (figure["value"], figure["is_exact"]) for name, figure in told.items()}


@pytest.fixture
def rows(database) -> None:
    """Six live rows, two of them Ann's and one Bob's, and four that have ended."""
    data = bytes([SEALED]) + b"x" * 99
    add_rows(2, expires_in_s=IN_AN_HOUR, alias=database, user_id="ann", data=data)
    add_rows(1, expires_in_s=IN_AN_HOUR, alias=database, user_id="bob", data=data)
    add_rows(3, expires_in_s=IN_AN_HOUR, alias=database, data=bytes([ENCRYPTED]) + b"x" * 299)
    add_rows(4, expires_in_s=HOUR_AGO, alias=database, user_id="ann", version=7, data=data)


HOSTILE = "ann\x1b]0;owned\x07\x9b2J\x7f\u202e\u2028\nlive 0"


@pytest.mark.only_on("sqlite")
def test_a_user_key_cannot_steer_the_terminal(database):
    """What cannot be printed is replaced, in words; JSON escapes it and keeps it exact."""
    add_rows(1, expires_in_s=IN_AN_HOUR, alias=database, user_id=HOSTILE)
    line = run().split("users with most live sessions\n")[1]
    assert line == "  ann?]0;owned??2J????live 0 1\n"
    as_json = run("--json")
    assert as_json.rstrip("\n").isprintable()
    assert json.loads(as_json)["top_users"] == [[HOSTILE, 1]]


def test_a_small_table_is_counted(database, rows):
    """Every row is looked at, so every number is exact."""
    assert counts() == {
        "rows": (10, True),
        "live": (6, True),
        "signed_in": (3, True),
        "anonymous": (3, True),
        "expired": (4, True),
        "bound": (0, True),
        "clearable": (4, True),
    }


def test_json_has_all_the_rest(database, rows):
    """Sizes in bytes, ages in seconds, the users with most live sessions."""
    told = json.loads(run("--json"))
    assert told["data_bytes"] == {"median": 100, "p95": 300, "largest": 300}
    assert told["age_s"]["median"] in range(3600, 3700)
    assert told["unused_s"]["largest"] in range(3600, 3700)
    assert told["writes"] == {"median": 1, "p95": 7, "largest": 7}
    assert told["formats"] == {"sealed": 7, "encrypted": 3}
    assert told["top_users"] == [["ann", 2], ["bob", 1]]
    assert told["oldest_end"].startswith("20")
    assert told["database"] == database


def test_the_report_reads_well(database, rows):
    """Numbers that were counted stand alone; nothing is "about"."""
    lines = run().splitlines()
    assert "rows              10" in lines
    assert "    signed in     3" in lines
    assert "data              median 100 bytes, 95 % up to 300 bytes, most 300 bytes" in lines
    assert "formats           70 % sealed, 30 % encrypted" in lines
    assert "  ann             2" in lines
    assert "about" not in run()[run().index("rows") :]


def test_a_large_table_is_estimated_from_a_sample(database, monkeypatch):
    """It says so, reads no more rows than the sample, and is right within its error."""
    monkeypatch.setattr(statistics, "SAMPLE", 400)
    add_rows(2500, expires_in_s=IN_AN_HOUR, alias=database, user_id="ann")
    add_rows(2500, expires_in_s=HOUR_AGO, alias=database)
    found = counts()
    total, is_exact = found["rows"]
    assert not is_exact
    # Five standard deviations: wrong once in a million runs.
    assert 5000 * 0.75 < total < 5000 * 1.25
    assert abs(found["live"][0] / total - 0.5) < 0.125
    assert "rows              about " in run()
    assert '"about" is estimated from 400 rows; --exact counts.' in run()


def test_top_users_of_a_sample_are_counted_by_their_index(database, monkeypatch):
    """The sample only says whom to count; what has ended counts too, and nobody for ever."""
    monkeypatch.setattr(statistics, "SAMPLE", 100)
    monkeypatch.setattr(statistics, "COUNTED", 400)
    add_rows(390, expires_in_s=IN_AN_HOUR, alias=database, user_id="ann")
    add_rows(9, expires_in_s=HOUR_AGO, alias=database, user_id="ann")
    assert "users with most sessions\n  ann             399\n  (of the users" in run()
    add_rows(9, expires_in_s=HOUR_AGO, alias=database, user_id="ann")
    assert "  ann             400 or more\n" in run()


@contextmanager
def reads_counted(alias: str) -> Iterator[dict[str, int]]:
    """Let the server count the rows and index entries that this connection reads."""
    connection, found = connections[alias], {"count": 0}
    counters = {
        "mysql": "SELECT SUM(variable_value) FROM {schema}.session_status "
        "WHERE variable_name LIKE 'Handler_read%%'",
        "postgresql": "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables "
        "WHERE relname = 'sessionstore_session'",
    }
    schema = "performance_schema" if alias == "mysql" else "information_schema"
    counter = counters[connection.vendor].format(schema=schema)

    def counted() -> int:
        cursor.execute(counter, [])
        return int(cursor.fetchone()[0])

    # PostgreSQL counts for a transaction, and its planner takes a small table for a short way.
    with transaction.atomic(alias), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        # To ask is counted too.
        first, second = counted(), counted()
        yield found
        found["count"] = counted() - second - (second - first)


LARGE = {"SAMPLE": 100, "READ": 40, "COUNTED": 150}


@pytest.fixture
def large(database, monkeypatch):
    """A table that is large beside the sample; most of it is one user's."""
    for name, most in LARGE.items():
        monkeypatch.setattr(statistics, name, most)
    add_rows(2500, expires_in_s=IN_AN_HOUR, alias=database, user_id="ann")
    add_rows(500, expires_in_s=HOUR_AGO, alias=database)


@pytest.mark.only_on("mariadb", "mysql", "postgresql")
def test_a_large_table_costs_no_more_than_its_sample(database, large):
    """The server counts what it reads, whoever has how many."""
    with reads_counted(database) as read:
        run()
    # And what ended first, a hundred rows of hers, whose they are; MySQL counts a count twice.
    assert sum(LARGE.values()) < read["count"] < 2 * sum(LARGE.values())


@pytest.mark.only_on("sqlite")
def test_each_statement_goes_by_an_index_as_far_as_it_needs(database, large):
    """None reads a table that is not in the order of an index, nor sorts it."""
    with record_statements() as seen:
        run()
    statements = [one for one in seen if "sessionstore_session" in one.sql]
    # Two more where the sample ends at the last digest, and goes on at the first.
    assert len(statements) in (5, 6, 7)
    with connections[database].cursor() as cursor:
        for one in statements:
            cursor.execute(f"EXPLAIN QUERY PLAN {one.sql}", one.params)
            plan = "; ".join(line[3] for line in cursor.fetchall())
            assert "SEARCH" in plan
            assert " INDEX " in plan
            # What is sorted is all read before; a DISTINCT of few is not.
            assert "ORDER BY" not in plan
            assert "LIMIT" in one.sql


def test_exact_counts_every_row(database, monkeypatch):
    """By a scan, for who can wait."""
    monkeypatch.setattr(statistics, "SAMPLE", 10)
    add_rows(30, expires_in_s=IN_AN_HOUR, alias=database)
    add_rows(20, expires_in_s=HOUR_AGO, alias=database)
    assert counts("--exact") == {
        "rows": (50, True),
        "live": (30, True),
        "signed_in": (0, True),
        "anonymous": (30, True),
        "expired": (20, True),
        "bound": (0, True),
        "clearable": (20, True),
    }


def test_an_empty_table_is_no_problem(database):
    """Zero everywhere, and nothing about sizes or ages."""
    assert counts()["rows"] == (0, True)
    assert "age" not in run().split()


@pytest.mark.only_on("sqlite")
def test_no_statement_reads_a_whole_table_or_any_data(database, rows):
    """Each is limited, or goes by an index."""
    with record_statements() as seen:
        run()
    for sql in seen.about("sessionstore_session"):
        assert "LIMIT" in sql
        whole = re.sub(r'(LENGTH|SUBSTR)\("sessionstore_session"."data"', "", sql)
        assert '"data"' not in whole


@pytest.mark.only_on("sqlite")
def test_top_limits_the_list(database, rows):
    """And must be a number."""
    assert json.loads(run("--json", "--top=1"))["top_users"] == [["ann", 2]]
    with pytest.raises(CommandError, match="'none' is not a whole number above 0"):
        run("--top=none")


@pytest.mark.only_on("sqlite")
def test_what_the_engine_writes_is_recognised(database, settings):
    """The formats are those of the codec, a large session is compressed."""
    settings.SESSIONSTORE_ENCRYPT = False
    for value in ("small", "large" * 1000):
        session = SessionStore()
        session["value"] = value
        session.save()
    assert json.loads(run("--json"))["formats"] == {"sealed": 1, "sealed, compressed": 1}


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7200, "2 h"), (172_800, "2 d")]
)
def test_ages_are_told_in_their_largest_unit(database, seconds, words):
    """Rounded down."""
    add_rows(
        1,
        expires_in_s=IN_AN_HOUR,
        alias=database,
        created_at=expiry.now_ms() - seconds * 1000,
        last_seen_at=expiry.now_ms() - seconds * 1000,
    )
    assert f"age               median {words}," in run()
