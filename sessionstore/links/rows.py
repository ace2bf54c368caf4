"""The table of links: link a session, find the sessions of a name, forget what is gone."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.links.names import Name
from sessionstore.models import Link
from sessionstore.models.links import ISSUER_LENGTH
from sessionstore.table.retry import READ, WRITE, attempt
from sessionstore.table.routed import RoutedTable

# The row of a session may be in a transaction that has yet to commit: it is looked for later.
SETTLED_MS = expiry.DAY_MS
# Returns which of these sessions are there.
Present = Callable[[Sequence[bytes]], set[bytes]]


class LinkTable(RoutedTable):
    """The rows of ``models.Link``. A session is named by the 16 bytes that its handle spells."""

    model = Link

    def add(self, names: Iterable[Name], session_id: bytes, user_id: str | None) -> None:
        """Link a session to names; one that it has already stays as it is. One INSERT."""
        now = expiry.now_ms()
        rows: list[Any] = [
            Link(
                digest=name.digest(conf.secrets[0]),
                session_id=session_id,
                user_id=user_id,
                issuer=name.issuer[:ISSUER_LENGTH],
                created_at=now,
            )
            for name in names
        ]
        attempt(self.alias, WRITE, lambda: self.objects.bulk_create(rows, ignore_conflicts=True))

    def sessions_of(self, names: Iterable[Name]) -> list[bytes]:
        """Return the ids of the sessions that all of these names mean, whether or not they live."""
        found: set[bytes] | None = None
        for name in names:
            rows = self.objects.filter(digest__in=name.digests(conf.secrets))
            ids = rows.values_list("session_id", flat=True)
            meant = set(map(bytes, attempt(self.alias, READ, partial(list, ids))))
            found = meant if found is None else found & meant
        return sorted(found or ())

    def of_sessions(self, session_ids: Sequence[bytes]) -> list[Link]:
        """Return the links of these sessions, the oldest first."""
        rows = self.objects.filter(session_id__in=sorted(session_ids)).order_by("pk")
        return attempt(self.alias, READ, lambda: list(rows))

    def forget(self, session_ids: Sequence[bytes]) -> int:
        """Delete the links of sessions that have ended; return how many."""
        if not session_ids:
            return 0
        rows = self.objects.filter(session_id__in=sorted(session_ids))
        return int(attempt(self.alias, WRITE, lambda: rows._raw_delete(self.alias)))

    def forget_gone(self, after: int, size: int, present: Present) -> tuple[int, int, int]:
        """Look at the next ``size`` links and delete those whose sessions are gone.

        Return the last one's primary key, how many were looked at, and how many are deleted. Young
        ones stay: that a session is not found yet is no evidence.
        """
        old = self.objects.filter(pk__gt=after, created_at__lt=expiry.now_ms() - SETTLED_MS)
        columns = old.order_by("pk").values_list("pk", "session_id")[:size]
        page = attempt(self.alias, READ, lambda: [(pk, bytes(one)) for pk, one in columns])
        if not page:
            return after, 0, 0
        here = present(sorted({session_id for _, session_id in page}))
        gone = [pk for pk, session_id in page if session_id not in here]
        rows = self.objects.filter(pk__in=gone)
        deleted = attempt(self.alias, WRITE, lambda: rows._raw_delete(self.alias)) if gone else 0
        return page[-1][0], len(page), int(deleted)


links = LinkTable()
