"""SESSIONSTORE_CLEANUP_INTERVAL: clean-up by a thread of a web process, for sites without cron."""

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterable

from django.db import connections

from sessionstore.cleaning.batches import Pace, clear_expired
from sessionstore.cleaning.clearable import Clearable
from sessionstore.conf import conf
from sessionstore.core import expiry
from sessionstore.table.faults import code_of
from sessionstore.table.schemas import in_each_schema

logger = logging.getLogger("sessionstore")
# Spreads the processes of a site over the interval.
_JITTER = 0.2
# Above it, time.sleep() may overflow.
_LONGEST_MS = 365 * expiry.DAY_MS
# When a process could have no further thread, the next request could not have one either.
_RETRY_S = 60
Tables = Callable[[], Iterable[Clearable]]


class BackgroundCleaner:
    """One thread in each process that answers requests.

    It starts at the first request: not in a command, and not in a master process that forks its
    workers later. Of all processes one cleans at a time, the others find its lock and sleep on.
    Whatever goes wrong is logged, and tried again an interval later.
    """

    def __init__(self) -> None:
        self._forget()
        if hasattr(os, "register_at_fork"):
            # A thread does not survive a fork, and a lock may be held for ever in the child.
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._not_before_s = 0.0

    def start(self, tables: Tables) -> None:
        """Start the thread unless it runs or is not wanted; a request may call this each time.

        A process that can have no further thread still answers its request.
        """
        if conf.cleanup_interval_ms is None or self._is_running():
            return
        with self._starting:
            if self._is_running() or time.monotonic() < self._not_before_s:
                return
            thread = threading.Thread(
                target=self._run, args=(tables,), name="sessionstore-cleanup", daemon=True
            )
            try:
                thread.start()
            except RuntimeError as error:
                self._not_before_s = time.monotonic() + _RETRY_S
                logger.warning("No thread for the clean-up: %s", error)
                return
            self._thread = thread

    def _is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _run(self, tables: Tables) -> None:
        # The first time comes early for some, so that processes that do not live long clean too.
        earliest = 0.0
        while (interval := conf.cleanup_interval_ms) is not None:
            seconds = min(interval, _LONGEST_MS) / 1000
            time.sleep(random.uniform(earliest, 1 + _JITTER) * seconds)  # noqa: S311 - spreads load
            clear_once(tables, max_seconds=seconds)
            earliest = 1 - _JITTER


def clear_once(tables: Tables, *, max_seconds: float) -> None:
    """Clear the tables one after the other, up to the first that fails; never raises."""
    try:
        for rows in tables():
            for _ in in_each_schema(rows.alias, rows.table):
                clear_expired(rows, pace=Pace(max_seconds=max_seconds))
    except Exception as error:  # noqa: BLE001 - the process answers requests
        # Security: a driver's message may hold data of a row.
        logger.warning("Clean-up failed: %s (%s)", type(error).__name__, code_of(error))
    finally:
        connections.close_all()


cleaner = BackgroundCleaner()
