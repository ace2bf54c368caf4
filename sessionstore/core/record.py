"""What crosses the boundary between the engine and a store: one row, and one client."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sessionstore.core.crypto import HiddenBytes

# What a view sees as the session, and what a table may take for the version of a row.
Data = dict[str, Any]
Version = Any
USER_AGENT_LENGTH = 512
USER_ID_LENGTH = 255
# The version of a row that importsessions made and no request has used so far.
IMPORTED = 0

_bound = struct.Struct(">q?q?i")


@dataclass(frozen=True, slots=True)
class Client:
    """Who sends the request, as far as the site wants it recorded; None means unknown."""

    ip: str | None = None
    user_agent: str | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """What a row is bound to, and since when: a public key on P-256, as 04 x y."""

    row_id: bytes
    bound_at: int
    public_key: bytes = field(repr=False)


# Optimization: not frozen, though nobody changes one; that saves 6 % of a load.
@dataclass(slots=True)
class Record:
    """One row of the session table.

    ``id`` never changes, ``digest`` does with each new key. Times are milliseconds since 1970 UTC.
    ``version`` is opaque to everybody but the store: a number here, the stored bytes where the
    table has no such column. ``data`` is the codec's output and left out of what a session keeps
    in memory, which holds the payload instead. ``bound_at`` tells since when a key of a device is
    needed, too; no save writes it. ``extra`` has the columns that a subclass of the engine adds.

    Security: error reporters record local variables by their repr, and the id of a row that is
    shared with Express opens its session; so it shows neither that nor any data.
    """

    id: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    data: Any = field(repr=False)
    version: Version
    user_id: str | None
    created_at: int
    authenticated_at: int | None
    last_seen_at: int
    expires_at: int
    ip: str | None = None
    user_agent: str | None = None
    bound_at: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def started_at(self) -> int:
        """The moment that the absolute timeout counts from."""
        return self.created_at if self.authenticated_at is None else self.authenticated_at

    @property
    def bound(self) -> bytes:
        """What the data are sealed to: id and digest, and the columns that decide about a login.

        Security: so no blob can be moved to another row, no row given to another key, and nobody
        who can only write the table signs in, or makes a login young again. What can be null says
        whether it is, and how long the user id is stands before it: two different rows never have
        the same bytes.
        """
        at, name = self.authenticated_at, self.user_id
        user = b"" if name is None else name.encode()
        known = _bound.pack(self.created_at, at is not None, at or 0, name is not None, len(user))
        return HiddenBytes(b"".join((self.id, self.digest, known, user)))

    def without_data(self) -> "Record":
        """Return what a session keeps of its row: the payload it holds anyway."""
        # Optimization: replace() would take 3 % of a save.
        return Record(
            self.id,
            self.digest,
            b"",
            self.version,
            self.user_id,
            self.created_at,
            self.authenticated_at,
            self.last_seen_at,
            self.expires_at,
            self.ip,
            self.user_agent,
            self.bound_at,
            self.extra,
        )

    def seen(self, last_seen_at: int, expires_at: int) -> "Record":
        """Return the row after a touch."""
        return replace(self, last_seen_at=last_seen_at, expires_at=expires_at)
