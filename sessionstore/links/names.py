"""The digest by which a name from outside finds the sessions that it means."""

from collections.abc import Sequence
from dataclasses import dataclass

from sessionstore.core.crypto import derive, tag
from sessionstore.core.keys import DIGEST_BYTES

_PURPOSE = "link.1"
_LENGTH_BYTES = 4

# What a name is. A provider's session and a provider's user may be called the same.
SID, SUB = "sid", "sub"


@dataclass(frozen=True, slots=True)
class Name:
    """What ``issuer`` calls a session: by its ``kind``, and by the ``value`` among those."""

    issuer: str
    value: str
    kind: str = SID

    def __post_init__(self) -> None:
        for what, text in (("issuer", self.issuer), ("name", self.value), ("kind", self.kind)):
            if not isinstance(text, str) or not text:
                # Security: without the value, which may be a secret.
                message = f"The {what} of a link is a text that is not empty, not {_told(text)}."
                raise TypeError(message)

    def __repr__(self) -> str:
        return f"<Name of kind {self.kind!r} by {self.issuer!r}>"

    def digest(self, secret: str | bytes) -> bytes:
        """Return 32 bytes that nobody without the secret makes, or finds the name by."""
        return tag(derive(secret, _PURPOSE), *self._parts(), length=DIGEST_BYTES)

    def digests(self, secrets: Sequence[str | bytes]) -> list[bytes]:
        """Return it under each secret: a link outlives a rotation of them."""
        return [self.digest(secret) for secret in secrets]

    def _parts(self) -> list[bytes]:
        # Each after its length, so that no two names are the same bytes.
        texts = [text.encode("utf-8", "surrogatepass") for text in self._texts]
        return [len(text).to_bytes(_LENGTH_BYTES, "big") + text for text in texts]

    @property
    def _texts(self) -> tuple[str, str, str]:
        return self.kind, self.issuer, self.value


def _told(text: object) -> str:
    return "an empty one" if text == "" else type(text).__name__
