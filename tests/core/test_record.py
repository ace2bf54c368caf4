"""The row as it crosses between the engine and a store, and what its data are sealed to."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore.core.codec import Codec
from sessionstore.core.keys import Keyring
from sessionstore.core.record import Record

# Whatever a column can hold, and whatever stands for "none" somewhere.
MOMENTS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, -1, -(2**63), 2**63 - 1])
texts = st.text(max_size=6) | st.text("\0\xff1a", max_size=20)
rows = st.builds(
    Record,
    id=st.binary(min_size=16, max_size=16) | st.sampled_from([b"\0" * 16, b"\xff" * 16]),
    digest=st.binary(min_size=32, max_size=32),
    data=st.just(b""),
    version=st.integers(1, 2**62),
    user_id=st.none() | texts,
    created_at=MOMENTS,
    authenticated_at=st.none() | MOMENTS,
    last_seen_at=MOMENTS,
    expires_at=MOMENTS,
)
SEALED_TO = ("id", "digest", "user_id", "created_at", "authenticated_at")
ROW = Record(b"i" * 16, b"d" * 32, b"", 1, "7", 1000, 2000, 3000, 4000)


def what_counts(row):
    return tuple(getattr(row, name) for name in SEALED_TO)


@given(rows, rows)
def test_two_rows_that_differ_never_have_the_same_bytes(one, other):
    """None and the empty user are two, and no user reads like the end of another column."""
    assert (one.bound == other.bound) == (what_counts(one) == what_counts(other))


@given(rows, st.sampled_from(SEALED_TO), rows)
def test_each_column_that_decides_about_a_login_counts(row, name, other):
    """Also alone."""
    changed = replace(row, **{name: getattr(other, name)})
    assert (row.bound == changed.bound) == (getattr(row, name) == getattr(other, name))


@given(rows, rows)
def test_what_moves_on_without_a_write_of_data_is_not_bound(row, other):
    """A touch must not damage the data."""
    names = ("version", "last_seen_at", "expires_at", "ip", "user_agent")
    moved = replace(row, **{name: getattr(other, name) for name in names})
    assert moved.bound == row.bound


@pytest.mark.parametrize(
    "change",
    [
        {"id": b"j" * 16},
        {"user_id": "8"},
        {"user_id": None},
        {"user_id": ""},
        {"created_at": 1001},
        {"authenticated_at": 2001},
        {"authenticated_at": None},
    ],
)
def test_data_do_not_open_in_a_row_that_was_changed(change):
    """Nobody who can only write the table signs in, or makes a login young again."""
    codec, key = Codec(("secret",), max_bytes=1024), Keyring(("secret",)).mint()
    blob = codec.encode(b"data", ROW.bound, key)
    assert codec.decode(blob, ROW.bound, key) is not None
    assert codec.decode(blob, replace(ROW, **change).bound, key) is None


def test_a_row_without_its_data_is_the_same_row():
    """What a session keeps in memory; no column is forgotten."""
    row = replace(ROW, data=b"data", ip="192.0.2.7", user_agent="Firefox", extra={"n": 1})
    assert row.without_data() == replace(row, data=b"")


def test_a_touch_moves_the_two_times_on_and_nothing_else():
    """And leaves the row that it was made of as it is."""
    row = replace(ROW, data=b"data", ip="192.0.2.7", extra={"n": 1})
    touched = row.seen(3500, 4500)
    assert (touched.last_seen_at, touched.expires_at) == (3500, 4500)
    assert replace(touched, last_seen_at=3000, expires_at=4000) == row
    assert (row.last_seen_at, row.expires_at) == (3000, 4000)


def test_nothing_shows_digest_or_data():
    """Error reporters record local variables by their repr."""
    shown = repr(replace(ROW, data=b"secret"))
    assert "secret" not in shown
    assert "d" * 32 not in shown


@pytest.mark.parametrize(("authenticated_at", "start"), [(2000, 2000), (None, 1000)])
def test_the_absolute_timeout_counts_from_the_login(authenticated_at, start):
    """Or from the creation, of a session without one."""
    assert replace(ROW, authenticated_at=authenticated_at).started_at == start
