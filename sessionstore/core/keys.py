"""The four names of a session: key, digest, id and handle, never mixed.

The *key* is the secret in the cookie: 25 bytes in lower-case base32hex, 40 characters of 0-9 and
a-v, of which 17 bytes are random (136 bits) and 8 are HMAC-SHA256 over them. The tag lets a server
refuse a made-up cookie without asking the database. The *digest* is SHA-256 of the random bytes: by
it a cookie finds its row, and whoever reads the table holds no cookie. The *id* is the row's
primary key: it never changes and is no secret. The *handle* is the id as text, for pages, URLs,
forms, logs and signals.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from .crypto import HiddenBytes, HiddenText, derive, is_tag, tag

KEY_LENGTH = 40
DIGEST_BYTES, ID_BYTES = 32, 16
_RANDOM_BYTES = 17
_TAG_BYTES = 8
_PURPOSE = "key.1"
_PURPOSE_OF_OLD = "old.1"
_PURPOSE_OF_LEAVING = "leave.1"
_well_formed = re.compile(r"[0-9a-v]{40}").fullmatch
# The last character has two bits of the id: each other one would be a second name of a row.
_handle_formed = re.compile(r"[A-Za-z0-9_-]{21}[AQgw]").fullmatch
_VERSION_7, _VARIANT = 0x7000, 0b10 << 62


# Optimization: not frozen, though nobody changes one; that saves 2 % of a load.
@dataclass(slots=True, repr=False)
class Key:
    """An opened key. ``text`` goes into the cookie, by ``digest`` the table finds its row.

    ``material`` are the random bytes, from which an encrypted session derives its key. ``stale``
    tells that the tag was made under a fallback secret.
    """

    text: str
    digest: bytes
    material: bytes
    stale: bool = False

    # Security: error reporters record local variables by their repr.
    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


@dataclass(frozen=True, slots=True, repr=False)
class Keyring:
    """Makes and opens keys under a list of secrets: the first signs, each of them verifies."""

    secrets: Sequence[str | bytes]

    def mint(self) -> Key:
        """Return a new random key."""
        return self.key_of(secrets.token_bytes(_RANDOM_BYTES))

    def key_of(self, material: bytes) -> Key:
        """Return the key of 17 given bytes, signed under the first secret."""
        material = HiddenBytes(material)
        signed = material + tag(derive(self.secrets[0], _PURPOSE), material, length=_TAG_BYTES)
        text = HiddenText(base64.b32hexencode(signed).decode().lower())
        return Key(text, HiddenBytes(hashlib.sha256(material).digest()), material)

    def derive_from(self, old_key: str, secret: str | bytes) -> Key:
        """Return the key that a session of another engine gets: the same for the same old key."""
        old = HiddenBytes(old_key.encode())
        return self.key_of(tag(derive(secret, _PURPOSE_OF_OLD), old, length=_RANDOM_BYTES))

    def key_for_django(self, key: Key) -> str:
        """Return the 32 characters that a session of ours gets in Django's own table."""
        purpose = derive(self.secrets[0], _PURPOSE_OF_LEAVING)
        return HiddenText(tag(purpose, key.material, length=16).hex())

    def open(self, text: str | None) -> Key | None:
        """Return the key that ``text`` spells, or None when it is malformed or not ours.

        Never raises, whatever a browser sends: NUL, surrogates, 10 kB, upper case, None.
        """
        if not isinstance(text, str) or not _well_formed(text):
            return None
        # Optimization: int() reads base 32 in C, which saves 15 % of a load; the alphabet was
        # checked above.
        signed = HiddenBytes(int(text, 32).to_bytes(_RANDOM_BYTES + _TAG_BYTES, "big"))
        material, seal = HiddenBytes(signed[:_RANDOM_BYTES]), signed[_RANDOM_BYTES:]
        for secret in self.secrets:
            if is_tag(seal, derive(secret, _PURPOSE), material):
                return Key(
                    text=text,
                    digest=HiddenBytes(hashlib.sha256(material).digest()),
                    material=material,
                    stale=secret is not self.secrets[0],
                )
        return None

    def renew(self, key: Key) -> Key:
        """Return the same key with a tag under the first secret."""
        return self.key_of(key.material)


def as_text(key: object) -> str | None:
    """Return what may spell a key: any text, whatever a browser sends, or None.

    Raises TypeError for anything else, such as the id of a row: code has taken it for the key.
    """
    if key is None or isinstance(key, str):
        return key
    # Security: without the value, which may be a secret: an id that Express shares is.
    message = (
        f"A session's key is the text that its cookie holds, not {type(key).__name__}. The id of a "
        f"row opens no session: find the row by Session.objects.filter(pk=...) or .by_handle(...)."
    )
    raise TypeError(message)


def new_id(now_ms: int) -> bytes:
    """Return the 16 bytes of a new row's primary key: a UUID of version 7 (RFC 9562, 5.7).

    48 bits of milliseconds since 1970, so that new rows lie side by side, and 74 random bits.
    """
    return _id_of(now_ms, int.from_bytes(secrets.token_bytes(10), "big"))


def _id_of(now_ms: int, random: int) -> bytes:
    high = (now_ms & 0xFFFF_FFFF_FFFF) << 16 | _VERSION_7 | random >> 68
    low = _VARIANT | random & 0x3FFF_FFFF_FFFF_FFFF
    return (high << 64 | low).to_bytes(ID_BYTES, "big")


def ordered_id(now_ns: int) -> bytes:
    """Return an id as ``new_id`` makes them, in order also within a millisecond (RFC 9562, 6.2)."""
    now_ms, rest = divmod(now_ns, 1_000_000)
    return _id_of(now_ms, rest * 4096 // 1_000_000 << 68 | secrets.randbits(68))


def first_id(at_ms: int) -> bytes:
    """Return the smallest id that ``new_id`` makes at a moment: all smaller ones are older."""
    return max(0, at_ms).to_bytes(6, "big").ljust(ID_BYTES, b"\0")


def only_id(at_ms: int, about: bytes) -> bytes:
    """Return an id of a moment that is always the same one for the same bytes."""
    random = int.from_bytes(hashlib.sha256(about).digest()[:10], "big")
    return _id_of(at_ms, random)


def handle_of(row_id: bytes) -> str:
    """Return the 22 characters by which pages, URLs, logs and signals may name a session."""
    return base64.urlsafe_b64encode(row_id)[:22].decode()


def id_of(handle: str) -> bytes:
    """Return the id that a handle names. Raises ValueError when it is no handle."""
    if not _handle_formed(handle):
        message = f"{handle!r} is not a session handle: those have 22 characters of A-Za-z0-9_-"
        raise ValueError(message)
    return base64.urlsafe_b64decode(handle + "==")
