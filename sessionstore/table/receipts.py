"""What becomes of a write inside a transaction of the caller: learnt from Django, not looked up.

A row that is absent after a block may have been rolled back, or ended by somebody since.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Any, TypeVar

from django.db import connections, transaction


class Fate(Enum):
    """What has become of a transaction's block."""

    OPEN = auto()
    COMMITTED = auto()
    TAKEN_BACK = auto()


C = TypeVar("C")


class AtCommit:
    """A callback of ours for the commit. It stands before those of others in Django's list.

    For Django calls none of those that stand behind one that raises, and an end of a session, or
    what a cache is told of it, must not depend on code that sends a mail.
    """

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback = callback

    def __call__(self) -> None:
        self.callback()


class Receipt:
    """Tells whether what was written in the present block of the caller is there to stay.

    It stands in Django's list of callbacks for the commit, and Django takes it out when it rolls
    the block back, at any depth. Compat: the list, ``connection.run_on_commit``, is not documented;
    a test pins it for each release. The receipt stands first in it: a callback that saves the
    session, or raises, finds that it has been called.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._savepoints = set(connection.savepoint_ids)
        self._is_called = False
        transaction.on_commit(self, using=connection.alias)
        connection.run_on_commit.insert(0, connection.run_on_commit.pop())

    def __call__(self) -> None:
        self._is_called = True

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()  # In another process there is no block to wait for.

    @property
    def fate(self) -> Fate:
        if self._is_called:
            return Fate.COMMITTED
        waiting = any(function is self for _, function, _ in self._connection.run_on_commit)
        return Fate.OPEN if waiting else Fate.TAKEN_BACK

    def covers(self, connection: Any) -> bool:
        """Tell whether it stands for the very block that is open now."""
        is_here = connection is self._connection
        same_block = is_here and set(connection.savepoint_ids) == self._savepoints
        return same_block and self.fate is Fate.OPEN


def at_commit(alias: str, callback: Callable[[], object]) -> None:
    """Call back after the caller's transaction has committed; at once without one.

    At once too where it is managed by hand: there is no hook for that.
    """
    connection: Any = connections[alias]
    if not connection.in_atomic_block:
        callback()
        return
    ours = callback if isinstance(callback, AtCommit) else AtCommit(callback)
    transaction.on_commit(ours, using=alias)
    if not _is_testcase(connection):
        *waiting, mine = connection.run_on_commit
        are_ours = [isinstance(function, Receipt | AtCommit) for _, function, _ in waiting]
        connection.run_on_commit.pop()
        connection.run_on_commit.insert([*are_ours, False].index(False), mine)


def waiting_here(alias: str, kind: type[C]) -> C | None:
    """Return the callback of this kind that waits for the end of the very block that is open."""
    connection: Any = connections[alias]
    if not connection.in_atomic_block or _is_testcase(connection):
        return None
    here = set(connection.savepoint_ids)
    for block, function, _ in connection.run_on_commit:
        if isinstance(function, kind) and block == here:
            return function
    return None


def _is_testcase(connection: Any) -> bool:
    """Tell whether a TestCase has opened the outermost block: other apps' tests count callbacks."""
    return bool(connection.atomic_blocks[0]._from_testcase)


def receipt_for(alias: str, *, last: Receipt | None = None) -> Receipt | None:
    """Return a receipt for a write on ``alias``; ``last`` when that was for the same block.

    None where nothing can be taken back, or nobody tells of it: in autocommit, in a transaction
    that is managed by hand, and in the transaction around a TestCase, whose callbacks are counted
    by the tests of other apps.
    """
    connection: Any = connections[alias]
    if not connection.in_atomic_block or _is_testcase(connection):
        return None
    if last is not None and last.covers(connection):
        return last
    return Receipt(connection)
