#!/usr/bin/env python3
"""Play a newcomer from nothing: clone, demo, projects by the pages, neighbours, Express.

What is committed is cloned into a temporary folder, and everything goes there: the environment that
`make` makes, and another one into which pip installs the package by the README's line. Each step is
a line with its seconds; a failing one ends the run with its last lines. However it ends, no process
and no file of it is left.
"""

import contextlib
import os
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Each process of the run inherits it; by it they are found, also those that nobody waits for.
MARK = "SESSIONSTORE_NEWCOMER"
LAST_LINES = 60
# What the tests of the clone play, with the installed package: a module below tests/, and which.
HOUR = "newcomer/test_first_hour.py"
STEPS = {
    "make demo: who signs in on one server is in on both": (HOUR, "demo and not express"),
    "a new project by docs/quickstart.md": ("browser/test_newcomer.py", "new_project"),
    "an existing project by docs/tutorial.md": ("docs/test_tutorial.py", "tutorial"),
    "its live logins, in one browser": ("browser/test_newcomer.py", "live_logins"),
    "a frame of one's own by docs/pages.md": (HOUR, "frame"),
    "django-allauth by docs/guides/allauth.md": (HOUR, "allauth"),
    "behind HAProxy by docs/guides/proxy.md": (HOUR, "haproxy"),
    "make demo-express: Django and Express share a login": (HOUR, "express"),
}


class StepFailedError(Exception):
    """A step did not come to its end; the message ends with what was written last."""


def main() -> int:
    """Play all steps in a folder that is removed."""
    # Ctrl-C and `kill` end it in the same way.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if changed := told("git", "status", "--porcelain", folder=ROOT):
        print(f"Not committed, so not part of this:\n{changed}")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="newcomer-", ignore_cleanup_errors=True) as name:
        os.environ[MARK] = name
        Path(name).chmod(0o755)  # MariaDB has an account of its own
        try:
            play(Path(name))
        except StepFailedError:
            return 1
        except KeyboardInterrupt:
            print("Interrupted.")
            return 130
        finally:
            end_what_runs(name)
    print(f"The first hour took {time.monotonic() - began:.0f} s.")
    return 0


def play(folder: Path) -> None:
    """Do what the README, CONTRIBUTING and the pages tell, in their order."""
    readme, contributing = ((ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md"))
    cloning = as_printed("git clone ", contributing)
    installing = as_printed('pip install "', readme)
    answer_for({cloning[-1], installing[-1].partition("git+")[2]})
    clone, project = folder / "django-sessionstore", folder / "environment" / "bin" / "python"
    with step("git clone"):
        run(*cloning, folder=folder)
    with step("make demo, in nothing but the clone: it installs, and answers"):
        demo_from_nothing(clone)
    with step("what make test installs"):
        run("make", ".venv/test-installed", folder=clone)
    with step("the README's pip install, into an environment of its own"):
        run(sys.executable, "-m", "venv", project.parents[1])
        run(project, "-m", *installing, "django-allauth", folder=folder)
        installed = "import sessionstore; assert 'site-packages' in sessionstore.__file__"
        run(project, "-c", installed, folder=folder)
    words = [clone / ".venv" / "bin" / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    for what, (module, names) in STEPS.items():
        with step(what):
            run(
                *(*words, f"tests/{module}", "-k", names),
                folder=clone,
                SESSIONSTORE_TEST_PYTHON=str(project),
                SESSIONSTORE_TEST_DATABASES="sqlite",
                CI="true",  # what is missing is named, not skipped
            )


def as_printed(begins: str, page: str) -> list[str]:
    """Return the words of the one line of a page that begins so."""
    [line] = [one for one in page.splitlines() if one.startswith(begins)]
    return shlex.split(line)


def answer_for(addresses: set[str]) -> None:
    """Let git find this repository at the addresses that the pages name."""
    os.environ["GIT_CONFIG_COUNT"] = str(len(addresses))
    for number, address in enumerate(addresses):
        os.environ[f"GIT_CONFIG_KEY_{number}"] = f"url.file://{ROOT}.insteadOf"
        os.environ[f"GIT_CONFIG_VALUE_{number}"] = address


def demo_from_nothing(clone: Path) -> None:
    """Start `make demo`, open its first page, and end it as Ctrl-C does."""
    assert "```console\nmake demo\n```" in (clone / "README.md").read_text()
    log = Path(os.environ[MARK], "log")
    with log.open("wb") as output:
        demo = start("make", "demo", f"PORT={free_port()}", folder=clone, output=output)
    while demo.poll() is None and "Ctrl-C" not in log.read_text():
        time.sleep(0.1)
    if demo.poll() is not None:
        raise StepFailedError(tail(log.read_text()))
    address = re.findall(r"http://\S+", log.read_text())[0]
    with urllib.request.urlopen(address, timeout=30) as answer:
        assert answer.status == 200
    demo.send_signal(signal.SIGTERM)
    demo.wait(30)


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """Print a line with the time that the block took; add what it was to its failure."""
    began = time.monotonic()
    try:
        yield
    except StepFailedError as failure:
        print(failure)
        print(f"FAILED  {what}  {time.monotonic() - began:.0f} s", flush=True)
        raise
    print(f"ok  {what}  {time.monotonic() - began:.0f} s", flush=True)


def start(
    *words: str | Path, folder: Path, output: object, **more: str
) -> "subprocess.Popen[bytes]":
    """Start a program that sees no environment and no make but its own."""
    hidden = re.compile(
        "MAKE|MFLAGS|VIRTUAL_ENV|PYTHONPATH|DJANGO_SETTINGS_MODULE|SESSIONSTORE_TEST"
    )
    kept = {name: value for name, value in os.environ.items() if not hidden.match(name)}
    return subprocess.Popen(
        list(map(str, words)),
        cwd=folder,
        env={**kept, **more},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C is for this script, which ends the others in order
    )


def run(*words: str | Path, folder: Path | None = None, **more: str) -> None:
    """Run a program to its end; raise StepFailedError with its last lines if it fails."""
    program = start(*words, folder=folder or Path.cwd(), output=subprocess.PIPE, **more)
    written = program.communicate()[0].decode(errors="replace")
    if program.returncode:
        raise StepFailedError(tail(written))


def told(*words: str, folder: Path) -> str:
    """Return what a program says."""
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True).stdout


def tail(written: str) -> str:
    """Return the last lines."""
    return "\n".join(written.splitlines()[-LAST_LINES:])


def free_port() -> int:
    """Return a port that is free, as is the next; no outgoing connection will take them."""
    while True:
        port = random.randrange(15000, 32000)
        with socket.socket() as one, socket.socket() as next_one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            next_one.bind(("127.0.0.1", port + 1))
            return port


def of_this_run(name: str) -> list[int]:
    """Return the processes that have inherited the mark of this run, but this one."""
    mark, found = f"{MARK}={name}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return [one for one in found if one != os.getpid()]


def end_what_runs(name: str) -> None:
    """End each of them, by its id: as Ctrl-C would, then for certain."""
    for number, seconds in ((signal.SIGINT, 30), (signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        for process in of_this_run(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)
        deadline = time.monotonic() + seconds
        while of_this_run(name) and time.monotonic() < deadline:
            time.sleep(0.1)


if __name__ == "__main__":
    if sys.platform != "linux" or shutil.which("git") is None:
        sys.exit("This needs Linux and git.")
    sys.exit(main())
