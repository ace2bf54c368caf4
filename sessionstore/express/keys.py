"""Express's signed cookie as a session key: the cookie's value is the key, the sid is the row's id.

Hashed ids and sharing exclude each other: Express looks rows up by the plain sid. So here the id
opens the session as the key does, and is as secret: only a digest of it is shown.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sessionstore.core.crypto import HiddenBytes, HiddenText
from sessionstore.core.express_format import new_sid, sign, unsign
from sessionstore.core.keys import ID_BYTES, Key, handle_of


@dataclass(frozen=True, slots=True, repr=False)
class SidKeyring:
    """Makes and opens cookies under a list of secrets, like ``keys.Keyring``.

    Several applications may share a table: one whose ids begin with ``prefix`` has no others.
    """

    secrets: Sequence[str | bytes]
    prefix: str = ""

    def mint(self) -> Key:
        """Return a new random sid, signed under the first secret."""
        return self._signed(HiddenText(self.prefix + new_sid()))

    def open(self, text: str | None) -> Key | None:
        """Return the key of a cookie's value, or None when none of the secrets signed it.

        Nor is one a key whose id is another application's. Never raises, whatever a browser sends.
        """
        if not isinstance(text, str):
            return None
        sid = unsign(text, self.secrets)
        if sid is None or not sid.startswith(self.prefix):
            return None
        first = unsign(text, self.secrets[:1])
        return Key(HiddenText(text), HiddenBytes(sid.encode()), material=b"", stale=first is None)

    def renew(self, key: Key) -> Key:
        """Return the same sid signed under the first secret."""
        return self._signed(sid_of(key.digest))

    def _signed(self, sid: str) -> Key:
        return Key(sign(sid, self.secrets[0]), HiddenBytes(sid.encode()), material=b"")


def sid_of(row_id: bytes) -> HiddenText:
    """Return the sid that is a row's id."""
    return HiddenText(row_id.decode())


def shown_id(sid: bytes) -> bytes:
    """Return 16 bytes that stand for a sid in logs."""
    return hashlib.sha256(sid).digest()[:ID_BYTES]


def handle_of_sid(sid: bytes) -> str:
    """Return the handle of a row; another one after each change of key, since its id changes."""
    return handle_of(shown_id(sid))
