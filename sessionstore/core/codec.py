"""The bytes in the column ``data``: a header that names the format, the seal, the payload.

Format 1: ``header | seal (16) | nonce (8) | payload``. The seal is HMAC-SHA256 over digest, header,
nonce and payload, so no blob can be changed or moved to another row. The nonce makes each blob
unique: a writer recognises its own write after a lost connection.
Format 2: ``header | nonce (12) | AES-256-GCM(payload)``, see ``sessionstore.core.encryption``.
The highest bit of the header tells that the payload is compressed with zlib.
"""

import secrets
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sessionstore.core.crypto import derive, is_tag, tag
from sessionstore.core.keys import Key

COMPRESS_ABOVE = 1024
SEALED, ENCRYPTED, COMPRESSED = 0x01, 0x02, 0x80
_SEAL_BYTES, _NONCE_BYTES = 16, 8
_START = 1 + _SEAL_BYTES
_PURPOSE = "data.1"
# A limit that was lowered must not lose what is stored: reading stops at this size at the earliest.
_READ_AT_LEAST = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Decoded:
    """A payload, and whether it should be written again (old secret or other format)."""

    payload: bytes
    stale: bool


@dataclass(frozen=True, slots=True)
class Cipher:
    """How format 2 seals and opens; both take the secret, the key, the header and bytes."""

    seal: Callable[[str | bytes, Key, bytes, bytes], bytes]
    open: Callable[[str | bytes, Key, bytes, bytes], bytes | None]


@dataclass(frozen=True, slots=True, repr=False)
class Codec:
    """Seals payloads under the first secret and opens them under each.

    ``cipher`` opens format 2 when given; ``encrypts`` makes it the format that is written.
    """

    secrets: Sequence[str | bytes]
    max_bytes: int
    cipher: Cipher | None = None
    encrypts: bool = False

    def encode(self, payload: bytes, key: Key) -> bytes:
        """Answer the blob of ``payload`` for the row of ``key``."""
        body, flag = payload, 0
        if len(payload) > COMPRESS_ABOVE:
            packed = zlib.compress(payload, 1)
            if len(packed) < len(payload):
                body, flag = packed, COMPRESSED
        if self.encrypts and self.cipher:
            header = bytes([ENCRYPTED | flag])
            return header + self.cipher.seal(self.secrets[0], key, header, body)
        header = bytes([SEALED | flag])
        body = secrets.token_bytes(_NONCE_BYTES) + body
        seal = tag(derive(self.secrets[0], _PURPOSE), key.id + header + body, length=_SEAL_BYTES)
        return header + seal + body

    def decode(self, blob: bytes, key: Key) -> Decoded | None:
        """Answer the payload of ``blob``, or None when it is forged, cut, moved or unknown.

        Never falls back to a weaker format and raises for no blob, whatever its bytes; only a
        cipher without its library does (EncryptionUnavailable).
        """
        header = blob[:1]
        if not header:
            return None
        form = header[0] & ~COMPRESSED
        if form == SEALED:
            opened = self._unseal(blob, header, key.id)
        elif form == ENCRYPTED and self.cipher:
            opened = self._decrypt(blob, header, key)
        else:
            return None
        if opened is None:
            return None
        body, secret = opened
        payload = self._inflate(body) if header[0] & COMPRESSED else body
        if payload is None:
            return None
        stale = secret is not self.secrets[0] or (form == ENCRYPTED) != self.encrypts
        return Decoded(payload, stale)

    def decode_sealed(self, blob: bytes, digest: bytes) -> Decoded | None:
        """Decode format 1 for who knows the row's digest and not its key."""
        return self.decode(blob, Key(text="", id=digest, material=b""))

    def _unseal(
        self, blob: bytes, header: bytes, digest: bytes
    ) -> tuple[bytes, str | bytes] | None:
        seal, body = blob[1:_START], blob[_START:]
        if len(seal) < _SEAL_BYTES or len(body) < _NONCE_BYTES:
            return None
        for secret in self.secrets:
            if is_tag(seal, derive(secret, _PURPOSE), digest + header + body):
                return body[_NONCE_BYTES:], secret
        return None

    def _decrypt(self, blob: bytes, header: bytes, key: Key) -> tuple[bytes, str | bytes] | None:
        if self.cipher is None or not key.material:
            return None
        for secret in self.secrets:
            body = self.cipher.open(secret, key, header, blob[1:])
            if body is not None:
                return body, secret
        return None

    def _inflate(self, body: bytes) -> bytes | None:
        limit = max(self.max_bytes, _READ_AT_LEAST)
        engine = zlib.decompressobj()
        try:
            payload = engine.decompress(body, limit)
        except zlib.error:
            return None
        return payload if engine.eof else None
