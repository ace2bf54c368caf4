"""The table that sessions are adopted from, as the verbs that a clean-up needs."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DjangoSessionStore
from django.db.models import Model

from sessionstore.cleaning import Clearable
from sessionstore.conf import conf
from sessionstore.conf.zones import shown
from sessionstore.core import expiry
from sessionstore.history.table import EventTable
from sessionstore.moving.old_engine import old_engine
from sessionstore.table.retry import READ, WRITE, attempt
from sessionstore.table.routed import RoutedTable


class OldTable(RoutedTable):
    """A table with ``expire_date``: Django's own, and those of engines built on its model."""

    def __init__(self, model: type[Model]) -> None:
        self.model = model

    def expired(self, before: int, limit: int) -> list[Any]:
        """Return at most ``limit`` primary keys that expired before ``before`` (milliseconds)."""
        keys = self._expired(before).order_by("expire_date").values_list("pk", flat=True)
        return attempt(self.alias, READ, lambda: list(keys[:limit]))

    def remove_many(self, keys: Iterable[Any], *, expired_before: int) -> int:
        """Delete rows by primary key, if they still are expired."""
        rows = self._expired(expired_before).filter(pk__in=sorted(keys))
        return int(attempt(self.alias, WRITE, lambda: rows._raw_delete(self.alias)))

    def count_expired(self, before: int) -> int:
        return int(attempt(self.alias, READ, self._expired(before).count))

    def _expired(self, before: int) -> Any:
        return self.objects.filter(expire_date__lt=shown(expiry.to_datetime(before)))


def tables_to_clear(store: Any) -> Iterator[Clearable]:
    """Yield the table of an engine, then those that its sessions come from or leave to.

    Ours stands first, so it is cleared whatever becomes of the others: the model of an app that is
    not installed any more raises RuntimeError.
    """
    yield store.get_table()
    goal = store.get_model_class() if issubclass(store, DjangoSessionStore) else None
    if goal is not None:
        yield OldTable(goal)
    if conf.history_ms is not None:
        yield EventTable()
    origin = old_engine(conf.adopt_from).model if conf.adopt_from else None
    # A site that leaves for the table that it came from has only one of them.
    if origin is not None and origin is not goal:
        yield OldTable(origin)
