"""Express's signed cookie as a session key: the cookie's value is the key, the sid is the row's id.

Hashed ids and sharing exclude each other: Express looks rows up by the plain sid.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sessionstore.core.express_format import new_sid, sign, unsign
from sessionstore.core.keys import Key, handle_of


@dataclass(frozen=True, slots=True, repr=False)
class SidKey(Key):
    """A key whose id is the sid itself, so what pages and logs may show is a digest of it."""

    @property
    def handle(self) -> str:
        return handle_of(hashlib.sha256(self.id).digest())

    # Security: error reporters record local variables by their repr.
    def __repr__(self) -> str:
        return f"<SidKey {self.handle}>"


@dataclass(frozen=True, slots=True, repr=False)
class SidKeyring:
    """Makes and opens cookies under a list of secrets, like ``keys.Keyring``."""

    secrets: Sequence[str]

    def mint(self) -> SidKey:
        """Answer a new random sid, signed under the first secret."""
        return self._signed(new_sid())

    def open(self, text: str | None) -> SidKey | None:
        """Answer the key of a cookie's value, or None when none of the secrets signed it.

        Never raises, whatever a browser sends.
        """
        if not isinstance(text, str):
            return None
        sid = unsign(text, self.secrets)
        if sid is None:
            return None
        first = unsign(text, self.secrets[:1])
        return SidKey(text=text, id=sid.encode(), material=b"", stale=first is None)

    def renew(self, key: Key) -> SidKey:
        """Answer the same sid signed under the first secret."""
        return self._signed(key.id.decode())

    def _signed(self, sid: str) -> SidKey:
        return SidKey(text=sign(sid, self.secrets[0]), id=sid.encode(), material=b"")
