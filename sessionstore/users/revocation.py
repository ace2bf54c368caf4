"""Ends sessions that are not one's own request's: of a user, or a list of them.

Every end goes through the engine's own table, so that a cache in front of it hears of it, is
final whatever a transaction does, and is told by ``session_revoked``.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from importlib import import_module
from typing import Any

from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.history.writing import gathered
from sessionstore.session.ending import delete_for_good, tell_revoked
from sessionstore.session.store import SessionBackend
from sessionstore.signals import Reason
from sessionstore.table.routed import BATCH
from sessionstore.table.rows import SqlTable
from sessionstore.users.ended import remember

# So many users and their rows together stay below the 999 values of an old SQLite.
_USERS = 200


def site_session() -> SessionBackend | None:
    """Return an empty session of SESSION_ENGINE; None when that engine is not one of ours."""
    session = import_module(conf.engine_path).SessionStore()
    return session if isinstance(session, SessionBackend) else None


def revoke_all_of(
    user_id: str,
    *,
    reason: Reason,
    but: bytes | None = None,
    session: SessionBackend | None = None,
) -> int:
    """End every session of a user, apart from the row with the id ``but``; return how many.

    None of another site that shares the table (``is_foreign``). 0 where the table does not know
    its users.
    ``session`` is any of the engine to use; the site's, when it is not given.
    """
    return revoke_all_of_each([user_id], reason=reason, but=but, session=session)


def revoke_all_of_each(
    user_ids: Iterable[str],
    *,
    reason: Reason,
    but: bytes | None = None,
    session: SessionBackend | None = None,
) -> int:
    """End every session of many users, as many users in a statement as it takes."""
    session, ended, waiting = session or site_session(), 0, list(user_ids)
    if session is None:
        return 0
    table = session.table
    while waiting:
        batch, waiting = waiting[:_USERS], waiting[_USERS:]
        removed = delete_for_good(partial(table.remove_of_users, batch, but=but), table.alias)
        ended += len(removed)
        _tell(session, [row for row in removed if row.is_live], reason)
    return ended


def revoke_each(
    sessions: Iterable[Any], *, reason: Reason, session: SessionBackend | None = None
) -> int:
    """End the sessions of these model instances; return how many were still there.

    Each batch is one DELETE by primary key, which no change of key makes another one.
    """
    session = session or site_session()
    ended, waiting = 0, list(sessions)
    while session is not None and waiting:
        batch, waiting = waiting[:BATCH], waiting[BATCH:]
        ids = [bytes(row.pk) for row in batch]
        ended += delete_for_good(partial(session.table.remove_many, ids), session.table.alias)
        _tell(session, batch, reason)
    return ended


def revoke_named(handle: str, *, reason: Reason, session: SessionBackend) -> int:
    """End the session that a handle names; return 1, or 0 when it is gone already.

    None of another site that shares the table.
    """
    table = session.table
    if isinstance(table, SqlTable):
        rows = table.objects.by_handle(handle).own(ending=True)
        return revoke_each(rows, reason=reason, session=session)
    now, ids = expiry.now_ms(), table.with_handle(handle)
    users = [row and row.user_id for row in (table.find(row_id, now) for row_id in ids)]
    ended: int = delete_for_good(partial(table.remove_many, ids), table.alias)
    for user_id in users:
        tell_revoked(session, handle=handle, user_id=user_id, reason=reason)
    return ended


def _tell(session: SessionBackend, rows: Sequence[Any], reason: Reason) -> None:
    remember(rows, reason)
    with gathered():
        for row in rows:
            handle = session.table.handle_of(bytes(row.pk))
            tell_revoked(session, handle=handle, user_id=row.user_id, reason=reason)
