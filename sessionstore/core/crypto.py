"""Key derivation and tags: what SECRET_KEY is used for goes through here.

Elsewhere stand the AEAD of format 2 (``encryption``), whose library is optional, the signature
that Express prescribes (``express_format``), and hashes that know no secret.
"""

import hashlib
import hmac
from functools import lru_cache

# The purpose separates keys, so that a tag made for one use is void for another.
_PREFIX = b"sessionstore."


@lru_cache(maxsize=64)
def derive(secret: str | bytes, purpose: str) -> bytes:
    """Return the 32-byte key of ``purpose`` under ``secret``; the PRF of NIST SP 800-108."""
    material = secret.encode() if isinstance(secret, str) else secret
    return hmac.digest(material, _PREFIX + purpose.encode(), "sha256")


@lru_cache(maxsize=64)
def _started(key: bytes) -> tuple["hashlib._Hash", "hashlib._Hash"]:
    """Return the inner and the outer hash of HMAC, both with the key read (RFC 2104, 4)."""
    block = key.ljust(hashlib.sha256().block_size, b"\0")
    return (
        hashlib.sha256(bytes(byte ^ 0x36 for byte in block)),
        hashlib.sha256(bytes(byte ^ 0x5C for byte in block)),
    )


def tag(key: bytes, message: bytes, *, length: int) -> bytes:
    """Return the first ``length`` bytes of HMAC-SHA256 over ``message``; ``key`` is from derive().

    Optimization: copies of the two hashes that have read the key; hmac.digest() makes them anew,
    which takes three times as long.
    """
    inner, outer = _started(key)
    inner, outer = inner.copy(), outer.copy()
    inner.update(message)
    outer.update(inner.digest())
    return outer.digest()[:length]


def is_tag(candidate: bytes, key: bytes, message: bytes) -> bool:
    """Compare in constant time (ASVS 11.2.4)."""
    return hmac.compare_digest(candidate, tag(key, message, length=len(candidate)))
