"""Repeats what a database failed to do, within strict limits (ASVS 13.1.3, 15.4.3)."""

import logging
import random
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from django.db import DatabaseError, InterfaceError, connections

from sessionstore import telemetry
from sessionstore.exceptions import SessionStoreUnavailable
from sessionstore.faults import Fault, classify, code_of

T = TypeVar("T")
logger = logging.getLogger("sessionstore")

_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _TOTAL_S = 0.010, 0.200, 2.0
# How many connections broke under the statements of this context: who repeats a read-modify-write
# has to know whether its own write may have arrived.
_losses: ContextVar[int] = ContextVar("sessionstore_losses", default=0)


@dataclass(frozen=True, slots=True)
class Limit:
    tries: int


READ, WRITE = Limit(tries=3), Limit(tries=5)


def losses() -> int:
    return _losses.get()


def in_transaction(alias: str) -> bool:
    """Tell whether a failed statement would take other work with it."""
    connection = connections[alias]
    return connection.in_atomic_block or not connection.get_autocommit()


def attempt(alias: str, limit: Limit, operation: Callable[[], T]) -> T:
    """Run ``operation``, again where that can help, and answer what it answers.

    A transient error repeats on the same connection, a lost one on a new one. Inside a transaction
    nothing repeats: the server may have rolled back the caller's own work, and the original error
    goes up. Permanent errors go up at once. Raises SessionStoreUnavailable when the tries or the
    2 seconds are used up.
    """
    try:
        return operation()
    except (DatabaseError, InterfaceError) as error:
        if in_transaction(alias):
            raise
        return _again(alias, limit, operation, error)


def _again(
    alias: str, limit: Limit, operation: Callable[[], T], error: DatabaseError | InterfaceError
) -> T:
    ends_at = time.monotonic() + _TOTAL_S
    for tried in range(1, limit.tries + 1):
        fault = _fault(alias, error)
        if fault is Fault.PERMANENT:
            raise error
        if fault is Fault.LOST:
            _reconnect(alias)
        pause = jitter(tried)
        if tried == limit.tries or time.monotonic() + pause >= ends_at:
            break
        logger.info("Database error %s, try %d of %d", code_of(error), tried + 1, limit.tries)
        telemetry.retried(fault.value, code_of(error))
        time.sleep(pause)
        try:
            return operation()
        except (DatabaseError, InterfaceError) as again:
            error = again
    code = code_of(error)
    telemetry.gave_up(code)
    logger.error("Gave up on the session table: database error %s", code)
    message = f"The session table is not available (database error {code})."
    raise SessionStoreUnavailable(message) from error


def jitter(tried: int) -> float:
    """Answer a random pause in seconds: full jitter of 10 ms x 2^n, up to 200 ms."""
    longest = min(_FIRST_PAUSE_S * 2**tried, _LONGEST_PAUSE_S)
    return random.uniform(0, longest)  # noqa: S311 - spreads load, keeps no secret


def _fault(alias: str, error: BaseException) -> Fault:
    raw = connections[alias].connection
    return classify(error, connection_closed=bool(getattr(raw, "closed", False)))


def _reconnect(alias: str) -> None:
    _losses.set(_losses.get() + 1)
    connection = connections[alias]
    connection.close()
    # psycopg's pool hands out dead connections one after the other: its check drops them all.
    pool = getattr(connection, "pool", None)
    if pool is not None:
        pool.check()
