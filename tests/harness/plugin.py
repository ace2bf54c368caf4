"""Start the servers before Django's settings are read, stop them, and say what was skipped.

Loaded by `-p tests.harness.plugin` (pyproject.toml): a conftest would come too late, because
pytest-django reads the settings first. Hence `python -m pytest`, which finds `tests` by itself.
"""

import atexit
import gc
import os
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.databases import Running, running, wanted
from tests.harness.process import ServerFailedError, private_folder
from tests.harness.servers import Servers

NOT_RUN_VARIABLE = "SESSIONSTORE_TEST_NOT_RUN"


def _only_core(args: list[str]) -> bool:
    """The tests of the core need no server, so a run of them alone starts none."""
    paths = [arg.partition("::")[0] for arg in args if not arg.startswith("-")]
    tests = [path for path in paths if Path(path).exists()]
    core = Path("tests/core").resolve()
    return bool(tests) and all(Path(path).resolve().is_relative_to(core) for path in tests)


# Those that this process started: a worker of xdist has none.
_started: list[Servers] = []
# Nor has a process that was forked from it (mutmut): to that one they would seem to have ended.
os.register_at_fork(after_in_child=_started.clear)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(args: list[str]) -> Generator[None, Any, Any]:
    """Start the servers, unless a controller has done it for this worker."""
    if running() is None:
        servers = Servers(private_folder(in_memory=True))
        atexit.register(servers.stop)
        _started.append(servers)
        if not _only_core(args) and not {"-h", "--help", "--version"} & set(args):
            try:
                servers.start({*wanted(), "redis", "memcached"} - {"sqlite"})
            except ServerFailedError as error:
                raise pytest.UsageError(str(error)) from error
        Running(servers.folder, servers.ports, servers.missing).publish()
        # Of `tmp_path`: an SQLite file there is as quick, and it ends with the run.
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(servers.folder))
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Collect thousands of tests, and look for garbage among them once.

    Optimization: they live to the end, and each full look at them would take most of a second.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_report_header() -> str:
    """Name the servers of this run."""
    now = running()
    ports = now.ports if now else {}
    return "servers: " + (", ".join(f"{name}:{port}" for name, port in ports.items()) or "none")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Under CI a server that is missing is a failure, also when no test asked for it.

    One that ended on its own is a failure everywhere.
    """
    now = running()
    absent = now is not None and now.missing and os.environ.get("CI") == "true"
    if (absent or _endings()) and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _endings() -> list[str]:
    return [ending for servers in _started for ending in servers.endings()]


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any) -> None:
    """End with what did not run, and why; `make test` joins its runs in one file of lines.

    Before that, the servers that ended while tests needed them.
    """
    for ending in _endings():
        terminalreporter.section("a server ended")
        terminalreporter.line(ending)
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    )
    lines = [f"{count} skipped: {reason}" for reason, count in sorted(reasons.items())]
    now = running()
    for name, reason in (now.missing if now else {}).items():
        lines.append(f"{'MySQL proper' if name == 'mysql' else name}: {reason}")
    joined = Path(os.environ.get(NOT_RUN_VARIABLE, os.devnull))
    with joined.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)
    terminalreporter.section("not run")
    for line in dict.fromkeys([*joined.read_text().splitlines(), *lines]):
        terminalreporter.line(line)
    if not lines and not joined.read_text():
        terminalreporter.line("nothing: every test ran")
