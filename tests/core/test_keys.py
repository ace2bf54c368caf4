"""Session keys: what a browser may hold, and what the table knows of it."""

import hashlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore.core.keys import KEY_LENGTH, Keyring, digest_range, handle_of

ring = Keyring(("a secret",))
ALPHABET = set(string.digits + "abcdefghijklmnopqrstuv")


def test_a_key_is_forty_characters_of_djangos_alphabet():
    """Other apps keep session keys in columns of 40, and some check the alphabet."""
    key = ring.mint()
    assert len(key.text) == KEY_LENGTH == 40
    assert set(key.text) <= ALPHABET


def test_a_minted_key_opens():
    """What the cookie holds leads to the row and nothing is lost on the way."""
    key = ring.mint()
    assert ring.open(key.text) == key


def test_the_table_knows_only_the_digest():
    """SHA-256 of the random bytes: who reads the table holds no cookie."""
    key = ring.mint()
    assert key.id == hashlib.sha256(key.material).digest()
    assert len(key.material) * 8 == 136


@pytest.mark.parametrize("count", [100_000, pytest.param(1_000_000, marks=pytest.mark.soak)])
def test_keys_do_not_repeat(count):
    """As many keys, as many different ones."""
    assert len({ring.mint().id for _ in range(count)}) == count


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
    assert renewed.id == key.id
    assert not renewed.stale
    assert Keyring(("new",)).open(renewed.text) is not None


def test_a_dropped_secret_opens_nothing():
    """Whoever takes a secret off the list ends the sessions under it."""
    assert Keyring(("new",)).open(ring.mint().text) is None


def test_nothing_shows_the_key():
    """Error reporters record local variables by their repr."""
    key = ring.mint()
    assert key.text not in repr(key)
    assert "secret" not in repr(ring)


def test_a_handle_finds_its_range_of_digests():
    """Twelve bytes name a row on pages and in logs and open nothing."""
    digest = ring.mint().id
    low, high = digest_range(handle_of(digest))
    assert low <= digest <= high
    assert low[:12] == high[:12] == digest[:12]


@pytest.mark.parametrize("text", ["", "short", "x" * 17, "a" * 15 + "!", "a" * 15 + "\n"])
def test_what_is_no_handle_is_said(text):
    """The error names the value."""
    with pytest.raises(ValueError, match="is not a session handle"):
        digest_range(text)
