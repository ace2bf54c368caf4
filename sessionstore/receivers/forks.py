"""A process that forks: what its children must not have in common with it."""

import os
import sys
from typing import Any

from django.db import connections


def connect_forks() -> None:
    """Let each child of this process connect for itself."""
    global _is_connected  # noqa: PLW0603 - the hook of a process cannot be taken back
    if not _is_connected and hasattr(os, "register_at_fork"):
        _is_connected = True
        os.register_at_fork(after_in_child=_leave_to_the_parent)


_is_connected = False


def _leave_to_the_parent() -> None:
    """Forget psycopg's pools, and the connections that the thread which forked had open.

    Security: a server that preloads the site forks after its modules were imported. When one of
    them has asked the database, all workers would write to that one connection and read each
    other's answers: the session and the user of somebody else.

    A transaction is the parent's own doing, and it may mean the child to see it. SQLite has no
    server.
    """
    postgresql = sys.modules.get("django.db.backends.postgresql.base")
    if postgresql is not None:
        pools = postgresql.DatabaseWrapper._connection_pools
        _kept.append(dict(pools))
        pools.clear()
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block or connection.vendor == "sqlite":
            continue
        if connection.connection is not None:
            _hang_up(connection.connection)
            connection.connection = None


# A pool waits for its threads when it ends, which are not in the child.
_kept: list[dict[str, Any]] = []


def _hang_up(driver: Any) -> None:
    """Part a driver's connection from its socket: mysqlclient would bid the server farewell."""
    if hasattr(driver, "fileno"):
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, driver.fileno())
        os.close(nowhere)
