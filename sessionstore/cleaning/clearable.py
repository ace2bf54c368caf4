"""What a clean-up asks of a table: ours, Express's, and the one that sessions come from."""

from collections.abc import Iterable
from typing import Any, Protocol


class Batched(Protocol):
    """Says how much of it is written at once."""

    @property
    def batch_size(self) -> int:
        """How many rows one transaction deletes when nobody says."""

    @property
    def pause_s(self) -> float:
        """How many seconds to wait after each when nobody says."""


class Clearable(Batched, Protocol):
    """Finds rows by their expiry and deletes them by primary key. Times are in milliseconds."""

    @property
    def alias(self) -> str:
        """The database that it is written on."""

    @property
    def table(self) -> str: ...

    @property
    def holds(self) -> str:
        """What a row of it is, in words: "session", "known device"."""

    @property
    def name_parts(self) -> tuple[str, ...]:
        """Its name as statements have it: after its schema, where that is given."""

    def how_to_make(self) -> str:
        """Return the command that makes the table, as a sentence."""

    def expired(self, before: int, limit: int, /) -> list[Any]:
        """Return at most ``limit`` primary keys of rows that expired before ``before``."""

    def remove_many(self, keys: Iterable[Any], /, *, expired_before: int) -> int:
        """Delete those of the rows that still are expired; return how many."""

    def count_expired(self, before: int, /) -> int: ...
