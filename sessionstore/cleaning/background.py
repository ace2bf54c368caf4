"""SESSIONSTORE_CLEANUP_INTERVAL: clean-up by a thread of a web process, for sites without cron."""

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterable

from django.db import connections

from sessionstore.conf import conf
from sessionstore.faults import code_of

from .batches import Pace, clear_expired
from .table import Table

logger = logging.getLogger("sessionstore")
# Spreads the processes of a site over the interval.
_JITTER = 0.2
Tables = Callable[[], Iterable[Table]]


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

    def start(self, tables: Tables) -> None:
        """Start the thread unless it runs or is not wanted; a request may call this each time."""
        if self._thread is not None or conf.cleanup_interval_ms is None:
            return
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, args=(tables,), name="sessionstore-cleanup", daemon=True
                )
                self._thread.start()

    def _run(self, tables: Tables) -> None:
        # The first time comes early for some, so that processes that do not live long clean too.
        earliest = 0.0
        while (interval := conf.cleanup_interval_ms) is not None:
            time.sleep(random.uniform(earliest, 1 + _JITTER) * interval / 1000)  # noqa: S311 - spreads load
            clear_once(tables, max_seconds=interval / 1000)
            earliest = 1 - _JITTER
        self._thread = None


def clear_once(tables: Tables, *, max_seconds: float) -> None:
    """Clear the tables; never raises."""
    try:
        for rows in tables():
            clear_expired(rows, pace=Pace(max_seconds=max_seconds))
    except Exception as error:  # noqa: BLE001 - the process answers requests
        # Security: a driver's message may hold data of a row.
        logger.warning("Clean-up failed: %s (%s)", type(error).__name__, code_of(error))
    finally:
        connections.close_all()


cleaner = BackgroundCleaner()
