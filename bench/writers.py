"""Live traffic: threads that load sessions, change them and time how long the save takes."""

import multiprocessing
import os
import random
import threading
import time
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Self

import django

PROCESSES, THINKS_S = 2, 1.0


@dataclass(slots=True)
class Written:
    """Each live write: when it ended and how long it took, in seconds."""

    samples: list[tuple[float, float]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def between(self, start: float, end: float) -> list[float]:
        """Return, in order of size, the times of writes that were under way in a period."""
        return sorted(
            took for ended, took in self.samples if ended >= start and ended - took <= end
        )


class Writers:
    """Processes with threads, each thread with its own connection and its own pauses."""

    def __init__(self, alias: str, engine: str, keys: list[str], *, threads: int = 50) -> None:
        context = multiprocessing.get_context("spawn")
        self.ended = context.Event()
        self.queue = context.Queue()
        self.processes = [
            context.Process(
                target=_write,
                args=(alias, engine, keys, threads // PROCESSES, self.ended, self.queue),
            )
            for _ in range(PROCESSES)
        ]

    def __enter__(self) -> Self:
        for process in self.processes:
            process.start()
        for _ in self.processes:
            self.queue.get(timeout=120)
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        for process in self.processes:
            process.join(1)

    def stop(self) -> Written:
        """End them and return what they wrote."""
        self.ended.set()
        written = Written()
        for _ in self.processes:
            samples, errors = self.queue.get(timeout=120)
            written.samples += samples
            written.errors += errors
        return written


def _write(alias: str, engine: str, keys: list[str], threads: int, ended: Any, queue: Any) -> None:
    """Run in a process of its own: write until told to end."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.settings"
    django.setup()
    router = import_module("bench.routers").Router
    router.alias = alias
    store = import_module(engine).SessionStore
    samples: list[tuple[float, float]] = []
    errors: list[str] = []
    parent = os.getppid()

    def write() -> None:
        # A parent that was killed cannot tell.
        while not ended.is_set() and os.getppid() == parent:
            session = store(random.choice(keys))  # noqa: S311 - any will do
            try:
                session["cart"] = {"lines": {"48213": random.randrange(10**6)}}  # noqa: S311
                started = time.time()
                session.save()
                samples.append((time.time(), time.time() - started))
            except Exception as error:  # noqa: BLE001 - a failed write is a result
                errors.append(type(error).__name__)
            time.sleep(random.uniform(0.5, 1.5) * THINKS_S)  # noqa: S311
        import_module("django.db").connections.close_all()

    running = [threading.Thread(target=write) for _ in range(threads)]
    for thread in running:
        thread.start()
    queue.put("started")
    for thread in running:
        thread.join()
    queue.put((samples, errors))
