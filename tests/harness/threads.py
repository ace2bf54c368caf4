"""Real threads that start at the same moment."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from django.core.cache import caches
from django.db import connections


def run_together(functions: Sequence[Callable[[], Any]], *, seconds: float = 60) -> list[Any]:
    """Run all functions at once, each in a thread with connections of its own.

    Answers what each returned, or the exception that it raised, in the order of `functions`.
    """
    barrier = threading.Barrier(len(functions))
    outcomes: list[Any] = [TimeoutError("still running")] * len(functions)

    def run(number: int) -> None:
        try:
            barrier.wait(seconds)
            outcomes[number] = functions[number]()
        except Exception as error:  # noqa: BLE001 - the caller judges it
            outcomes[number] = error
        finally:
            connections.close_all()
            caches.close_all()

    threads = [
        threading.Thread(target=run, args=(number,), daemon=True)
        for number in range(len(functions))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds)
    return outcomes
