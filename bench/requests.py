"""A whole request through Django's WSGI handler, with nothing but the session middleware."""

import gc
from time import perf_counter_ns
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.test import RequestFactory, override_settings

from bench.contestants import Engine
from bench.operations import BLOCK, Sample, Samples

VIEWS = ["no session", "read", "write"]
PATHS = {"no session": "/none/", "read": "/read/", "write": "/write/"}
WITHOUT = "no session middleware"


class Site:
    """Django's handler with one engine's middleware and one visitor."""

    def __init__(self, engine: Engine | None) -> None:
        self.engine = engine
        self.name = engine.name if engine else WITHOUT
        self.key = ""
        if engine:
            engine.activate()
            self.key = engine.create(0) or ""
        with override_settings(MIDDLEWARE=[engine.middleware] if engine else []):
            self.handler = WSGIHandler()
        if engine:
            engine.activate()

    def environ(self, view: str, turn: int) -> dict[str, Any]:
        """Return what a server hands over; the page without a session comes without a cookie."""
        if self.engine:
            self.engine.activate()
        headers = {"REMOTE_ADDR": "127.0.0.1", "QUERY_STRING": str(turn)}
        if self.engine:
            headers["HTTP_USER_AGENT"] = self.engine.arguments.get("user_agent", "bench")
        if self.key and view != "no session":
            headers["HTTP_COOKIE"] = f"sessionid={self.key}"
        return RequestFactory().get(PATHS[view], **headers).environ

    def answer(self, environ: dict[str, Any]) -> int:
        response = self.handler(environ, lambda *_: None)
        response.close()
        return response.status_code

    def time(self, view: str, turns: range) -> list[int]:
        """Return the nanoseconds of each request; the first two only warm up."""
        times = []
        for turn in [turns.stop, turns.stop + 1, *turns]:
            environ = self.environ(view, turn)
            before = perf_counter_ns()
            status = self.answer(environ)
            times.append(perf_counter_ns() - before)
            if status != 200:
                raise RuntimeError(f"{self.name} answers {status} to {view}")
        return times[2:]


def measure_requests(engines: list[Engine], *, rounds: int) -> Samples:
    """Time each view `rounds` times per engine, in turn."""
    sites = [Site(engine) for engine in [*engines, None]]
    samples: Samples = {(view, site.name): Sample() for view in VIEWS for site in sites}
    for view in VIEWS:
        taking_part = [site for site in sites if site.engine or view == "no session"]
        gc.collect()
        for block in range(rounds // BLOCK):
            first = block % len(taking_part)
            for site in taking_part[first:] + taking_part[:first]:
                turns = range(block * BLOCK, (block + 1) * BLOCK)
                samples[view, site.name].nanoseconds += site.time(view, turns)
    return samples
