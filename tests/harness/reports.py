"""Raises in one function after the other, and reads what an error reporter would record of it."""

import base64
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Any

import django
from django.core.signals import got_request_exception

import sessionstore

PACKAGE = str(Path(sessionstore.__file__).parent)
# Whose frames are looked at: ours, and those that hold what we hand to the database or the cache.
WATCHED = (PACKAGE, *(str(Path(django.__file__).parent / one) for one in ("db", "core/cache")))
Place = tuple[str, int]
_between_pieces = re.compile(r"""['"]\s*\n\s*b?['"]""")


class InjectedError(Exception):
    """What a function raises where nobody expects it."""


@dataclass(slots=True)
class Raiser:
    """Raises at the next place in these files that was not tried yet, once a run.

    A place is the start of a function, or with ``each_line`` each line of it.
    """

    files: tuple[str, ...]
    each_line: bool = False
    tried: set[Place] = field(default_factory=set)
    last: Place | None = None

    @contextmanager
    def armed(self) -> Iterator[None]:
        """Raise at one place during the block."""
        self.last = None
        measuring = sys.gettrace()  # Coverage of the whole process, which goes on afterwards.
        sys.settrace(self._called)
        try:
            yield
        finally:
            sys.settrace(measuring)

    def _called(self, frame: FrameType, _event: str, _arg: Any) -> Any:
        if not self._is_meant(frame.f_code):
            return None
        if not self.each_line:
            return self._raise_once(frame)
        return self._traced

    def _traced(self, frame: FrameType, event: str, _: Any) -> Any:
        return self._raise_once(frame) or self._traced if event == "line" else self._traced

    def _raise_once(self, frame: FrameType) -> None:
        code = frame.f_code
        place = (f"{code.co_filename[len(PACKAGE) + 1 :]}:{code.co_qualname}", frame.f_lineno)
        if self.last is None and place not in self.tried:
            self.tried.add(place)
            self.last = place
            raise InjectedError

    def _is_meant(self, code: CodeType) -> bool:
        name = code.co_filename
        if code.co_name == "<genexpr>":
            return False  # One that is thrown away runs once more, and nobody hears what it raises.
        return name.startswith(PACKAGE) and name[len(PACKAGE) + 1 :].startswith(self.files)


def recorded_in(error: BaseException) -> dict[str, str]:
    """Return the local variables of the frames of an error and its causes, as reporters do."""
    found: dict[str, str] = {}
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        waiting += [one.__cause__, one.__context__]
        found[f"message {len(seen)}"] = f"{one} {one.args!r}"
        for frame in frames_of(one.__traceback__):
            where = f"{frame.f_code.co_filename}:{frame.f_code.co_qualname}"
            if where.startswith(WATCHED):
                found |= {f"{where} {name}": repr(value) for name, value in frame.f_locals.items()}
    return found


def frames_of(trace: TracebackType | None) -> Iterator[FrameType]:
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next


def spellings(secret: bytes | str) -> set[str]:
    """Return the ways in which a secret may be written down."""
    if isinstance(secret, str):
        return {secret, secret.encode().hex()}
    inner = repr(secret)[2:-1]
    return {inner, secret.hex(), base64.b64encode(secret).decode(), str(list(secret))[1:-1]}


def leaks(shown: dict[str, str], secrets: dict[str, bytes | str]) -> set[str]:
    """Return what shows which secret."""
    spelt = {name: spellings(secret) for name, secret in secrets.items() if secret}
    return {
        f"{place} shows the {name}"
        for place, text in shown.items()
        for name, ways in spelt.items()
        if any(way in _joined(text) for way in ways)
    }


def _joined(text: str) -> str:
    """Undo what pprint does to long bytes and text: it writes them in pieces."""
    return _between_pieces.sub("", text)


@contextmanager
def errors_of_requests() -> Iterator[list[BaseException]]:
    """Collect what the error pages of the block are about."""
    errors: list[BaseException] = []

    def note(**_: Any) -> None:
        error = sys.exc_info()[1]
        if error is not None:
            errors.append(error)

    got_request_exception.connect(note)
    try:
        yield errors
    finally:
        got_request_exception.disconnect(note)


def raise_everywhere(
    raiser: Raiser, prepare: Callable[[], Any], act: Callable[[Any], object]
) -> Iterator[tuple[Place, Any, BaseException]]:
    """Act again and again, each time with another function that raises, until each has.

    Yield the place, what was prepared, and the error.
    """
    while True:
        prepared = prepare()
        with errors_of_requests() as errors:
            try:
                with raiser.armed():
                    act(prepared)
            except Exception as error:  # noqa: BLE001 - what no page answers
                errors.append(error)
        if raiser.last is None:
            return
        for error in errors:
            yield raiser.last, prepared, error
