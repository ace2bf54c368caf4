"""The bytes in the data column: sealed, bound to their row, bounded when read."""

import dataclasses
import secrets
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore.core.codec import (
    COMPRESS_ABOVE,
    HEAD_BYTES,
    SEALED,
    Codec,
    is_encrypted,
    padded,
    unpadded,
)
from sessionstore.core.crypto import derive, tag
from sessionstore.core.encryption import CIPHER
from sessionstore.core.keys import ID_BYTES, Keyring
from sessionstore.core.record import Record
from sessionstore.exceptions import SessionUnreadable

ring = Keyring(("secret",))
key = ring.mint()
BOUND = b"what the row is bound to"
codec = Codec(("secret",), max_bytes=1024 * 1024)
encrypting = Codec(("secret",), max_bytes=1024 * 1024, cipher=CIPHER, encrypts=True)
both = pytest.mark.parametrize("codec", [codec, encrypting], ids=["signed", "encrypted"])


@both
@given(payload=st.binary(max_size=5000))
def test_what_was_encoded_is_decoded(codec, payload):
    """A round trip changes nothing, compressed or not, in either format."""
    decoded = codec.decode(codec.encode(payload, BOUND, key), BOUND, key)
    assert decoded is not None
    assert (decoded.payload, decoded.stale) == (payload, False)


def test_large_payloads_are_compressed():
    """Only above 1 KiB, and only when that makes them smaller."""
    assert len(codec.encode(b"a" * COMPRESS_ABOVE, BOUND, key)) > COMPRESS_ABOVE
    assert len(codec.encode(b"a" * 10_000, BOUND, key)) < 200


@pytest.mark.parametrize("size", [1024, 1025, 5000])
def test_what_compression_would_make_larger_is_stored_as_it_is(size):
    """Random bytes, a picture: 33 bytes of header, mark, seal and nonce, and no more."""
    blob = codec.encode(secrets.token_bytes(size), BOUND, key)
    assert (blob[:1], len(blob)) == (b"\x41", size + 33)


@both
def test_a_blob_cannot_move_to_another_row(codec):
    """Who can write to the table cannot turn one user's session into another's."""
    blob = codec.encode(b"data", BOUND, key)
    assert codec.decode(blob, b"another row", key) is None


def test_an_encrypted_blob_opens_with_its_own_key_only():
    """Neither with another one, nor for whoever knows the row alone."""
    blob = encrypting.encode(b"data", BOUND, key)
    assert encrypting.decode(blob, BOUND, ring.mint()) is None
    assert encrypting.decode(blob, BOUND) is None


@both
def test_each_blob_is_unique(codec):
    """A writer recognises its own write after a lost connection."""
    assert len({codec.encode(b"data", BOUND, key) for _ in range(100)}) == 100


@both
@given(data=st.data())
def test_a_changed_blob_is_refused(codec, data):
    """Any bit, any cut: None, or the format of a later release, and no other exception."""
    blob = bytearray(codec.encode(b'{"user": 1}', BOUND, key))
    place = data.draw(st.integers(0, len(blob) - 1))
    cut = bytes(blob[:place])
    blob[place] ^= data.draw(st.integers(1, 255))
    assert opens_nothing(codec, bytes(blob))
    assert codec.decode(cut, BOUND, key) is None


def opens_nothing(codec, blob):
    """Whether a blob is refused: as damage, or as what only a later release can judge."""
    try:
        return codec.decode(blob, BOUND, key) is None
    except SessionUnreadable:
        return blob[0] & 0x3F in range(3, 16)


@both
@given(blob=st.binary(max_size=200))
def test_foreign_bytes_are_refused(codec, blob):
    """Unsigned JSON, pickle, noise: there is no weaker format to fall back to (CVE-2026-39324)."""
    assert opens_nothing(codec, blob)


@pytest.mark.parametrize("encrypts", [False, True])
def test_a_fallback_secret_still_reads(encrypts):
    """And says that the row should be written again."""

    def under(*secrets):
        return Codec(secrets, max_bytes=1024, cipher=CIPHER, encrypts=encrypts)

    blob = under("secret").encode(b"data", BOUND, key)
    decoded = under("new", "secret").decode(blob, BOUND, key)
    assert decoded is not None
    assert (decoded.payload, decoded.stale) == (b"data", True)
    assert under("new").decode(blob, BOUND, key) is None


