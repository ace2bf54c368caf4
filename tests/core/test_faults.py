"""What an error of a driver means, by its code."""

import pytest

from sessionstore.table.faults import Fault, classify, is_taken_id

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
