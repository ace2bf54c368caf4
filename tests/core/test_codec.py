"""The bytes in the data column: sealed, bound to their row, bounded when read."""

import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore.core.codec import COMPRESS_ABOVE, SEALED, Codec
from sessionstore.core.crypto import derive, tag
from sessionstore.core.keys import Keyring

ring = Keyring(("secret",))
key = ring.mint()
codec = Codec(("secret",), max_bytes=1024 * 1024)


@given(st.binary(max_size=5000))
def test_what_was_encoded_is_decoded(payload):
    """A round trip changes nothing, compressed or not."""
    decoded = codec.decode(codec.encode(payload, key), key)
    assert decoded is not None
    assert (decoded.payload, decoded.stale) == (payload, False)


def test_large_payloads_are_compressed():
    """Only above 1 KiB, and only when that makes them smaller."""
    assert len(codec.encode(b"a" * COMPRESS_ABOVE, key)) > COMPRESS_ABOVE
    assert len(codec.encode(b"a" * 10_000, key)) < 200


def test_a_blob_cannot_move_to_another_row():
    """Who can write to the table cannot turn one user's session into another's."""
    assert codec.decode(codec.encode(b"data", key), ring.mint()) is None


def test_each_blob_is_unique():
    """A writer recognises its own write after a lost connection."""
    assert codec.encode(b"data", key) != codec.encode(b"data", key)


@given(st.data())
def test_a_changed_blob_is_refused(data):
    """Any bit, any cut: None, and never an exception."""
    blob = bytearray(codec.encode(b'{"user": 1}', key))
    place = data.draw(st.integers(0, len(blob) - 1))
    cut = bytes(blob[:place])
    blob[place] ^= data.draw(st.integers(1, 255))
    assert codec.decode(bytes(blob), key) is None
    assert codec.decode(cut, key) is None


@given(st.binary(max_size=200))
def test_foreign_bytes_are_refused(blob):
    """Unsigned JSON, pickle, noise: there is no weaker format to fall back to (CVE-2026-39324)."""
    assert codec.decode(blob, key) is None


def test_a_fallback_secret_still_reads():
    """And says that the row should be written again."""
    rotated = Codec(("new", "secret"), max_bytes=1024)
    decoded = rotated.decode(codec.encode(b"data", key), key)
    assert decoded is not None
    assert decoded.stale
    assert Codec(("new",), max_bytes=1024).decode(codec.encode(b"data", key), key) is None


def test_decompression_stops_at_a_limit():
    """Even a bomb with a valid seal does not fill the memory."""
    header = bytes([SEALED | 0x80])
    body = b"n" * 8 + zlib.compress(b"\0" * 300_000_000)
    seal = tag(derive("secret", "data.1"), key.id + header + body, length=16)
    tracemalloc.start()
    assert codec.decode(header + seal + body, key) is None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50_000_000


def test_a_lowered_limit_loses_nothing():
    """What is stored stays readable when SESSIONSTORE_MAX_BYTES goes down."""
    blob = codec.encode(b"a" * 500_000, key)
    decoded = Codec(("secret",), max_bytes=1000).decode(blob, key)
    assert decoded is not None
    assert len(decoded.payload) == 500_000


def test_format_one_opens_by_the_digest_alone():
    """For the admin and scripts, which know the row and not the cookie."""
    decoded = codec.decode_sealed(codec.encode(b"data", key), key.id)
    assert decoded is not None
    assert decoded.payload == b"data"


@pytest.mark.parametrize("header", [b"\x00", b"\x03", b"\x7f", b"\x02"])
def test_unknown_formats_are_refused(header):
    """Also format 2 where nothing can decrypt it."""
    assert codec.decode(header + codec.encode(b"data", key)[1:], key) is None