@pytest.mark.parametrize("encrypts", [False, True])
def test_the_other_format_is_to_be_written_again(encrypts):
    """A site that switches reads both, and rewrites each row on its next use."""
    before = Codec(("secret",), max_bytes=1024, cipher=CIPHER, encrypts=encrypts)
    after = Codec(("secret",), max_bytes=1024, cipher=CIPHER, encrypts=not encrypts)
    blob = before.encode(b"data", BOUND, key)
    decoded = after.decode(blob, BOUND, key)
    assert is_encrypted(blob) == encrypts
    assert decoded is not None
    assert (decoded.payload, decoded.stale) == (b"data", True)


def test_decompression_stops_at_a_limit():
    """Even a bomb with a valid seal does not fill the memory."""
    header = bytes([SEALED | 0x80])
    body = b"n" * 8 + zlib.compress(b"\0" * 300_000_000)
    seal = tag(derive("secret", "data.1"), BOUND + header + body, length=16)
    tracemalloc.start()
    with pytest.raises(SessionUnreadable, match="more than 16777216 bytes"):
        codec.decode(header + seal + body, BOUND, key)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50_000_000


def test_a_lowered_limit_loses_nothing():
    """What is stored stays readable when SESSIONSTORE_MAX_BYTES goes down."""
    blob = codec.encode(b"a" * 500_000, BOUND, key)
    decoded = Codec(("secret",), max_bytes=1000).decode(blob, BOUND, key)
    assert decoded is not None
    assert len(decoded.payload) == 500_000


@both
@pytest.mark.parametrize("size", [16 * 2**20, 17 * 2**20])
def test_whatever_is_written_can_be_read(codec, size):
    """Above what a reader unpacks nothing is compressed; a lower limit changes nothing."""
    blob = dataclasses.replace(codec, max_bytes=2**30).encode(b"a" * size, BOUND, key)
    decoded = codec.decode(blob, BOUND, key)
    assert decoded is not None
    assert decoded.payload == b"a" * size


@pytest.mark.parametrize(("size", "opens"), [(0, False), (7, False), (8, True)])
def test_a_sealed_blob_has_its_nonce(size, opens):
    """Whoever holds the secret writes one; eight bytes and no payload are an empty one."""
    header, body = bytes([SEALED]), b"n" * size
    seal = tag(derive("secret", "data.1"), BOUND + header + body, length=16)
    assert (codec.decode(header + seal + body, BOUND, key) is not None) is opens


def test_format_one_opens_without_a_key():
    """For the admin and scripts, which know the row and not the cookie."""
    decoded = codec.decode(codec.encode(b"data", BOUND, key), BOUND)
    assert decoded is not None
    assert decoded.payload == b"data"


STORED = "01f00233a984e6ba7ef870db5c10ca020600000000000000007b2261223a317d"
STORED_PACKED = (
    "811fe7470eb05180325c8d237fe44b3c5300000000000000007801ab564a54b252aa1805a3"
    "21301a02a32140851050aa0500834a05da"
)
STORED_MARKED = "415a93f58ce25c53ff7b923085d42c836d4c5ce0530205162a00000000000000007b2261223a317d"
STORED_MARKED_PACKED = (
    "c15a93f58ce25c53ff622e59a25bf73f75940eff930d031b2000000000000000007801ab564a"
    "54b252aa1805a321301a02a32140851050aa0500834a05da"
)
SHORT, LONG = b'{"a":1}', b'{"a":"%b"}' % (b"x" * 1100)


@pytest.mark.parametrize(
    ("blob", "payload"),
    [(STORED, SHORT), (STORED_PACKED, LONG), (STORED_MARKED, SHORT), (STORED_MARKED_PACKED, LONG)],
)
def test_what_was_stored_once_opens_for_ever(blob, payload):
    """The format is fixed, and so is what a row is bound to: neither can ever change."""
    row = Record(bytes(range(16)), b"", b"", 1, "7", 1000, 2000, 3000, 4000)
    decoded = Codec(("a secret",), max_bytes=2000).decode(bytes.fromhex(blob), row.bound)
    assert decoded is not None
    assert decoded.payload == payload


