"""Ends many sessions for an administrator: those of a user, old ones, all.

Never by one big DELETE: it would stall live traffic.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Q

from sessionstore.cleaning import Pace, in_batches
from sessionstore.core import expiry
from sessionstore.core.keys import handle_of, id_of
from sessionstore.core.text import printable
from sessionstore.links.names import SID, SUB, Name
from sessionstore.links.rows import links
from sessionstore.models import user_id_of, user_key_of
from sessionstore.models.fields import column_in_order
from sessionstore.session.store import SessionBackend
from sessionstore.signals import Reason
from sessionstore.table.routed import parts
from sessionstore.table.rows import SqlTable
from sessionstore.users.accounts import accounts
from sessionstore.users.revocation import revoke_all_of, revoke_each, revoke_named

_PAGE = 500
# Visitors come all the time, and not everywhere do their rows tell that they are new.
_MOST_PASSES = 5


@dataclass(frozen=True, slots=True)
class Which:
    """Sessions to end, as a condition on their columns and in words.

    Those ``of_ours`` are not of another site that shares the table; the others are whoever's. A
    table of Express has no such columns: it finds them by ``user_id``, ``handle`` or ``linked``, or
    all.
    """

    words: str
    condition: Q = field(default_factory=Q)
    of_ours: bool = False
    user_id: str | None = None
    handle: str | None = None
    linked: tuple[bytes, ...] | None = None

    @property
    def handles(self) -> list[str] | None:
        """The handles of those that are found by one; None where they are not."""
        if self.linked is not None:
            return [handle_of(row_id) for row_id in self.linked]
        return None if self.handle is None else [self.handle]


@dataclass(frozen=True, slots=True)
class Ends:
    """How many sessions end, and how many rows go besides that had expired already."""

    live: int = 0
    expired: int = 0

    @property
    def rows(self) -> int:
        return self.live + self.expired

    def __add__(self, other: "Ends") -> "Ends":
        return Ends(self.live + other.live, self.expired + other.expired)


def of_user(user_id: str, name: str = "") -> Which:
    named = f" {printable(name)}" if name else ""
    words = f"of the user{named} with the id {printable(user_id)}"
    return Which(words, Q(user_id=user_id), of_ours=True, user_id=user_id)


def of_users(user_ids: Sequence[str]) -> Which:
    return Which(f"of {len(user_ids)} users", Q(user_id__in=user_ids), of_ours=True)


def all_until_now(session: SessionBackend) -> Which:
    """Everybody's: what the table of ``session`` holds now, whatever the clock of this host says.

    And what logins that are under way put there a moment later, as far as the clock can tell. Those
    who sign in afterwards are not meant. A table of Express does not tell them.
    """
    words = "of everybody"
    if not isinstance(session.table, SqlTable):
        return Which(words)
    # Ids are time-ordered, but for the clocks that they were made by.
    newest = column_in_order(session.table.objects.order_by("-pk"), "pk").first()
    by_now = Q(created_at__lte=expiry.now_ms())
    return Which(words, by_now if newest is None else by_now | Q(pk__lte=bytes(newest)))


def of_visitors() -> Which:
    """Those in which nobody has signed in, as far as they have begun by now."""
    begun = Q(user_id__isnull=True, created_at__lte=expiry.now_ms())
    return Which("of visitors who have not signed in", begun)


def started_before(moment_ms: int) -> Which:
    """Those whose login, or creation where nobody signed in, lies before a moment."""
    signed_in = Q(authenticated_at__lt=moment_ms)
    never = Q(authenticated_at__isnull=True, created_at__lt=moment_ms)
    moment = expiry.to_datetime(moment_ms)
    return Which(f"that began before {moment:%Y-%m-%d %H:%M} UTC", signed_in | never)


def of_handle(handle: str) -> Which:
    """The one that a handle names. Raises ValueError when it is no handle."""
    return Which(f"with the handle {handle}", Q(pk=id_of(handle)), handle=handle)


def of_link(issuer: str, value: str) -> list[Which]:
    """Those that ``issuer`` calls so, as a session or as a user: a page of them in each."""
    names = [Name(issuer, value, kind) for kind in (SID, SUB)]
    ids = sorted({row_id for name in names for row_id in links.sessions_of([name])})
    words = f"that {printable(issuer)} calls {printable(value)}"
    pages = [*parts(ids, _PAGE)] or [[]]
    return [Which(words, Q(pk__in=page), of_ours=True, linked=tuple(page)) for page in pages]


def count(session: SessionBackend, which: Which) -> Ends:
    """Count those in the table of ``session``, an empty one of the engine to use.

    A table of Express counts the live ones alone.
    """
    table = session.table
    if not isinstance(table, SqlTable):
        if which.handles is not None:
            return Ends(sum(len(table.with_handle(handle)) for handle in which.handles))
        return Ends(
            int(table.count()) if which.user_id is None else len(table.live_of(which.user_id))
        )
    chosen = session.table.objects.filter(which.condition)
    if which.of_ours:
        rows = chosen.only("expires_at").own()
        live = sum(row.is_live for row in rows)
        return Ends(live, len(rows) - live)
    return Ends(int(chosen.live().count()), int(chosen.expired().count()))


def revoke(
    session: SessionBackend,
    which: Which,
    *,
    stop: Callable[[], bool] = lambda: False,
    on_batch: Callable[[int], object] = lambda _: None,
) -> Ends:
    """End sessions; return how many. What a stop leaves is still there.

    Ends with a pass that ends nothing, for a row may come to lie among those that were read
    already: of a server whose clock is behind, or of a slow commit. The fifth pass is the last.
    """
    if not isinstance(session.table, SqlTable) and (which.user_id or which.handles is not None):
        ended = _end_found(session, which)
        on_batch(ended)
        return Ends(ended)
    total, last, passes, ended_in_pass = Ends(), b"", 1, 0

    def end(size: int) -> tuple[int, int]:
        nonlocal total, last, passes, ended_in_pass
        ids, ends = _end_after(last, size, session, which)
        total, ended = total + ends, ends.rows
        ended_in_pass += ended
        if len(ids) == size:
            last = ids[-1]
            return size, ended
        # A page that is not full is the last: what comes after it came later.
        if not ended_in_pass or passes == _MOST_PASSES:
            return len(ids), ended
        last, passes, ended_in_pass = b"", passes + 1, 0
        return size, ended  # The next pass may find as many.

    in_batches(end, session.table, pace=Pace(), stop=stop, on_batch=on_batch)
    return total


def inactive_user_ids(session: SessionBackend) -> Iterator[str]:
    """Return the ids of users who have sessions, but are disabled or gone.

    The users are asked for where they are written: on a replica that lags, new ones are gone.
    """
    after = ""
    while page := list(
        column_in_order(
            session.table.objects.filter(user_id__gt=after).order_by("user_id"), "user_id"
        )[:_PAGE]
    ):
        # Not by DISTINCT, for which SQLite reads all rows that are left.
        user_ids = list(dict.fromkeys(page))
        active = _active_among(user_ids)
        yield from (user_id for user_id in user_ids if user_id not in active)
        after = page[-1]


def _active_among(user_ids: list[str]) -> set[str]:
    keys = [key for key in map(user_key_of, user_ids) if key is not None]
    users = accounts().filter(pk__in=keys)
    try:
        get_user_model()._meta.get_field("is_active")
    except FieldDoesNotExist:
        return {user_id_of(user) for user in users if getattr(user, "is_active", True)}
    return {user_id_of(user) for user in users.filter(is_active=True).only("pk")}


def _end_found(session: SessionBackend, which: Which) -> int:
    """End what a table of Express finds by a user or a handle."""
    if which.user_id is not None:
        return revoke_all_of(which.user_id, reason=Reason.COMMAND, session=session)
    end = partial(revoke_named, reason=Reason.COMMAND, session=session)
    return sum(map(end, which.handles or ()))


def _end_after(
    last: bytes, size: int, session: SessionBackend, which: Which
) -> tuple[list[bytes], Ends]:
    """End the next page of them; return its ids, and how many have ended.

    By primary key: a table of any size is read once in a pass.
    """
    table = session.table
    if not isinstance(table, SqlTable):
        ids = table.live_after(last, size)
        return ids, Ends(table.remove_many(ids) if ids else 0)
    chosen = (
        table.objects.filter(which.condition).only("user_id", "digest", "expires_at").after(last)
    )
    found = chosen.own(size, ending=True) if which.of_ours else list(chosen[:size])
    by_life: dict[bool, list[Any]] = {True: [], False: []}
    for row in found:
        by_life[row.is_live].append(row)
    end = partial(revoke_each, reason=Reason.COMMAND, session=session)
    ends = Ends(live=end(by_life[True]), expired=end(by_life[False]))
    return [bytes(row.pk) for row in found], ends
