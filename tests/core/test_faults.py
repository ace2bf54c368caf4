"""What an error of a driver means, by its code."""

import pytest

from sessionstore.table.faults import Fault, classify, code_of, is_missing_table, is_taken_id


class PostgresError(Exception):
    """What psycopg raises, as far as anybody asks: a SQLSTATE and the constraint."""

    def __init__(self, sqlstate, constraint=None):
        super().__init__("the server's text")
        self.sqlstate = sqlstate
        self.diag = type("Diagnostic", (), {"constraint_name": constraint})


def yugabyte(text):
    """What psycopg raises of an error for which YugabyteDB had no code."""
    error = PostgresError("XX000")
    error.args = (text,)
    return error


class SqliteError(Exception):
    """What sqlite3 raises."""

    def __init__(self, code, text="the library's text"):
        super().__init__(text)
        self.sqlite_errorcode = code


def mysql_error(code):
    """What mysqlclient raises: the code is the first argument."""
    return Exception(code, "the server's text")


CODES = [
    (mysql_error, Fault.TRANSIENT, [1020, 1205, 1213, 3572]),
    (mysql_error, Fault.LOST, [1047, 1053, 1290, 1792, 1836, 1927]),
    (mysql_error, Fault.LOST, [2002, 2003, 2006, 2013, 2014, 2045, 2055, 4031]),
    (mysql_error, Fault.PERMANENT, [1021, 1030, 1062, 1114, 1142, 1146, 1153, 1317, 1406, 3024]),
    (PostgresError, Fault.TRANSIENT, ["40001", "40P01", "55P03"]),
    (PostgresError, Fault.LOST, ["08000", "08001", "08003", "08004", "08006", "08007", "08P01"]),
    (PostgresError, Fault.LOST, ["57P01", "57P02", "57P03", "57P05", "25P03", "25006"]),
    (
        PostgresError,
        Fault.PERMANENT,
        ["22001", "23505", "42501", "42P01", "53100", "57014", "XX000"],
    ),
    # SQLITE_BUSY and _LOCKED: plain, _RECOVERY, _SNAPSHOT, _TIMEOUT; plain, _SHAREDCACHE, _VTAB.
    (SqliteError, Fault.TRANSIENT, [5, 261, 517, 773, 6, 262, 518]),
    # _READONLY, _IOERR, _CORRUPT, _FULL, _CONSTRAINT and extended codes of them.
    (SqliteError, Fault.PERMANENT, [1, 8, 10, 266, 11, 13, 19, 1555, 2067]),
]


@pytest.mark.parametrize(
    ("maker", "code", "fault"),
    [(maker, code, fault) for maker, fault, codes in CODES for code in codes],
)
@pytest.mark.parametrize("is_wrapped", [False, True])
def test_what_a_code_means(maker, code, fault, is_wrapped):
    """As the driver raises it, and as Django wraps it in an error of its own."""
    cause = maker(code)
    error = cause
    if is_wrapped:
        error = Exception("Django's")
        error.__cause__ = cause
    assert (code_of(error), classify(error)) == (code, fault)


@pytest.mark.parametrize(
    ("error", "is_closed", "fault"),
    [
        (Exception(), True, Fault.LOST),
        (Exception("no code"), False, Fault.PERMANENT),
        (Exception(0, ""), True, Fault.LOST),
        (Exception(0, ""), False, Fault.PERMANENT),
        (mysql_error(1062), True, Fault.PERMANENT),
        (PostgresError("23505"), True, Fault.PERMANENT),
        (SqliteError(8), True, Fault.PERMANENT),
        (Exception("the connection is closed"), False, Fault.LOST),
        (Exception("server closed the connection unexpectedly"), False, Fault.LOST),
        (Exception("terminating connection due to administrator command"), False, Fault.LOST),
        (Exception("closed: password authentication failed"), False, Fault.PERMANENT),
        (Exception('closed: database "x" does not exist'), False, Fault.PERMANENT),
    ],
)
def test_an_error_without_a_code_is_a_loss_when_driver_or_text_say_so(error, is_closed, fault):
    """A code says more than the state of the connection, and a refusal is no loss."""
    assert classify(error, connection_closed=is_closed) == fault


def test_a_connection_that_libpq_calls_bad_is_lost():
    """psycopg reports a failed connect without a code."""
    error = Exception("no route to host")
    error.pgconn = type("PGconn", (), {"status": 1})
    assert classify(error) is Fault.LOST
    error.pgconn.status = 0
    assert classify(error) is Fault.PERMANENT


@pytest.mark.parametrize(
    ("error", "taken"),
    [
        (PostgresError("23505", "sessionstore_session_pkey"), True),
        (PostgresError("23505", "sessionstore_session_digest_key"), True),
        (PostgresError("23505", "sessionstore_session_badge_key"), False),
        (PostgresError("23505"), False),
        (PostgresError("23503", "sessionstore_session_pkey"), False),
        (SqliteError(1555), True),
        (SqliteError(2067, "UNIQUE constraint failed: sessionstore_session.digest"), True),
        (SqliteError(2067, "UNIQUE constraint failed: sessionstore_session.badge"), False),
        (SqliteError(1299, "NOT NULL constraint failed: sessionstore_session.digest"), False),
        (mysql_error(1586), False),
    ],
)
def test_a_taken_id_is_the_id_or_the_digest_and_nothing_else(error, taken):
    """A unique column of the site's own is an error that the site has to see."""
    assert is_taken_id(error) is taken


