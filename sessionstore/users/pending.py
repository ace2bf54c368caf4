"""Ends of sessions that wait until the change of an account is there to stay.

All accounts that one block of the caller changes end together: a queryset that deletes 2,000 users
costs a few statements more, not a few for each.
"""

from collections.abc import Mapping
from typing import Any

from sessionstore.session.store import SessionBackend
from sessionstore.signals import Reason
from sessionstore.table.receipts import AtCommit, at_commit, waiting_here
from sessionstore.users.revocation import revoke_all_of, revoke_all_of_each


def end_after_commit(user_id: str, using: str, reason: Reason, *, at_work: Any = None) -> None:
    """End the sessions of a user once the change on ``using`` is committed: no rollback ends any.

    A session ``at_work`` stays, if it is this user's own.
    """
    ends = waiting_here(using, _Ends)
    if ends is not None:
        ends.add(user_id, reason, at_work)
        return
    ends = _Ends()
    ends.add(user_id, reason, at_work)
    at_commit(using, ends)


class _Ends(AtCommit):
    """The users whose sessions end with one block, and why: a callback for its commit.

    Like a receipt it stands in Django's list, which drops it when the block is rolled back.
    """

    def __init__(self) -> None:
        super().__init__(self._end_all)
        self._users: dict[Reason, dict[str, Any]] = {}

    def add(self, user_id: str, reason: Reason, at_work: Any) -> None:
        self._users.setdefault(reason, {})[user_id] = at_work

    def _end_all(self) -> None:
        for reason, users in self._users.items():
            _end(reason, users)


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
