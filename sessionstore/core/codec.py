"""The bytes in the column ``data``: a head that names the format and the site, then the payload.

The head is ``header | mark (8)``. The mark is HMAC-SHA256 over the row's id. By it a site tells its
own rows from those of another one that shares the table, in either format, without the key and
without the payload.
Format 1: ``head | seal (16) | nonce (8) | payload``. The seal is HMAC-SHA256 over what the row
is bound to, head, nonce and payload, so no blob can be changed or moved to another row. The nonce
makes each blob unique: a writer recognises its own write after a lost connection.
Format 2: ``head | nonce (12) | AES-256-GCM(padded payload)``, see ``encryption``.
The highest bit of the header tells that the payload is compressed with zlib; only in format 1, for
the size of what is encrypted must not tell what it is. The bit below it tells that there is a mark:
blobs from before there was one are read without.
"""

import secrets
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sessionstore.exceptions import SessionUnreadable

from .crypto import derive, is_tag, tag
from .keys import ID_BYTES, Key

COMPRESS_ABOVE = 1024
SEALED, ENCRYPTED, COMPRESSED, MARKED = 0x01, 0x02, 0x80, 0x40
_SEAL_BYTES, _NONCE_BYTES, _MARK_BYTES = 16, 8, 8
HEAD_BYTES = 1 + _MARK_BYTES
_PURPOSE, _SITE = "data.1", "site.1"
# The byte that a blob begins with, and the format that it names.
_FORMATS = {SEALED: SEALED, SEALED | COMPRESSED: SEALED, ENCRYPTED: ENCRYPTED}
_HEADERS = _FORMATS | {header | MARKED: name for header, name in _FORMATS.items()}
_MARKED_ONES = {bytes([header]) for header in _HEADERS if header & MARKED}
_ENCRYPTED_ONES = {bytes([header]) for header, name in _HEADERS.items() if name == ENCRYPTED}
# A limit that was lowered must not lose what is stored: reading stops at this size at the earliest.
_READ_AT_LEAST = 16 * 1024 * 1024
# What later releases may write. Any other first byte is none of ours, but damage.
_LATER_FORMATS = range(0x03, 0x10)
_SIZE_BYTES, _SHORTEST_PADDED = 4, 256


@dataclass(slots=True)
class Decoded:
    """A payload, and whether it should be written again (old secret or other format)."""

    payload: bytes
    stale: bool


@dataclass(frozen=True, slots=True)
class Cipher:
    """How format 2 seals and opens; both take the secret, the key, associated data and bytes."""

    seal: Callable[[str | bytes, Key, bytes, bytes], bytes]
    open: Callable[[str | bytes, Key, bytes, bytes], bytes | None]


