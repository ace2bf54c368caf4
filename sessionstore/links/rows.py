"""The table of links: link a session, find the sessions of a name, forget what is gone."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from django.db import DatabaseError

from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.links.names import Name
from sessionstore.models import Link
from sessionstore.models.links import ISSUER_LENGTH
from sessionstore.table.faults import is_missing_table
from sessionstore.table.refusals import lacks_right
from sessionstore.table.retry import READ, WRITE, attempt
from sessionstore.table.routed import RoutedTable


class LinkTable(RoutedTable):
    """The rows of ``models.Link``. A session is named by the 16 bytes that its handle spells."""

    model = Link
    holds = "link"

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

    def sessions_of(
        self, names: Iterable[Name], *, linked_until_ms: int | None = None
    ) -> list[bytes]:
        """Return the ids of the sessions that all of these names mean, whether or not they live.

        With a moment only of those that were linked by then.
        """
        found: set[bytes] | None = None
        for name in names:
            rows = self.objects.filter(digest__in=name.digests(conf.secrets))
            if linked_until_ms is not None:
                rows = rows.filter(created_at__lte=linked_until_ms)
            ids = rows.values_list("session_id", flat=True)
            meant = set(map(bytes, attempt(self.alias, READ, partial(list, ids))))
            found = meant if found is None else found & meant
        return sorted(found or ())

    def of_sessions(self, session_ids: Sequence[bytes]) -> list[Link]:
        """Return the links of these sessions, the oldest first."""
        rows = self.objects.filter(session_id__in=sorted(session_ids)).order_by("pk")
        return attempt(self.alias, READ, lambda: list(rows))

    def move(self, session_id: bytes, to: bytes) -> None:
        """Link to another id what was linked to this one."""
        rows = self.objects.filter(session_id=session_id)
        attempt(self.alias, WRITE, lambda: rows.update(session_id=to))

    def forget(self, session_ids: Sequence[bytes]) -> int:
        """Delete the links of sessions that have ended; return how many."""
        if not session_ids:
            return 0
        rows = self.objects.filter(session_id__in=sorted(session_ids))
        return int(attempt(self.alias, WRITE, lambda: rows._raw_delete(self.alias)))

    def settled_after(self, last: int, size: int, before_ms: int) -> list[tuple[int, bytes]]:
        """Return the next links that were made before a moment: primary keys and sessions."""
        old = self.objects.filter(pk__gt=last, created_at__lt=before_ms)
        columns = old.order_by("pk").values_list("pk", "session_id")[:size]
        page: list[tuple[int, Any]] = attempt(self.alias, READ, lambda: list(columns))
        return [(pk, bytes(one)) for pk, one in page]

    def remove_many(self, keys: Iterable[int]) -> int:
        """Delete links by primary key."""
        rows = self.objects.filter(pk__in=sorted(keys))
        return int(attempt(self.alias, WRITE, lambda: rows._raw_delete(self.alias)))

    def is_used(self) -> bool:
        """Tell whether anything is linked.

        Nothing is where there is no table, or none that may be read.
        """
        try:
            return bool(attempt(self.alias, READ, self.objects.exists))
        except DatabaseError as error:
            if is_missing_table(error) or lacks_right(error):
                return False
            raise


links = LinkTable()
