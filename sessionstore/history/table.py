"""The table of events: read where it is written, and cleaned up. ``writing`` adds to it."""

from collections.abc import Iterable
from typing import Any

from sessionstore.conf import conf
from sessionstore.core.keys import first_id
from sessionstore.models import SessionEvent
from sessionstore.models.fields import column_in_order
from sessionstore.table.retry import READ, WRITE, attempt
from sessionstore.table.routed import RoutedTable


class EventTable(RoutedTable):
    """Events that are older than SESSIONSTORE_HISTORY, found by their ids, which are by time."""

    model = SessionEvent
    holds = "event"

    def expired(self, before: int, limit: int) -> list[bytes]:
        rows = column_in_order(self._old(before).order_by("pk"), "pk")
        return attempt(self.alias, READ, lambda: [bytes(pk) for pk in rows[:limit]])

    def remove_many(self, keys: Iterable[bytes], *, expired_before: int) -> int:
        rows = self._old(expired_before).filter(pk__in=sorted(keys))
        return int(attempt(self.alias, WRITE, rows.remove))

    def count_expired(self, before: int) -> int:
        return int(attempt(self.alias, READ, self._old(before).count))

    def _old(self, before: int) -> Any:
        return self.objects.filter(pk__lt=first_id(before - (conf.history_ms or 0)))


events = EventTable()
