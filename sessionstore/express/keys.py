"""Express's signed cookie as a session key: the cookie's value is the key, the sid is the row's id.

Hashed ids and sharing exclude each other: Express looks rows up by the plain sid. So here the id
opens the session as the key does, and is as secret: only a digest of it is shown.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sessionstore.core.crypto import HiddenBytes, HiddenText
from sessionstore.core.express_format import new_sid, sign, unsign
from sessionstore.core.keys import ID_BYTES, Key, handle_of

# As Express itself makes them, 32 hexadecimal digits at least, and a UUID.
_looks_random = re.compile(
    rb"[A-Za-z0-9_-]{32}|[0-9A-Fa-f]{32,}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
).fullmatch


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


def may_come_again(sid: bytes, genid: str | None) -> bool:
    """Tell whether a site may give this id to another session, when this one has ended.

    A site's ``genid`` may make ids from what recurs, such as a user's key. Nothing in a row tells
    such a session from a late save of the former one, so what an id looks like decides, unless the
    setting says whether ids are "unique" or "reused".
    """
    if genid is not None:
        return genid == "reused"
    return not _looks_random(sid)


def sid_of(row_id: bytes) -> HiddenText:
    """Return the sid that is a row's id."""
    return HiddenText(row_id.decode())


def shown_id(sid: bytes) -> bytes:
    """Return 16 bytes that stand for a sid in logs."""
    return hashlib.sha256(sid).digest()[:ID_BYTES]


def handle_of_sid(sid: bytes) -> str:
    """Return the handle of a row; another one after each change of key, since its id changes."""
    return handle_of(shown_id(sid))