@dataclass(frozen=True, slots=True, repr=False)
class Codec:
    """Seals payloads under the first secret and opens them under each.

    ``cipher`` opens format 2 when given; ``encrypts`` makes it the format that is written. Whatever
    is written can be read, also when ``max_bytes`` is lowered.
    """

    secrets: Sequence[str | bytes]
    max_bytes: int
    cipher: Cipher | None = None
    encrypts: bool = False

    def encode(self, payload: bytes, bound: bytes, key: Key) -> bytes:
        """Return the blob of ``payload`` for the row that ``bound`` and ``key`` belong to."""
        if self.encrypts and self.cipher:
            head = self._head(ENCRYPTED, bound)
            return head + self.cipher.seal(self.secrets[0], key, bound + head, padded(payload))
        body, form = payload, SEALED
        # What is larger than every reader takes is stored as it is, so that it can be read.
        if COMPRESS_ABOVE < len(payload) <= _READ_AT_LEAST:
            packed = zlib.compress(payload, 1)
            if len(packed) < len(payload):
                body, form = packed, SEALED | COMPRESSED
        head = self._head(form, bound)
        body = secrets.token_bytes(_NONCE_BYTES) + body
        seal = tag(derive(self.secrets[0], _PURPOSE), bound, head, body, length=_SEAL_BYTES)
        return head + seal + body

    def decode(self, blob: bytes, bound: bytes, key: Key | None = None) -> Decoded | None:
        """Return the payload of ``blob``, or None when it is forged, cut, moved or none of ours.

        Format 1 needs no key. Never falls back to a weaker format. Raises SessionUnreadable for the
        format of a later release and for what an earlier one has compressed and is too large, and
        EncryptionUnavailable where the cipher lacks its library; for no other blob, whatever its
        bytes.
        """
        head, rest = _parted(blob)
        name = _HEADERS.get(head[0]) if head else None
        if name == SEALED:
            opened = self._unseal(rest, bound, head)
        elif name == ENCRYPTED and self.cipher and key is not None and key.material:
            opened = self._decrypt(self.cipher, rest, bound + head, key)
        elif head and head[0] & ~(COMPRESSED | MARKED) in _LATER_FORMATS:
            reason = f"its format, {head[0] & ~(COMPRESSED | MARKED)}, is that of a later release"
            raise SessionUnreadable(reason)
        else:
            return None
        if opened is None:
            return None
        body, secret = opened
        payload = self._inflate(body) if head[0] & COMPRESSED else body
        if payload is None:
            return None
        is_encrypted = name == ENCRYPTED
        return Decoded(payload, secret is not self.secrets[0] or is_encrypted != self.encrypts)

    def is_foreign(self, head: bytes, row_id: bytes) -> bool:
        """Tell whether another site has written a blob; its first ``HEAD_BYTES`` are enough.

        One without a mark is not: it is from before, or was emptied.
        """
        head, _ = _parted(head)
        if len(head) < HEAD_BYTES:
            return False
        mark = head[1:]
        return not any(is_tag(mark, derive(secret, _SITE), row_id) for secret in self.secrets)

    def _head(self, header: int, bound: bytes) -> bytes:
        row_id = bound[:ID_BYTES]
        mark = tag(derive(self.secrets[0], _SITE), row_id, length=_MARK_BYTES)
        return bytes([header | MARKED]) + mark

    def _unseal(self, rest: bytes, bound: bytes, head: bytes) -> tuple[bytes, str | bytes] | None:
        seal, body = rest[:_SEAL_BYTES], rest[_SEAL_BYTES:]
        if len(body) < _NONCE_BYTES:
            return None
        for secret in self.secrets:
            if is_tag(seal, derive(secret, _PURPOSE), bound, head, body):
                return body[_NONCE_BYTES:], secret
        return None

    def _decrypt(
        self, cipher: Cipher, rest: bytes, associated: bytes, key: Key
    ) -> tuple[bytes, str | bytes] | None:
        for secret in self.secrets:
            body = cipher.open(secret, key, associated, rest)
            if body is not None:
                return unpadded(body), secret
        return None

    def _inflate(self, body: bytes) -> bytes | None:
        limit = max(self.max_bytes, _READ_AT_LEAST)
        engine = zlib.decompressobj()
        try:
            payload = engine.decompress(body, limit)
        except zlib.error:
            return None
        if engine.unconsumed_tail:
            reason = f"it has more than {limit} bytes; raise SESSIONSTORE_MAX_BYTES"
            raise SessionUnreadable(reason)
        return payload if engine.eof else None


def is_encrypted(blob: bytes) -> bool:
    """Tell whether only the key that the row has now can open ``blob``."""
    return blob[:1] in _ENCRYPTED_ONES


def _parted(blob: bytes) -> tuple[bytes, bytes]:
    """Return the head of a blob, and what follows."""
    size = HEAD_BYTES if blob[:1] in _MARKED_ONES else 1
    return blob[:size], blob[size:]


def padded(payload: bytes) -> bytes:
    """Return the payload behind its size, filled up to one of few lengths.

    At least 256 bytes, then eight lengths up to each power of two: whoever sees sizes learns no
    single character, and no session grows by more than an eighth (like Padmé, PURBs 2019).
    """
    size = max(_SIZE_BYTES + len(payload), _SHORTEST_PADDED)
    step = 1 << (size.bit_length() - 4)
    return (len(payload).to_bytes(_SIZE_BYTES, "big") + payload).ljust(
        -(-size // step) * step, b"\0"
    )


def unpadded(body: bytes) -> bytes:
    """Return what ``padded`` was given."""
    size = int.from_bytes(body[:_SIZE_BYTES], "big")
    return body[_SIZE_BYTES : _SIZE_BYTES + size]
