"""What an engine asks of a table of sessions: a few verbs. Everything clever is above them."""

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any, Protocol, TypeVar

from sessionstore.core.record import Record, Version

T = TypeVar("T")


class Knows(Enum):
    """How many of the sign-ins in a table can be found by their user."""

    NONE = "none"
    SOME = "some"
    ALL = "all"


class Owned(Protocol):
    """A row with its owner, as an instance of the model has them."""

    @property
    def pk(self) -> bytes: ...

    @property
    def digest(self) -> bytes: ...

    @property
    def user_id(self) -> str | None: ...

    @property
    def handle(self) -> str: ...

    @property
    def is_live(self) -> bool: ...


class Table(Protocol):
    """Rows of sessions, each known by its id, and found by the digest of the key in a cookie.

    Times are milliseconds since 1970 UTC; a version is opaque to the caller. There is no upsert:
    that would bring a session back that somebody has logged out of.
    """

    @property
    def alias(self) -> str:
        """The database alias that it is read from and written on."""

    @property
    def table(self) -> str:
        """The table's name."""

    @property
    def holds(self) -> str:
        """What a row of it is, in words."""

    @property
    def batch_size(self) -> int:
        """How many rows one transaction of a clean-up deletes."""

    @property
    def pause_s(self) -> float:
        """How many seconds a clean-up waits between two transactions, at least."""

    @property
    def name_parts(self) -> tuple[str, ...]:
        """Its name as statements have it: after its schema, where that is given."""

    def how_to_make(self) -> str:
        """Return the command that makes the table, as a sentence."""

    # --- one row

    def fetch(self, digest: bytes, now: int) -> Record | None:
        """Return the live row of a key; one SELECT."""

    def find(self, row_id: bytes, now: int, *, lock: bool = False) -> Record | None:
        """Return a live row that is known by its id; ``lock`` keeps others out of it."""

    def insert(self, record: Record) -> None:
        """Insert a row. Raises TakenId when its id or digest exists."""

    def update(
        self,
        record: Record,
        expected_version: Version,
        now: int,
        *,
        replaces: bytes | None = None,
    ) -> bool:
        """Write a live row whose version is as expected; False when no row matched.

        The digest stays what it is. With ``replaces``, the one that a row of this version has, it
        becomes the record's in the same statement, so that at no moment two keys are valid, or
        none.
        """

    def touch(self, record: Record, last_seen_at: int, expires_at: int) -> bool:
        """Move a live, unchanged row's times on, never back; False when there was none."""

    def remove(self, row_id: bytes, *, digest: bytes | None = None) -> int:
        """Delete a row; return 1 or 0. ``digest`` is what it was when the caller last saw it."""

    def remove_key(self, digest: bytes) -> int:
        """Delete the row of a key, without reading it; return 1 or 0."""

    def remove_replaced(self, digest: bytes) -> int:
        """Delete the row whose key was this one before its last change; return 1 or 0."""

    def was_replaced(self, digest: bytes, since: int) -> bool:
        """Tell whether a live row had this key until some moment after ``since``."""

    # --- many rows

    def remove_many(self, ids: Iterable[bytes], *, expired_before: int | None = None) -> int:
        """Delete rows by primary key, in its order; with a cutoff only if they expired before."""

    def expired(self, before: int, limit: int) -> list[bytes]:
        """Return at most ``limit`` ids of rows that expired before ``before``."""

    def count_expired(self, before: int) -> int:
        """Return how many rows expired before ``before``."""

    # --- versions and names

    def next_version(self, version: Version, data: Any) -> Version:
        """Return the version of a row whose ``data`` stand over ``version``; None: of a new one."""

    def handle_of(self, row_id: bytes) -> str:
        """Return the name by which pages, logs and signals may call a row."""

    # --- transactions

    def in_transaction(self) -> bool:
        """Tell whether a statement would be a part of a transaction of the caller."""

    def on_commit(self, callback: Callable[[], object]) -> None:
        """Call back after the caller's transaction has committed; at once without one."""

    def under_lock(self, block: Callable[[], T], *, row: bytes | None = None) -> T:
        """Run ``block``, whose first statement locks a row, in a transaction of its own.

        ``row`` is the id that log records name.
        """

    @property
    def can_lock(self) -> bool:
        """Tell whether row locks help: where several nodes write they triple the failures."""

    def pay_debts(self) -> bool:
        """Tell a cache in front what it could not be told; return whether it knows everything."""


class UserTable(Table, Protocol):
    """What the pages about one's own sessions, and ends by user, ask of a table beside that."""

    @property
    def knows_users(self) -> Knows:
        """Tell how many sign-ins can be found by their user."""

    def with_handle(self, handle: str) -> list[bytes]:
        """Return the id of the row that a handle may name, or none."""

    def live_of(
        self, user_id: str, *, first: bytes | None = None, start: int = 0, most: int | None = None
    ) -> Sequence[Owned]:
        """Return live rows of a user: ``first``, then the last used; all, or ``most`` of them."""

    def of_handle(self, user_id: str, handle: str, *, ending: bool = False) -> Sequence[Owned]:
        """Return the row of a user that a handle names, or none; with its digest to be ended."""

    def remove_of_users(
        self, user_ids: Sequence[str], *, but: bytes | None = None
    ) -> Sequence[Owned]:
        """Delete all rows of some users apart from the id ``but``; return them as they were."""
