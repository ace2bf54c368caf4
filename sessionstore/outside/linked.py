"""Ends the sessions that a name from outside means, and forgets links of those that are gone."""

from collections.abc import Iterable, Sequence
from functools import cached_property, partial
from typing import Any

from sessionstore.core import expiry
from sessionstore.core.keys import handle_of
from sessionstore.links.names import Name
from sessionstore.links.rows import LinkTable, links
from sessionstore.session.store import SessionBackend
from sessionstore.signals import Reason
from sessionstore.table.routed import BATCH, parts
from sessionstore.table.rows import SqlTable
from sessionstore.users.revocation import revoke_each, revoke_named, site_session

# The row of a session may be in a transaction that has yet to commit: it is looked for later.
SETTLED_MS = expiry.DAY_MS
# A login may link a session meanwhile; a flood of them must end the loop too.
_ROUNDS = 100


def end_linked(
    *names: Name,
    reason: Reason,
    linked_until_ms: int | None = None,
    session: SessionBackend | None = None,
) -> int:
    """End every session that all of these names mean; return how many.

    None of another site that shares the table, and with a moment none that was linked later. Looks
    again until a look ends nothing. ``session`` is any of the engine to use; the site's, when it is
    not given.
    """
    session, ended = session or site_session(), 0
    if session is None:
        return 0
    for _ in range(_ROUNDS):
        ids = links.sessions_of(names, linked_until_ms=linked_until_ms)
        in_round = sum(_end(session, part, reason) for part in parts(ids))
        ended += in_round
        if not in_round:
            break
    return ended


def _end(session: SessionBackend, session_ids: Sequence[bytes], reason: Reason) -> int:
    if not isinstance(session.table, SqlTable):
        end = partial(revoke_named, reason=reason, session=session)
        gone = [one for one in session_ids if end(handle_of(one))]
        links.forget(gone)
        return len(gone)
    rows = session.table.objects.filter(pk__in=session_ids)
    found = rows.only("user_id", "digest", "expires_at").own(ending=True)
    ended = revoke_each(found, reason=reason, session=session)
    # Not those of a row that was not found: it may be about to be committed.
    links.forget([bytes(row.pk) for row in found])
    return ended


class GoneLinks(LinkTable):
    """The links of sessions that are gone, as the verbs that a clean-up needs.

    ``sessions`` is the table of the site's engine, which has all sessions that are linked. That a
    session is not there is no evidence before a day has passed: its row may be in a transaction
    that has yet to commit.
    """

    def __init__(self, sessions: Any) -> None:
        self._sessions = sessions
        self._last = 0

    def expired(self, before: int, limit: int) -> list[int]:
        """Return the next ``limit`` of them, as far as they are a day older than ``before``.

        Begins anew after the last: there is a table in each schema.
        """
        gone: list[int] = []
        if not self._last and not self.is_used():
            return gone
        while len(gone) < limit:
            page = self.settled_after(self._last, limit - len(gone), before - SETTLED_MS)
            if not page:
                self._last = 0
                break
            here = self._present({session_id for _, session_id in page})
            gone += [pk for pk, session_id in page if session_id not in here]
            self._last = page[-1][0]
        return gone

    def remove_many(self, keys: Iterable[int], *, expired_before: int = 0) -> int:  # noqa: ARG002 - gone is gone
        return super().remove_many(keys)

    def count_expired(self, before: int) -> int:
        count, found = 0, BATCH
        while found == BATCH:
            found = len(self.expired(before, BATCH))
            count += found
        return count

    def _present(self, session_ids: set[bytes]) -> set[bytes]:
        if isinstance(self._sessions, SqlTable):
            return self._sessions.present(session_ids)
        return self._shown & session_ids

    @cached_property
    def _shown(self) -> set[bytes]:
        """What stands for the sessions of a table that finds none by that: read once."""
        return set(self._sessions.shown_ids())