@pytest.mark.parametrize(
    ("error", "is_missing"),
    [
        (mysql_error(1146), True),
        (PostgresError("42P01"), True),
        (SqliteError(1, "no such table: sessionstore_session"), True),
        (SqliteError(1, "no such column: digest"), False),
        (mysql_error(1054), False),
    ],
)
def test_a_missing_table_is_told_from_other_errors(error, is_missing):
    """Whoever has forgotten `migrate` reads that, and nobody else does."""
    assert is_missing_table(error) is is_missing


# By engine: what its documentation or its source says; sessionstore/table/faults.py names them.
DISTRIBUTED = {
    "Group Replication": (
        mysql_error,
        {
            Fault.TRANSIENT: [1180, 3101],
            Fault.LOST: [3032, 3100, 3781, 3782, 3783, 3796, 3797, 3798, 3799, 6400],
            Fault.PERMANENT: [3098, 3784, 3795, 3800],
        },
    ),
    "TiDB": (
        mysql_error,
        {
            Fault.TRANSIENT: [8002, 8005, 8022, 8027, 8028, 9004, 9007],
            Fault.LOST: [8120, 9001, 9002, 9005],
            Fault.FULL: [9003, 9008],
            Fault.PERMANENT: [8001, 8003, 8004, 8025, 8141, 9006, 9500],
        },
    ),
    "Vitess": (mysql_error, {Fault.LOST: [3168], Fault.FULL: [1041], Fault.PERMANENT: [1105]}),
    "CockroachDB": (
        PostgresError,
        {
            Fault.TRANSIENT: ["40001"],
            Fault.LOST: ["40003", "57P01", "58C00", "58C01"],
            Fault.PERMANENT: ["XXUUU", "XXC02", "58030"],
        },
    ),
    "YugabyteDB": (
        PostgresError,
        {Fault.TRANSIENT: ["40001", "40P01"], Fault.PERMANENT: ["XX000"]},
    ),
}


@pytest.mark.parametrize("engine", DISTRIBUTED)
def test_what_a_code_of_a_distributed_database_means(engine):
    """They speak MySQL's or PostgreSQL's protocol, with codes of their own."""
    maker, wanted = DISTRIBUTED[engine]
    found = {
        fault: [code for code in codes if classify(maker(code)) is fault]
        for fault, codes in wanted.items()
    }
    assert found == wanted


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (
            Exception(1105, "target: a.-.primary: primary is not serving, there may be a reparent"),
            Fault.LOST,
        ),
        (
            Exception(1105, "target: a.-.primary: vttablet: rpc error: code = Unavailable"),
            Fault.LOST,
        ),
        (Exception(1105, "unknown error"), Fault.PERMANENT),
        (yugabyte("Query error: schema version mismatch for table 0001"), Fault.TRANSIENT),
        (yugabyte("internal error"), Fault.PERMANENT),
    ],
)
def test_a_code_that_stands_for_much_is_told_by_its_text(error, fault):
    """Vitess says 1105 of nearly everything, and YugabyteDB XX000."""
    assert classify(error) is fault


# 2000 to 2062 as the client libraries of MySQL and MariaDB number them.
UNUSABLE = [2000, 2001, 2002, 2003, 2004, 2005, 2006, 2008, 2012, 2013, 2014, 2018, 2026, 2027]
REFUSED = [2007, 2019, 2020, 2047, 2049, 2058, 2059, 2061]


@pytest.mark.parametrize("code", [*UNUSABLE, 1152, 1158, 1161, 5013, 5014])
def test_a_connection_that_cannot_be_used_again_is_lost(code):
    """Whatever the client library calls it: the answer would be out of step, or never come."""
    assert classify(Exception(code, "")) is Fault.LOST


@pytest.mark.parametrize("code", REFUSED)
def test_what_another_connection_would_meet_too_is_permanent(code):
    """A protocol, a character set, a plugin: a new connection fails as the old one did."""
    assert classify(Exception(code, "")) is Fault.PERMANENT


@pytest.mark.parametrize(
    "text",
    [
        "connection timeout expired",
        "failed to resolve host 'db.internal': [Errno -3] Temporary failure in name resolution",
        "Packet sequence number wrong - got 3 expected 1",
    ],
)
def test_a_loss_that_has_no_code_is_known_by_its_words(text):
    """psycopg at the connect, and PyMySQL."""
    assert classify(Exception(text)) is Fault.LOST


FULL = [
    "FATAL:  sorry, too many clients already",
    "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
    'FATAL:  too many connections for role "shop"',
    'FATAL:  too many connections for database "shop"',
    "FATAL:  no more connections allowed (max_client_conn)",
]


@pytest.mark.parametrize("text", FULL)
@pytest.mark.parametrize("closed", [False, True])
def test_a_refused_connect_that_has_no_code_is_known_by_its_words(text, closed):
    """psycopg has no SQLSTATE for an error at the connect."""
    assert classify(Exception(text), connection_closed=closed) is Fault.FULL


@pytest.mark.parametrize("digest", ["a1", 'a"1', "a'1", "a\\x8A\"'"])
@pytest.mark.parametrize("table", ["", "sessionstore_session."])
@pytest.mark.parametrize("name", ["PRIMARY", "digest"])
def test_a_taken_id_is_known_whatever_quotes_the_digest_contains(digest, table, name):
    """MariaDB and MySQL tell it by the name of the key alone, after the bytes of the value."""
    text = f"Duplicate entry '{digest}' for key '{table}{name}'"
    assert is_taken_id(Exception(1062, text))


@pytest.mark.parametrize("other", ["other", "old_digest", "my_table.other", "digest_2"])
def test_another_unique_key_is_no_taken_id(other):
    """Also when a value of that key says otherwise."""
    for ours in ("PRIMARY", "digest"):
        text = f"Duplicate entry 'x for key '{ours}'' for key '{other}'"
        assert not is_taken_id(Exception(1062, text))
