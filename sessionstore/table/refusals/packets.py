"""A statement that MySQL does not take, for it is larger than max_allowed_packet.

The server says so and hangs up; while the client is still sending, it is told of the latter alone.
"""

from collections.abc import Iterable
from contextlib import closing, suppress
from typing import Final

from django.db import DatabaseError, InterfaceError, connections

from sessionstore.exceptions import SessionTooLarge
from sessionstore.table.faults import code_of

_TOO_LARGE: Final = 1153
_HUNG_UP: Final = (2006, 2013)
# What each server takes as it comes; below it a lost connection is a lost connection.
_ALWAYS_TAKEN: Final = 2**20
_REST_OF_STATEMENT: Final = 2**10
_ESCAPED: Final = (b"\0", b"\n", b"\r", b"\\", b"'", b'"', b"\x1a")


def refuse_too_large(alias: str, error: BaseException, values: Iterable[object]) -> None:
    """Raise SessionTooLarge where that is what an error means: no repeated try would help."""
    code, connection = code_of(error), connections[alias]
    if connection.vendor != "mysql" or code not in (_TOO_LARGE, *_HUNG_UP):
        return
    size = sum(map(_size, values))
    packet = _packet(alias) if size > _ALWAYS_TAKEN or code == _TOO_LARGE else None
    if packet is not None and size + _REST_OF_STATEMENT > packet:
        if not connection.in_atomic_block:
            with suppress(DatabaseError, InterfaceError):
                connection.close()
        raise SessionTooLarge(size=size, limit=packet) from error


def _size(value: object) -> int:
    """Return how many bytes a value takes in a statement, where some are escaped."""
    data = value.encode(errors="replace") if isinstance(value, str) else value
    if not isinstance(data, bytes):
        return 0
    return len(data) + sum(map(data.count, _ESCAPED))


def _packet(alias: str) -> int | None:
    """Return the limit; by a connection of its own, for that of the statement is broken."""
    try:
        with closing(connections[alias].copy()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT @@max_allowed_packet")
            return int(cursor.fetchone()[0])
    except (DatabaseError, InterfaceError):
        return None
