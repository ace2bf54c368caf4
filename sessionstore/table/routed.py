"""A model's table on the database that the routers, or a command, name for it."""

import copy
from typing import Any, Self

from django.db import connections, router
from django.db.models import Model

# One statement takes so many ids: more would hold locks for too long.
BATCH = 500
# A write to SQLite holds up every other one.
BATCH_ON_SQLITE = 200
# Seconds between two batches, at least.
PAUSE_S = 0.020
# InnoDB's DELETE only marks rows. It takes them out and merges pages after it has answered, so how
# long a batch took does not tell how much work it made (docs/operations.md has the figures).
PAUSE_ON_INNODB_S = 0.080


class RoutedTable:
    """Asks the routers for the write database each time, unless it was told one."""

    model: type[Model]
    _fixed_alias: str | None = None

    @property
    def alias(self) -> str:
        return self._fixed_alias or router.db_for_write(self.model)

    @property
    def objects(self) -> Any:
        """Answer all rows as a queryset where they are written: a replica may lag."""
        return self.model._default_manager.using(self.alias)

    @property
    def batch_size(self) -> int:
        """How many rows one transaction of a clean-up deletes."""
        return BATCH_ON_SQLITE if connections[self.alias].vendor == "sqlite" else BATCH

    @property
    def pause_s(self) -> float:
        """How long a clean-up waits between two transactions, at least."""
        return PAUSE_ON_INNODB_S if connections[self.alias].vendor == "mysql" else PAUSE_S

    def using(self, alias: str) -> Self:
        """Answer the same table on the database ``alias``, whatever the routers say."""
        rows = copy.copy(self)
        rows._fixed_alias = alias
        return rows

    @property
    def table(self) -> str:
        return self.model._meta.db_table
