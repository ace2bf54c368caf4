"""A request that waits where its sender wants it to, so that a test can do something to it there.

It says that it waits by a file with the process's id, and goes on when that file is gone.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest

_LOOK_S = 0.01


def _waits(request: HttpRequest, where: str) -> Iterator[None]:
    if request.GET.get("pause") != where:
        return
    path = Path(request.GET["file"])
    half = path.with_suffix(".half")
    half.write_text(str(os.getpid()))
    half.rename(path)
    while path.exists():
        yield


def _say_that_it_ended(path: Path) -> None:
    path.rename(f"{path}.cancelled")


def pause(request: HttpRequest, where: str) -> None:
    """Wait, when the request is to wait here."""
    for _ in _waits(request, where):
        time.sleep(_LOOK_S)


async def apause(request: HttpRequest, where: str) -> None:
    """Wait as a coroutine does, and say so when the request is cancelled meanwhile."""
    try:
        for _ in _waits(request, where):
            await asyncio.sleep(_LOOK_S)
    except asyncio.CancelledError:
        _say_that_it_ended(Path(request.GET["file"]))
        raise


class PauseMiddleware:
    """Waits between the save of the session and the answer."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Answer, and wait before."""
        if iscoroutinefunction(self):
            return self._acall(request)
        response = self.get_response(request)
        pause(request, "saved")
        return response

    async def _acall(self, request: HttpRequest) -> Any:
        response = await self.get_response(request)
        await apause(request, "saved")
        return response
