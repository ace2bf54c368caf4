"""Names that lead somewhere else for one thread: a hosts file of its own, as libc reads it."""

import ctypes
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db import connections

from tests.harness.missing import give_up

_CLONE_NEWNS, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000


def with_own_hosts(hosts: Path, function: Callable[[], Any]) -> Any:
    """Run `function` in a thread that looks names up in `hosts`, and return what it returns.

    What is written into the file counts from then on, as where a resolver answers something new;
    no other thread and no other process sees it. Threads that `function` starts do.
    """
    outcome: list[Any] = []

    def run() -> None:
        try:
            _look_up_in(hosts)
            outcome.append(function())
        except BaseException as error:  # noqa: BLE001 - raised below
            outcome.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join()
    if isinstance(outcome[0], PermissionError):
        give_up(f"a mount namespace needs root: {outcome[0]}")
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def _look_up_in(hosts: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    _must(libc.unshare(_CLONE_NEWNS))
    _must(libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None))
    _must(libc.mount(bytes(hosts), b"/etc/hosts", None, _MS_BIND, None))


def _must(answer: int) -> None:
    if answer != 0:
        raise OSError(ctypes.get_errno(), "unshare or mount")
