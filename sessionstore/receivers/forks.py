"""A process that forks: what its children must not have in common with it."""

import os
import sys
from typing import Any

from django.db import connections

# Whose connections lead to a server, which would answer whoever asks by them. SQLite is a file.
_SERVERS = {"mysql", "postgresql"}
# What a child must not end: drivers bid the server farewell, and pools wait for threads that a
# child has not.
_kept: list[Any] = []
_is_connected = False


def connect_forks() -> None:
    """Let each child of this process connect for itself."""
    global _is_connected  # noqa: PLW0603 - the hook of a process cannot be taken back
    if not _is_connected and hasattr(os, "register_at_fork"):
        _is_connected = True
        os.register_at_fork(after_in_child=_leave_to_the_parent)


def _leave_to_the_parent() -> None:
    """Forget psycopg's pools, and the connections that the thread which forked had open.

    Security: a server that preloads the site forks after its modules were imported. When one of
    them has asked the database, all workers would write to that one connection and read each
    other's answers: the session and the user of somebody else.

    A transaction is the parent's own doing, and it may mean the child to see it.
    """
    postgresql = sys.modules.get("django.db.backends.postgresql.base")
    if postgresql is not None:
        # The process's: another thread may have opened what this one has never asked.
        pools: dict[str, Any] = postgresql.DatabaseWrapper._connection_pools
        _kept.extend(pools.values())
        pools.clear()
    for connection in connections.all(initialized_only=True):
        if connection.vendor in _SERVERS and not connection.in_atomic_block:
            _kept.append(connection.connection)
            connection.connection = None
