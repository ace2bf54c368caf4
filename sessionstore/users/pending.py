"""Ends of sessions that wait until the change of an account is there to stay.

All accounts that one block of the caller changes end together: a queryset that deletes 2,000 users
costs a few statements more, not a few for each.
"""

from collections.abc import Mapping
from typing import Any

from django.db import connections

from sessionstore.session.store import SessionBackend
from sessionstore.signals import Reason
from sessionstore.table.receipts import AtCommit, at_commit
from sessionstore.users.revocation import revoke_all_of, revoke_all_of_each


def end_after_commit(user_id: str, using: str, reason: Reason, *, at_work: Any = None) -> None:
    """End the sessions of a user once the change on ``using`` is committed: no rollback ends any.

    A session ``at_work`` stays, if it is this user's own.
    """
    connection: Any = connections[using]
    if connection.in_atomic_block:
        _ends_of(connection).add(user_id, reason, at_work)
    else:
        _end(reason, {user_id: at_work})


class _Ends:
    """The users whose sessions end with one block, and why: a callback for its commit.

    Like a receipt it stands in Django's list, which drops it when the block is rolled back.
    """

    def __init__(self) -> None:
        self._users: dict[Reason, dict[str, Any]] = {}

    def add(self, user_id: str, reason: Reason, at_work: Any) -> None:
        self._users.setdefault(reason, {})[user_id] = at_work

    def __call__(self) -> None:
        for reason, users in self._users.items():
            _end(reason, users)


def _ends_of(connection: Any) -> _Ends:
    """Return what ends with the block that is open now."""
    waiting, savepoints = connection.run_on_commit, set(connection.savepoint_ids)
    # Compat: around a TestCase callbacks are told apart by their place, and run without a commit.
    is_real = not connection.atomic_blocks[0]._from_testcase
    for block, ours, _ in waiting if is_real else ():
        if isinstance(ours, AtCommit) and isinstance(ours.callback, _Ends) and block == savepoints:
            return ours.callback
    ends = _Ends()
    at_commit(connection.alias, ends)
    return ends


def _end(reason: Reason, users: Mapping[str, Any]) -> None:
    """End all but the session in which a user changes the own password.

    Its row is asked for at the commit: the key may have been changed meanwhile.
    """
    strangers = []
    for user_id, at_work in users.items():
        if isinstance(at_work, SessionBackend) and at_work.user_id == user_id:
            revoke_all_of(user_id, reason=reason, but=at_work.row_id)
        else:
            strangers.append(user_id)
    revoke_all_of_each(strangers, reason=reason)
