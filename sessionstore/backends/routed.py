"""A model's table on the database that the routers, or a command, name for it."""

import copy
from typing import Self

from django.db import connections, router
from django.db.models import Model

# One statement takes so many ids: more would hold locks for too long.
BATCH = 500
# A write to SQLite holds up every other one.
BATCH_ON_SQLITE = 200


class RoutedTable:
    """Asks the routers for the write database each time, unless it was told one."""

    model: type[Model]
    _fixed_alias: str | None = None

    @property
    def alias(self) -> str:
        return self._fixed_alias or router.db_for_write(self.model)

    @property
    def batch_size(self) -> int:
        """How many rows one transaction of a clean-up deletes."""
        return BATCH_ON_SQLITE if connections[self.alias].vendor == "sqlite" else BATCH

    def using(self, alias: str) -> Self:
        """Answer the same table on the database ``alias``, whatever the routers say."""
        rows = copy.copy(self)
        rows._fixed_alias = alias
        return rows

    @property
    def table(self) -> str:
        return self.model._meta.db_table
