"""Key derivation and tags: the only place that knows which primitives are used."""

import hmac
from functools import lru_cache

# The purpose separates keys, so that a tag made for one use is void for another.
_PREFIX = b"sessionstore."


@lru_cache(maxsize=64)
def derive(secret: str | bytes, purpose: str) -> bytes:
    """Answer the 32-byte key of ``purpose`` under ``secret``; the PRF of NIST SP 800-108."""
    material = secret.encode() if isinstance(secret, str) else secret
    return hmac.digest(material, _PREFIX + purpose.encode(), "sha256")


def tag(key: bytes, message: bytes, *, length: int) -> bytes:
    """Answer the first ``length`` bytes of HMAC-SHA256 over ``message``."""
    return hmac.digest(key, message, "sha256")[:length]


def is_tag(candidate: bytes, key: bytes, message: bytes) -> bool:
    """Compare in constant time (ASVS 11.2.4)."""
    return hmac.compare_digest(candidate, tag(key, message, length=len(candidate)))
