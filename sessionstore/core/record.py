"""What crosses the boundary between the engine and a store: one row, and one client."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

USER_AGENT_LENGTH = 512
USER_ID_LENGTH = 255
# The version of a row that importsessions made and no request has used so far.
IMPORTED = 0


@dataclass(frozen=True, slots=True)
class Client:
    """Who sends the request, as far as the site wants it recorded; None means unknown."""

    ip: str | None = None
    user_agent: str | None = None


# Optimization: not frozen, though nobody changes one: a frozen one of 11 fields costs 1 us more.
@dataclass(slots=True)
class Record:
    """One row of the session table.

    Times are milliseconds since 1970 UTC. ``version`` is opaque to everybody but the store: a
    number here, the stored bytes where the table has no such column. ``data`` is the codec's
    output and left out of what a session keeps in memory, which holds the payload instead.
    ``extra`` has the columns that a subclass of the engine adds.
    """

    id: Any
    data: Any = field(repr=False)
    version: Any
    user_id: str | None
    created_at: int
    authenticated_at: int | None
    last_seen_at: int
    expires_at: int
    ip: str | None = None
    user_agent: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def started_at(self) -> int:
        """The moment that the absolute timeout counts from."""
        return self.created_at if self.authenticated_at is None else self.authenticated_at

    def without_data(self) -> "Record":
        """Answer what a session keeps of its row: the payload it holds anyway."""
        # Optimization: replace() takes three times as long.
        return Record(
            self.id,
            b"",
            self.version,
            self.user_id,
            self.created_at,
            self.authenticated_at,
            self.last_seen_at,
            self.expires_at,
            self.ip,
            self.user_agent,
            self.extra,
        )

    def seen(self, last_seen_at: int, expires_at: int) -> "Record":
        """Answer the row after a touch."""
        return replace(self, last_seen_at=last_seen_at, expires_at=expires_at)
