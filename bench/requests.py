"""Whole requests of a visitor who is signed in, through Django's WSGI handler."""

import gc
from time import perf_counter_ns
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.test import RequestFactory, override_settings

from bench.contestants import Engine
from bench.operations import COLD, ROUNDS, Sample, Samples, Way

VIEWS = ["neither", "read", "write"]
WITHOUT = "no session"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"


class Site:
    """Django's handler with one engine's middleware and one visitor; or without any."""

    def __init__(self, engine: Engine | None) -> None:
        self.engine = engine
        self.name = engine.name if engine else WITHOUT
        self.key = ""
        if engine:
            engine.activate()
            self.key = engine.create(0) or ""
        with override_settings(MIDDLEWARE=[engine.middleware, AUTHENTICATION] if engine else []):
            self.handler = WSGIHandler()

    @property
    def views(self) -> list[str]:
        return VIEWS if self.engine else ["neither"]

    def environ(self, view: str, turn: int) -> dict[str, Any]:
        """Return what a server hands over."""
        headers = {"REMOTE_ADDR": "127.0.0.1", "QUERY_STRING": str(turn)}
        if self.engine:
            self.engine.activate()
            headers["HTTP_USER_AGENT"] = self.engine.arguments.get("user_agent", "bench")
            headers["HTTP_COOKIE"] = f"sessionid={self.key}"
        return RequestFactory().get(f"/{view}/", **headers).environ

    def answer(self, environ: dict[str, Any]) -> int:
        response = self.handler(environ, lambda *_: None)
        response.close()
        return response.status_code

    def time(self, view: str, turns: range) -> list[int]:
        """Return the nanoseconds of each request."""
        times = []
        for turn in turns:
            environ = self.environ(view, turn)
            before = perf_counter_ns()
            status = self.answer(environ)
            times.append(perf_counter_ns() - before)
            if status != 200:
                raise RuntimeError(f"{self.name} answers {status} to {view}")
        return times


def measure_requests(engines: list[Engine], *, calls: int, way: Way = COLD) -> Samples:
    """Time each view about `calls` times per engine, in turn."""
    sites = [Site(engine) for engine in [*engines, None]]
    samples: Samples = {(view, site.name): Sample() for site in sites for view in site.views}
    block = min(way.block, max(1, calls // ROUNDS))
    blocks = max(1, calls // ROUNDS // block)
    for view in VIEWS:
        taking_part = [site for site in sites if view in site.views]
        for site in taking_part:
            site.time(view, range(10))
        for number in range(ROUNDS):
            gc.collect()
            found: dict[str, list[int]] = {site.name: [] for site in taking_part}
            for turn in range(number * blocks, (number + 1) * blocks):
                first = turn % len(taking_part)
                for site in taking_part[first:] + taking_part[:first]:
                    turns = range(turn * block, (turn + 1) * block)
                    found[site.name] += site.time(view, turns)
            for name, times in found.items():
                samples[view, name].rounds.append(times)
    return samples
