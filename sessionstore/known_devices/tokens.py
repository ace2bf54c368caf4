"""The cookie by which a browser is known, and the link of a mail: made, read, put together.

The cookie holds a token for each user who has signed in there: the id of a row, 16 random bytes,
and a tag of HMAC-SHA256 over both and over the user, in base64url. Which user that is only the site
can tell, and it asks for one of them: what was made up, or is another user's, costs no SQL.
"""

import base64
import re
import secrets as random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from sessionstore.core.crypto import HiddenBytes, HiddenText, derive, is_tag, tag
from sessionstore.core.headers import cookies
from sessionstore.core.keys import ID_BYTES

Secrets = Sequence[str | bytes]
# So many users are known to one browser; the last to sign in stay.
MOST_USERS = 5
_SECRET_BYTES, _TAG_BYTES, _LINK_TAG_BYTES = 16, 12, 16
_TOKEN, _LINK = "device.token.1", "device.not_me.1"
# 44 bytes, and 32.
_token_formed = re.compile(r"[A-Za-z0-9_-]{59}").fullmatch
_link_formed = re.compile(r"[A-Za-z0-9_-]{43}").fullmatch
# Of what else a browser may have under this name no more is looked at.
_LONGEST, _MOST_READ = 4096, 20


@dataclass(frozen=True, slots=True)
class Token:
    """What tells that a browser is this row."""

    device_id: bytes
    secret: HiddenBytes
    text: HiddenText

    @property
    def digest(self) -> HiddenBytes:
        """What the row keeps of it: 16 random bytes need no more than a plain hash."""
        return HiddenBytes(sha256(self.secret).digest())


def new_token(secrets: Secrets, device_id: bytes, user_id: str) -> Token:
    """Return a new token of a row."""
    secret = HiddenBytes(random.token_bytes(_SECRET_BYTES))
    about = HiddenBytes(device_id + secret)
    sealed = about + tag(derive(secrets[0], _TOKEN), about, user_id.encode(), length=_TAG_BYTES)
    return Token(device_id, secret, HiddenText(_text(HiddenBytes(sealed))))


def texts_in(header: str, name: str) -> list[str]:
    """Return what may be tokens in the Cookie header of a request, whoever has made them.

    Security: all cookies of exactly this name are read. One that a sibling domain has set beside
    the right one hides nothing.
    """
    if name not in header:
        return []
    sent = (HiddenText(pair.partition("=")[2].strip()) for pair in cookies.named(header, name))
    parts = (text for value in sent if len(value) <= _LONGEST for text in value.split("."))
    formed: dict[str, None] = dict.fromkeys(
        HiddenText(text) for text in parts if _token_formed(text)
    )
    return list(formed)[:_MOST_READ]


def of_user(secrets: Secrets, texts: Iterable[str], user_id: str) -> list[Token]:
    """Return those of the tokens that were made for this user."""
    opened = (_opened(secrets, text, user_id) for text in texts)
    return [token for token in opened if token]


def joined(secrets: Secrets, texts: Iterable[str], user_id: str, *, new: Token | None) -> str:
    """Return the value of the cookie with this token in the place of the user's older ones."""
    others = [text for text in texts if not _opened(secrets, text, user_id)]
    return HiddenText(".".join([*([new.text] if new else []), *others][:MOST_USERS]))


def link_token(secrets: Secrets, device_id: bytes) -> str:
    """Return what the link of a mail says: the device, and a tag of 128 bits."""
    sealed = device_id + tag(derive(secrets[0], _LINK), device_id, length=_LINK_TAG_BYTES)
    return HiddenText(_text(sealed))


def linked_device(secrets: Secrets, text: str, *, now: int, age_ms: int) -> bytes | None:
    """Return the id of the device that a link is about; None when it is not whole, or too old.

    The id itself tells when the device was new (RFC 9562, 5.7).
    """
    if not _link_formed(text):
        return None
    sealed = HiddenBytes(base64.urlsafe_b64decode(text + "="))
    device_id, seal = bytes(sealed[:ID_BYTES]), sealed[ID_BYTES:]
    is_ours = any(is_tag(seal, derive(secret, _LINK), device_id) for secret in secrets)
    if not is_ours or _text(sealed) != text:
        return None
    made_at = int.from_bytes(device_id[:6], "big")
    return device_id if now - made_at <= age_ms else None


def _opened(secrets: Secrets, text: str, user_id: str) -> Token | None:
    sealed = HiddenBytes(base64.urlsafe_b64decode(text + "="))
    about, seal = HiddenBytes(sealed[:-_TAG_BYTES]), sealed[-_TAG_BYTES:]
    if _text(sealed) != text:  # its last character says two bits more than there are
        return None
    if any(is_tag(seal, derive(secret, _TOKEN), about, user_id.encode()) for secret in secrets):
        return Token(bytes(about[:ID_BYTES]), HiddenBytes(about[ID_BYTES:]), HiddenText(text))
    return None


def _text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
