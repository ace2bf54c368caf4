"""Session keys: what a browser may hold, and what the table knows of it."""

import base64
import contextlib
import hashlib
import re
import string
import uuid
from functools import reduce
from operator import and_, or_

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore.core.keys import (
    ID_BYTES,
    KEY_LENGTH,
    Keyring,
    first_id,
    handle_of,
    id_of,
    new_id,
    only_id,
    ordered_id,
)

ring = Keyring(("a secret",))
ALPHABET = set(string.digits + "abcdefghijklmnopqrstuv")


def test_a_key_is_forty_characters_of_djangos_alphabet():
    """Other apps keep session keys in columns of 40, and some check the alphabet."""
    key = ring.mint()
    assert len(key.text) == KEY_LENGTH == 40
    assert set(key.text) <= ALPHABET


@given(st.binary(min_size=17, max_size=17))
def test_a_key_is_written_as_the_library_writes_it(material):
    """In base32hex, but for the case: each key that was ever given out goes on opening."""
    key = ring.key_of(material)
    assert base64.b32hexdecode(key.text.upper())[:17] == material
    assert ring.open(key.text) == key


def test_a_minted_key_opens():
    """What the cookie holds leads to the row and nothing is lost on the way."""
    key = ring.mint()
    assert ring.open(key.text) == key


def test_the_table_knows_only_the_digest():
    """SHA-256 of the random bytes: who reads the table holds no cookie."""
    key = ring.mint()
    assert key.digest == hashlib.sha256(key.material).digest()
    assert len(key.material) * 8 == 136


@pytest.mark.parametrize("count", [100_000, pytest.param(1_000_000, marks=pytest.mark.soak)])
def test_keys_do_not_repeat(count):
    """As many keys, as many different ones."""
    assert len({ring.mint().digest for _ in range(count)}) == count


def test_one_changed_character_is_refused():
    """The tag covers the random bytes: a guess fails before any SQL."""
    text = ring.mint().text
    for place in range(KEY_LENGTH):
        other = "0" if text[place] != "0" else "1"
        assert ring.open(text[:place] + other + text[place + 1 :]) is None


@pytest.mark.parametrize("pattern", ["{} ", " {}", "{}\n", "{}\0"])
def test_variants_of_a_key_are_refused(pattern):
    """MariaDB compares text without trailing spaces; a digest cannot be fooled (D5)."""
    assert ring.open(pattern.format(ring.mint().text)) is None


def test_a_key_in_upper_case_is_refused():
    """MariaDB compares text without case as well."""
    assert ring.open(("v" + ring.mint().text[1:]).upper()) is None
    assert all(ring.open(ring.mint().text.upper()) is None for _ in range(100))


@given(
    st.one_of(st.none(), st.text(), st.text("0123456789abcdefghijklmnopqrstuv_+- ", max_size=41))
)
def test_opening_never_raises(text):
    """NUL, surrogates, emoji, underscores that int() would take: all are no key."""
    assert ring.open(text) is None


def test_a_fallback_secret_still_opens():
    """Secrets rotate without a logout; the key says that it wants a new tag."""
    key = ring.mint()
    rotated = Keyring(("new", "a secret"))
    opened = rotated.open(key.text)
    assert opened is not None
    assert opened.stale
    renewed = rotated.renew(opened)
    assert renewed.digest == key.digest
    assert not renewed.stale
    assert Keyring(("new",)).open(renewed.text) is not None


def test_what_was_made_once_is_the_same_for_ever():
    """A key in a browser, the key of an old session, a key in Django's table: none may change."""
    key = ring.key_of(bytes(range(17)))
    moved = Keyring(("new",)).derive_from("0123456789abcdef" * 2, "a secret")
    assert key.text == "000g40o40k30e209185go38e1s8f2ima8k6d9a6v"
    assert moved.material.hex() == "4498eed43c7c45440db066e65c24659a8b"
    assert ring.key_for_django(key) == "8643ea198fa859af4e611eeee2e91b42"


