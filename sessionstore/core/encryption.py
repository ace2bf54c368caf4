"""Format 2 of the column ``data``: AES-256-GCM under a key that only the cookie completes.

``head | nonce (12) | ciphertext and tag``, with what the row is bound to and the head as
associated data. The key is derived from the secret and from the 17 random bytes in the cookie, of
which the table knows only SHA-256: a dump reads nothing, not even together with SECRET_KEY.
"""

import secrets
from functools import cache
from types import SimpleNamespace
from typing import Any

from sessionstore.core.codec import Cipher
from sessionstore.core.crypto import derive, tag
from sessionstore.core.keys import Key
from sessionstore.exceptions import EncryptionUnavailable

_KEY_BYTES, _NONCE_BYTES = 32, 12
_PURPOSE = "data.2"


def is_available() -> bool:
    """Tell whether the extra ``[encryption]`` is installed."""
    return _library() is not None


@cache
def _library() -> Any:
    """Return what is needed of cryptography, or None where the extra is not installed.

    Optimization: imported for the first encrypted session, which spares all others 28 modules.
    """
    try:
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as said
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - as said
    except ImportError:
        return None
    return SimpleNamespace(AESGCM=AESGCM, InvalidTag=InvalidTag)


def _seal(secret: str | bytes, key: Key, associated: bytes, body: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed: bytes = _aead(secret, key).encrypt(nonce, body, associated)
    return nonce + sealed


def _open(secret: str | bytes, key: Key, associated: bytes, sealed: bytes) -> bytes | None:
    aead = _aead(secret, key)
    nonce, body = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    if len(nonce) < _NONCE_BYTES:
        return None
    try:
        opened: bytes = aead.decrypt(nonce, body, associated)
    except _library().InvalidTag:
        return None
    return opened


def _aead(secret: str | bytes, key: Key) -> Any:
    # A server without the library must not take encrypted sessions for damaged ones and then
    # write empty ones over them.
    library = _library()
    if library is None:
        message = (
            "A session is encrypted, or should be (SESSIONSTORE_ENCRYPT), and the library for it "
            "is missing. Install django-sessionstore[encryption]."
        )
        raise EncryptionUnavailable(message)
    return library.AESGCM(tag(derive(secret, _PURPOSE), key.material, length=_KEY_BYTES))


CIPHER = Cipher(seal=_seal, open=_open)
