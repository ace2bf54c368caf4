"""Ends the sessions that a name from outside means, and forgets links of those that are gone."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

from sessionstore.cleaning import Pace, in_batches
from sessionstore.core.keys import handle_of
from sessionstore.links.names import Name
from sessionstore.links.rows import links
from sessionstore.session.ending import delete_for_good, tell_revoked
from sessionstore.session.store import SessionBackend
from sessionstore.signals import Reason
from sessionstore.table.routed import BATCH
from sessionstore.table.rows import SqlTable
from sessionstore.users.revocation import revoke_each, site_session

# A login may link a session meanwhile; a flood of them must end the loop too.
_ROUNDS = 100


def end_linked(*names: Name, reason: Reason, session: SessionBackend | None = None) -> int:
    """End every session that all of these names mean; return how many.

    None of another site that shares the table. Looks again until a look ends nothing. ``session``
    is any of the engine to use; the site's, when it is not given.
    """
    session, ended = session or site_session(), 0
    if session is None:
        return 0
    for _ in range(_ROUNDS):
        ids = links.sessions_of(names)
        in_round = sum(_end(session, part, reason) for part in _parts(ids))
        ended += in_round
        if not in_round:
            break
    return ended


def _end(session: SessionBackend, session_ids: Sequence[bytes], reason: Reason) -> int:
    if not isinstance(session.table, SqlTable):
        gone = [one for one in session_ids if _end_by_handle(session, one, reason)]
        links.forget(gone)
        return len(gone)
    rows = session.table.objects.filter(pk__in=session_ids)
    found = rows.only("user_id", "digest", "expires_at").own(ending=True)
    ended = revoke_each(found, reason=reason, session=session)
    # Not those of a row that was not found: it may be about to be committed.
    links.forget([bytes(row.pk) for row in found])
    return ended


def _end_by_handle(session: SessionBackend, session_id: bytes, reason: Reason) -> bool:
    """End a session of a table that has no ids but its keys."""
    table: Any = session.table
    handle = handle_of(session_id)
    ids = table.with_handle(handle)
    if not ids or not delete_for_good(lambda: table.remove_many(ids), table.alias):
        return False
    tell_revoked(session, handle=handle, user_id=None, reason=reason)
    return True


def forget_links(
    session: SessionBackend,
    *,
    pace: Pace | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Forget the links of sessions that are gone, in batches; return how many.

    One SELECT where nothing was ever linked. ``session`` is one of the site's own engine: whose
    table has all sessions that are linked.
    """
    last, gone = 0, _Gone(session.table)

    def forget(size: int) -> tuple[int, int]:
        nonlocal last
        last, looked_at, forgotten = links.forget_gone(last, size, gone.present)
        return looked_at, forgotten

    return in_batches(
        forget, links, pace=pace or Pace(), stop=stop, on_batch=lambda _: None
    ).removed


class _Gone:
    """Tells which sessions a table has."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def present(self, session_ids: Sequence[bytes]) -> set[bytes]:
        if not isinstance(self._table, SqlTable):
            return self._all & set(session_ids)
        return self._table.present(session_ids)

    @cached_property
    def _all(self) -> set[bytes]:
        """What stands for the sessions of a table that finds none by that: read once."""
        return set(self._table.shown_ids())


def _parts(ids: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]