def test_a_dropped_secret_opens_nothing():
    """Whoever takes a secret off the list ends the sessions under it."""
    assert Keyring(("new",)).open(ring.mint().text) is None


def test_nothing_shows_the_key():
    """Error reporters record local variables by their repr."""
    key = ring.mint()
    assert repr(key) == "<Key>"
    assert "secret" not in repr(ring)


def test_a_handle_is_another_way_to_write_an_id():
    """22 characters for pages, URLs and logs; they open nothing."""
    row_id = new_id(1)
    handle = handle_of(row_id)
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", handle)
    assert id_of(handle) == row_id


@given(st.binary(min_size=ID_BYTES, max_size=ID_BYTES))
def test_a_row_has_one_handle(row_id):
    """A text that differs in a single character names another row, or none."""
    handle = handle_of(row_id)
    assert id_of(handle) == row_id
    others = {handle[:-1] + last for last in string.ascii_letters + string.digits + "_-"}
    for other in others - {handle}:
        with contextlib.suppress(ValueError):
            assert id_of(other) != row_id
            assert handle_of(id_of(other)) == other


@pytest.mark.parametrize(
    "text",
    [
        *("", "short", "A" * 21, "A" * 23, "A" * 21 + "!", "A" * 22 + "\n", "A" * 22 + "=="),
        *("A" * 21 + "B", "+" * 22, "/" * 22, "A" * 21 + "\0", "é" * 22, "\ud800" * 22, "٣" * 22),
    ],
)
def test_what_is_no_handle_is_said(text):
    """The error names the value."""
    with pytest.raises(ValueError, match="is not a session handle"):
        id_of(text)


@given(st.text())
def test_a_hostile_handle_is_a_value_error(text):
    """Whatever an address holds, nothing else goes up."""
    with contextlib.suppress(ValueError):
        assert handle_of(id_of(text)) == text


# --- ids


NOW_MS = 1_790_000_000_000


def test_an_id_is_a_uuid_of_version_seven():
    """RFC 9562, 5.7: the version and the variant stand where every reader expects them."""
    for _ in range(1000):
        read = uuid.UUID(bytes=new_id(NOW_MS))
        assert (read.version, read.variant) == (7, uuid.RFC_4122)
        assert read.int >> 80 == NOW_MS


@given(st.lists(st.integers(0, 2**48 - 1), min_size=2, unique=True))
def test_ids_are_in_the_order_of_time(moments):
    """So new rows lie side by side in the primary key."""
    ids = [new_id(moment) for moment in sorted(moments)]
    assert ids == sorted(ids)
    assert {len(row_id) for row_id in ids} == {ID_BYTES}


@pytest.mark.parametrize("now", [0, 2**48 - 1, 2**48, 2**63 - 1])
def test_no_year_makes_an_id_too_long(now):
    """The millisecond of the year 10889 begins anew."""
    assert len(new_id(now)) == ID_BYTES
    assert uuid.UUID(bytes=new_id(now)).version == 7


def test_ids_of_one_millisecond_do_not_repeat():
    """74 random bits, each of them in use."""
    ids = [new_id(NOW_MS) for _ in range(50_000)]
    assert len(set(ids)) == len(ids)
    numbers = [int.from_bytes(row_id, "big") for row_id in ids]
    any_set, all_set = reduce(or_, numbers), reduce(and_, numbers)
    assert (any_set ^ all_set).bit_count() == 74


def test_ids_of_events_are_in_order_within_a_millisecond():
    """Two things that one request did are shown in their order."""
    at = 1_780_000_000_123_000_000
    ids = [ordered_id(at + step) for step in range(0, 1_000_000, 1_000)]
    assert ids == sorted(ids)
    assert first_id(at // 1_000_000) < ids[0] < ids[-1] < first_id(at // 1_000_000 + 1)
    assert only_id(1, b"a") == only_id(1, b"a") != only_id(1, b"b")
