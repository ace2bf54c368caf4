"""Session keys: the secret in the cookie, the digest in the table, the handle on pages.

A key is 25 bytes in lower-case base32hex, 40 characters of 0-9 and a-v: 17 random bytes (136
bits) and 8 bytes of HMAC-SHA256 over them. The tag lets a server refuse a made-up cookie without
asking the database; the table holds only SHA-256 of the random bytes, so that who reads it holds
no cookie.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sessionstore.core.crypto import derive, is_tag, tag

KEY_LENGTH = 40
DIGEST_BYTES = 32
HANDLE_BYTES = 12
_RANDOM_BYTES = 17
_TAG_BYTES = 8
_PURPOSE = "key.1"
_PURPOSE_OF_OLD = "old.1"
_PURPOSE_OF_LEAVING = "leave.1"
_well_formed = re.compile(r"[0-9a-v]{40}").fullmatch
_handle_formed = re.compile(r"[A-Za-z0-9_-]{16}").fullmatch


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """An opened key. ``text`` goes into the cookie, ``id`` is what the table knows it by.

    ``material`` are the random bytes, from which an encrypted session derives its key. ``stale``
    tells that the tag was made under a fallback secret.
    """

    text: str
    id: bytes
    material: bytes
    stale: bool = False

    @property
    def handle(self) -> str:
        return handle_of(self.id)

    # Security: error reporters record local variables by their repr.
    def __repr__(self) -> str:
        return f"<Key {self.handle}>"


@dataclass(frozen=True, slots=True, repr=False)
class Keyring:
    """Makes and opens keys under a list of secrets: the first signs, each of them verifies."""

    secrets: Sequence[str | bytes]

    def mint(self) -> Key:
        """Answer a new random key."""
        return self.key_of(secrets.token_bytes(_RANDOM_BYTES))

    def key_of(self, material: bytes) -> Key:
        """Answer the key of 17 given bytes, signed under the first secret."""
        signed = material + tag(derive(self.secrets[0], _PURPOSE), material, length=_TAG_BYTES)
        text = base64.b32hexencode(signed).decode().lower()
        return Key(text=text, id=hashlib.sha256(material).digest(), material=material)

    def derive_from(self, old_key: str, secret: str | bytes) -> Key:
        """Answer the key that a session of another engine gets: the same for the same old key."""
        material = tag(derive(secret, _PURPOSE_OF_OLD), old_key.encode(), length=_RANDOM_BYTES)
        return self.key_of(material)

    def key_for_django(self, key: Key) -> str:
        """Answer the 32 characters that a session of ours gets in Django's own table."""
        purpose = derive(self.secrets[0], _PURPOSE_OF_LEAVING)
        return tag(purpose, key.material, length=16).hex()

    def open(self, text: str | None) -> Key | None:
        """Answer the key that ``text`` spells, or None when it is malformed or not ours.

        Never raises, whatever a browser sends: NUL, surrogates, 10 kB, upper case, None.
        """
        if not isinstance(text, str) or not _well_formed(text):
            return None
        # Optimization: int() reads base 32 in C; the alphabet was checked above.
        signed = int(text, 32).to_bytes(_RANDOM_BYTES + _TAG_BYTES, "big")
        material, seal = signed[:_RANDOM_BYTES], signed[_RANDOM_BYTES:]
        for secret in self.secrets:
            if is_tag(seal, derive(secret, _PURPOSE), material):
                return Key(
                    text=text,
                    id=hashlib.sha256(material).digest(),
                    material=material,
                    stale=secret is not self.secrets[0],
                )
        return None

    def renew(self, key: Key) -> Key:
        """Answer the same key with a tag under the first secret."""
        return self.key_of(key.material)


def handle_of(digest: bytes) -> str:
    """Answer the 16 characters by which pages, URLs, logs and signals may name a session."""
    return base64.urlsafe_b64encode(digest[:HANDLE_BYTES]).decode()


def digest_range(handle: str) -> tuple[bytes, bytes]:
    """Answer the lowest and the highest digest that ``handle`` can stand for.

    Raises ValueError when it is no handle.
    """
    if not _handle_formed(handle):
        message = f"{handle!r} is not a session handle: it has 16 characters of A-Z a-z 0-9 _ -"
        raise ValueError(message)
    start = base64.urlsafe_b64decode(handle)
    rest = DIGEST_BYTES - HANDLE_BYTES
    return start + b"\0" * rest, start + b"\xff" * rest
