"""What the app adds to the start of a process: its import, its first request, its memory."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from bench.report import table

ROUNDS = 5
ENGINES = {
    "no sessions": None,
    "Django db": "django.contrib.sessions.backends.db",
    "sessionstore": "sessionstore.backends.sql",
    "sessionstore cached_sql": "sessionstore.backends.cached_sql",
}
HEAD = ["", "set-up, ms", "modules", "first request, ms", "process, MiB"]


@dataclass(slots=True)
class Started:
    """What a process took to start, and what it holds after its first request."""

    setup_ms: float
    modules: int
    first_ms: float
    resident_kib: int


def measure(rounds: int = ROUNDS) -> dict[str, list[Started]]:
    """Start processes, the engines in turn."""
    found: dict[str, list[Started]] = {name: [] for name in ENGINES}
    for _ in range(rounds):
        for name, engine in ENGINES.items():
            answer = subprocess.run(
                [sys.executable, "-m", "bench.start", json.dumps(engine)],
                cwd=Path(__file__).parents[1],
                env=dict(os.environ),
                capture_output=True,
                text=True,
                check=True,
            )
            found[name].append(Started(**json.loads(answer.stdout)))
    return found


def in_words(found: dict[str, list[Started]]) -> str:
    """Return a row per engine, of medians."""
    rows = []
    for name, started in found.items():
        middles = {
            what: median(getattr(one, what) for one in started)
            for what in ("setup_ms", "modules", "first_ms", "resident_kib")
        }
        cells = (
            f"{middles['setup_ms']:.0f}",
            f"{middles['modules']:.0f}",
            f"{middles['first_ms']:.1f}",
            f"{middles['resident_kib'] / 1024:.1f}",
        )
        rows.append([name, *cells])
    return table(HEAD, rows)


def _settings(engine: str | None) -> None:
    settings: Any = import_module("django.conf").settings
    ours = bool(engine) and engine.startswith("sessionstore.")
    door = "sessionstore" if ours else "django.contrib.sessions"
    settings.configure(
        SECRET_KEY="only-for-the-benchmark",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="bench.start",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=[
            *(["sessionstore"] if ours else []),
            *("django.contrib.auth", "django.contrib.contenttypes"),
            *(["django.contrib.sessions"] if engine else []),
        ],
        MIDDLEWARE=[f"{door}.middleware.SessionMiddleware"] if engine else [],
        **({"SESSION_ENGINE": engine} if engine else {}),
    )


def _start(engine: str | None) -> Started:
    """Be such a process."""
    import_module("bench.machine").hide_telemetry()
    started = perf_counter()
    import_module("django")
    _settings(engine)
    import_module("django").setup()
    ready = perf_counter()
    modules = len(sys.modules)
    import_module("django.core.management").call_command("migrate", verbosity=0)
    handler = import_module("django.core.handlers.wsgi").WSGIHandler
    environ = import_module("django.test").RequestFactory().get("/").environ
    asked = perf_counter()
    response = handler()(environ, lambda *_: None)
    answered = perf_counter()
    if response.status_code != 200:
        raise RuntimeError(response.content)
    status = Path("/proc/self/status").read_text().splitlines()
    resident = int(next(line for line in status if line.startswith("VmRSS")).split()[1])
    return Started((ready - started) * 1000, modules, (answered - asked) * 1000, resident)


def _page(request: Any) -> Any:
    """Count the visits, as a page that writes."""
    if hasattr(request, "session"):
        request.session["visits"] = request.session.get("visits", 0) + 1
    return import_module("django.http").HttpResponse("hello")


def __getattr__(name: str) -> Any:
    # Only for Django, which asks for it when its settings are there.
    if name == "urlpatterns":
        return [import_module("django.urls").path("", _page)]
    raise AttributeError(name)


if __name__ == "__main__":
    found = _start(json.loads(sys.argv[1]))
    print(json.dumps({name: getattr(found, name) for name in Started.__slots__}))  # type: ignore[attr-defined]
