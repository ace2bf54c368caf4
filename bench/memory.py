"""What stays in memory: of one loaded session, and of a process after many requests."""

import gc
import json
import secrets
import sys
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.contestants import Engine
from bench.requests import Site

SESSIONS = 50
PAYLOAD = 100_000


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes, and how often."""

    data: int
    serialised: int
    held: int
    requests: int
    grown_kib: int


def measure_memory(engine: Engine, *, requests: int) -> Memory:
    """Load big sessions, then answer many requests."""
    return Memory(*_loaded(engine), requests, _grown(engine, requests))


def _loaded(engine: Engine) -> tuple[int, int, int]:
    """Return the bytes of a session's data, of their JSON, and those held once it is loaded."""
    engine.activate()
    session = engine.session()
    session["text"] = secrets.token_hex(PAYLOAD // 2)
    session["list"] = list(range(1000, 1000 + PAYLOAD // 80))
    session.save()
    key = session.session_key
    data = sum(map(sys.getsizeof, [session["text"], session["list"], *session["list"]]))
    engine.load_and_save(engine.create(0) or "", 1)  # caches are filled before counting
    tracemalloc.start()
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    held: list[Any] = [engine.session(key) for _ in range(SESSIONS)]
    for one in held:
        one.get("text")
    gc.collect()
    held_bytes = (tracemalloc.get_traced_memory()[0] - before) // SESSIONS
    tracemalloc.stop()
    return data, len(json.dumps(dict(held[0].items()))), held_bytes


def _grown(engine: Engine, requests: int) -> int:
    """Return by how many KiB the process grew over reads and writes, after a warm-up."""
    site = Site(engine)
    _ask(site, requests // 10)
    before = _resident_kib()
    _ask(site, requests)
    return _resident_kib() - before


def _ask(site: Site, requests: int) -> None:
    for turn in range(requests):
        status = site.answer(site.environ("write" if turn % 10 == 0 else "read", turn))
        if status != 200:
            raise RuntimeError(f"{site.name} answers {status}")
    gc.collect()


def _resident_kib() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])