@pytest.mark.parametrize(
    "header", [b"\x00", b"\x10", b"\x7f", b"\x02", b"\x82", b"\x90", b"\x42", b"\x40"]
)
def test_unknown_formats_are_refused(header):
    """Also format 2 where nothing can decrypt it."""
    assert codec.decode(header + codec.encode(b"data", BOUND, key)[1:], BOUND, key) is None


@pytest.mark.parametrize("header", [b"\x03", b"\x0f", b"\x83", b"\x43", b"\xcf"])
def test_a_later_format_is_not_taken_for_damage(header):
    """While servers are being replaced an older one meets what a newer one has written."""
    with pytest.raises(SessionUnreadable, match="of a later release"):
        codec.decode(header + codec.encode(b"data", BOUND, key)[1:], BOUND, key)


@pytest.mark.parametrize("header", [b"\x00", b"\x01", b"\x41", b"\x81", b"\x82", b"\xc1", b"\xc2"])
def test_an_encrypted_blob_cannot_be_relabelled(header):
    """There is no compressed format 2 either."""
    blob = encrypting.encode(b"data", BOUND, key)
    assert encrypting.decode(header + blob[1:], BOUND, key) is None


# --- whose


@both
def test_a_site_tells_its_own_rows(codec):
    """By the first bytes, without the key and without the payload, also under an older secret."""
    blob = codec.encode(b"data", BOUND, key)

    def says_foreign(head, *secrets, row_id=BOUND[:ID_BYTES]):
        return Codec(secrets, max_bytes=1024).is_foreign(head, row_id)

    assert says_foreign(blob, "secret") is says_foreign(blob[:HEAD_BYTES], "secret") is False
    assert says_foreign(blob[:HEAD_BYTES], "new", "secret") is False
    assert says_foreign(blob[:HEAD_BYTES], "another") is True
    assert says_foreign(blob, "secret", row_id=b"another row") is True


@pytest.mark.parametrize("blob", [b"", b"\x41", bytes.fromhex(STORED), b"\x02" * 40, b'{"a": 1}'])
def test_what_has_no_mark_is_nobody_elses(blob):
    """Cut, emptied, from before there was one, or in a format of an engine's own."""
    assert codec.is_foreign(blob, BOUND) is False


# --- padding


@given(st.binary(max_size=3000) | st.integers(0, 20_000).map(bytes))
def test_what_was_padded_is_unpadded(payload):
    """Also a payload that ends in the bytes it is filled up with."""
    assert unpadded(padded(payload)) == payload


def test_the_padding_is_part_of_the_format():
    """Four bytes of size, the payload, zeros."""
    assert padded(b"data") == b"\0\0\0\4data" + bytes(248)
    assert padded(bytes(range(256)) * 2)[:6] == b"\0\0\2\0\0\1"


def test_padded_payloads_have_few_lengths():
    """Eight up to each power of two: a hundred for all sessions up to a mebibyte."""
    lengths = [len(padded(bytes(size))) for size in range(20_000)]
    assert lengths == sorted(lengths)
    assert lengths[0] == lengths[252] == 256
    for two in (256, 8192):
        assert len({length for length in lengths if two <= length < 2 * two}) == 8
    assert len(set(lengths)) < 55


@given(st.integers(253, 2_000_000))
def test_padding_adds_an_eighth_at_most(size):
    """Above 256 bytes, the four of the size among them."""
    assert size + 4 <= len(padded(bytes(size))) <= (size + 4) * 9 / 8


@pytest.mark.parametrize("payload", [b"", b"a" * 100, b"a" * 252])
def test_short_sessions_look_alike_when_encrypted(payload):
    """Whether somebody is signed in must not show in the size."""
    assert len(encrypting.encode(payload, BOUND, key)) == len(encrypting.encode(b"x", BOUND, key))


def test_what_is_encrypted_is_never_compressed():
    """The size of what compresses well would tell what it is."""
    uniform = encrypting.encode(b"a" * 10_000, BOUND, key)
    mixed = encrypting.encode(bytes(range(250)) * 40, BOUND, key)
    assert len(uniform) == len(mixed) > 10_000
