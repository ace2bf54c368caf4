"""Repeats what a database failed to do, within strict limits (ASVS 13.1.3, 15.4.3)."""

import contextlib
import logging
import random
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from traceback import clear_frames
from typing import TypeVar, TypeVarTuple

from django.db import DatabaseError, InterfaceError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from sessionstore import telemetry
from sessionstore.core import journal
from sessionstore.core.keys import handle_of
from sessionstore.exceptions import SessionStoreUnavailable
from sessionstore.table.faults import Fault, classify, code_of

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
E = TypeVar("E", bound=SessionStoreUnavailable)
logger = logging.getLogger("sessionstore")

_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _TOTAL_S = 0.010, 0.200, 2.0
# How many connections broke under the statements of this context: whoever repeats a
# read-modify-write has to know whether its own write may have arrived.
_losses: ContextVar[int] = ContextVar("sessionstore_losses", default=0)


# How often an operation is tried, the first time counted.
READ, WRITE = 3, 5


def losses() -> int:
    """Return how many connections have broken under the statements of this context so far."""
    return _losses.get()


def in_transaction(alias: str) -> bool:
    """Tell whether a failed statement would take other work with it; never connects."""
    return is_in_transaction(connections[alias])


def is_in_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Tell the same of a connection."""
    if connection.connection is None:
        return connection.in_atomic_block or not connection.settings_dict["AUTOCOMMIT"]
    return connection.in_atomic_block or not connection.autocommit


def attempt(
    alias: str, tries: int, operation: Callable[[*Ts], T], *args: *Ts, row: bytes | None = None
) -> T:
    """Run ``operation``, up to ``tries`` times where that can help, and return what it returns.

    A transient error repeats on the same connection, a lost one on a new one; where no connection
    is to be had, since nobody is there or lets us in, it is tried once more. Inside a transaction
    nothing repeats: the server may have rolled back the caller's own work, and the original error
    goes up. Permanent errors go up at once. Raises SessionStoreUnavailable when the tries or the 2
    seconds are used up, and from then on at once until the request ends. ``row`` is the id that
    log records name.
    """
    events = journal.current()
    if events is not None and events.gave_up is not None:
        raise events.gave_up
    ends_at = time.monotonic() + _TOTAL_S
    try:
        return operation(*args)
    except (DatabaseError, InterfaceError) as error:
        if in_transaction(alias):
            raise
        failed = _Failed(alias, tries, error, row, ends_at)
    return _again(failed, partial(operation, *args))


@dataclass(slots=True)
class _Failed:
    """An operation that failed, and what is left to it."""

    alias: str
    tries: int
    error: DatabaseError | InterfaceError
    row: bytes | None
    ends_at: float


def _again(failed: _Failed, operation: Callable[[], T]) -> T:
    for tried in range(1, failed.tries + 1):
        fault = _fault(failed.alias, failed.error)
        if fault is Fault.PERMANENT:
            raise failed.error
        pause = jitter(tried)
        if _has_no_connection(failed.alias, fault):
            # Once more: all who wait would ask at once, again and again.
            failed.tries = min(failed.tries, tried + 1)
            pause = jitter(tried, first=_LONGEST_PAUSE_S)
        if fault is Fault.LOST:
            _reconnect(failed.alias, check_pool=tried == 1)
        if tried >= failed.tries or time.monotonic() + pause >= failed.ends_at:
            break
        _tell_retry(failed, fault, tried + 1)
        let_go(failed.error)
        time.sleep(pause)
        try:
            return operation()
        except (DatabaseError, InterfaceError) as again:
            failed.error = again
    raise _gave_up(failed) from failed.error


def _tell_retry(failed: _Failed, fault: Fault, number: int) -> None:
    """Tell of each repeated try, at this one place. Security: codes only, texts hold digests."""
    code = code_of(failed.error)
    telemetry.retried(fault.value, code)
    logger.info(
        "Database error %s, try %d of %d, session %s",
        code,
        number,
        failed.tries,
        _name(failed),
    )


def _gave_up(failed: _Failed) -> SessionStoreUnavailable:
    code = code_of(failed.error)
    telemetry.gave_up(code)
    logger.error("Gave up on the session table: database error %s, session %s", code, _name(failed))
    error = unavailable(f"The session table is not available (database error {code}).")
    events = journal.current()
    if events is not None:
        events.gave_up = error
    return error


def _name(failed: _Failed) -> str:
    return handle_of(failed.row) if failed.row else "-"


def unavailable(message: str) -> SessionStoreUnavailable:
    """Return the error to raise, noted for the middleware."""
    return noted(SessionStoreUnavailable(message))


def noted(error: E) -> E:
    """Return ``error``, noted for the middleware: an error page becomes a 503."""
    events = journal.current()
    if events is not None:
        events.failure = error
    return error


def let_go(error: BaseException) -> None:
    """Free the cursor that the frames of a failed statement hold, here and now.

    Django's wrapper of database errors leaves a circle of references. When another thread's
    garbage collection finds the SQLite cursor in it, that thread waits for this connection, which
    may be waiting for that thread's write lock.
    """
    cause: BaseException | None = error
    while cause is not None:
        clear_frames(cause.__traceback__)
        cause = cause.__cause__


def jitter(
    tried: int, *, first: float = _FIRST_PAUSE_S, longest: float = _LONGEST_PAUSE_S
) -> float:
    """Return a random pause in seconds: full jitter of `first` x 2^`tried`, up to `longest`."""
    longest = min(first * 2**tried, longest)
    return random.uniform(0, longest)  # noqa: S311 - spreads load, keeps no secret


def _fault(alias: str, error: BaseException) -> Fault:
    raw = connections[alias].connection
    return classify(error, connection_closed=bool(getattr(raw, "closed", False)))


def _has_no_connection(alias: str, fault: Fault) -> bool:
    """Tell whether none was to be had: the server, or its pool, lets nobody in or is not there."""
    if fault is Fault.LOST:
        return connections[alias].connection is None
    return fault is Fault.FULL


def _reconnect(alias: str, *, check_pool: bool) -> None:
    _losses.set(_losses.get() + 1)
    connection = connections[alias]
    # A driver may refuse to close what is closed already; Django forgets the connection anyway.
    with contextlib.suppress(DatabaseError, InterfaceError):
        connection.close()
    # psycopg's pool hands out dead connections one after the other: its check drops them all.
    pool = getattr(connection, "pool", None) if check_pool else None
    if pool is not None:
        pool.check()
