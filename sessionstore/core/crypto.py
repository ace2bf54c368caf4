"""Key derivation and tags: what SECRET_KEY is used for goes through here.

Elsewhere stand the AEAD of format 2 (``encryption``), whose library is optional, the signature
that Express prescribes (``express_format``), and hashes that know no secret.
"""

import hashlib
import hmac
from functools import lru_cache
from typing import Any


class HiddenBytes(bytes):
    """Bytes that no error report shows; what is added to them is hidden too.

    Security: debug pages, mails and error trackers record the local variables of each frame by
    their repr, those of Django and of the drivers too.
    """

    def __repr__(self) -> str:
        return "<hidden>"

    __str__ = __repr__

    def __add__(self, other: Any) -> "HiddenBytes":
        return HiddenBytes(bytes.__add__(self, other))


class HiddenText(str):
    """Text that no error report shows; ``str()`` of it is the text, for it goes into cookies."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<hidden>"


SITE_MARK_BYTES = 8
# The purpose separates keys, so that a tag made for one use is void for another.
_PREFIX = b"sessionstore."
# What HMAC does to each byte of the key.
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))


@lru_cache(maxsize=64)
def derive(secret: str | bytes, purpose: str) -> HiddenBytes:
    """Return the 32-byte key of ``purpose`` under ``secret``; the PRF of NIST SP 800-108."""
    material = HiddenBytes(secret.encode() if isinstance(secret, str) else secret)
    return HiddenBytes(hmac.digest(material, _PREFIX + purpose.encode(), "sha256"))


@lru_cache(maxsize=64)
def _started(key: bytes) -> tuple["hashlib._Hash", "hashlib._Hash"]:
    """Return the inner and the outer hash of HMAC, both with the key read (RFC 2104, 4)."""
    block = HiddenBytes(key.ljust(hashlib.sha256().block_size, b"\0"))
    return (
        hashlib.sha256(block.translate(_INNER)),
        hashlib.sha256(block.translate(_OUTER)),
    )


def tag(key: bytes, *message: bytes, length: int) -> bytes:
    """Return the first ``length`` bytes of HMAC-SHA256 over ``message``; ``key`` is from derive().

    The parts of a message are not joined: whoever gives more than one says how long each is.

    Optimization: copies of the two hashes that have read the key; hmac.digest() makes them anew,
    which for the two of a load would be 7 % of it.
    """
    inner, outer = _started(key)
    inner, outer = inner.copy(), outer.copy()
    for part in message:
        inner.update(part)
    outer.update(inner.digest())
    return outer.digest()[:length]


def is_tag(candidate: bytes, key: bytes, *message: bytes) -> bool:
    """Compare in constant time (ASVS 11.2.4)."""
    return hmac.compare_digest(candidate, tag(key, *message, length=len(candidate)))
