"""Programs that a machine writes: requests, blocks, rollbacks, ends and meetings in any order."""

import logging
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module

import pytest
import time_machine
from django.http import HttpResponse

from sessionstore.backends.sql import SessionStore
from sessionstore.middleware import SessionMiddleware
from tests.faults.programs import IDLE_S, Machine, difference, draw, shrunk, told

SHORT, LONG = 120, 20_000
START = 1_780_000_000


class Deaf(SessionStore):
    """An engine that forgets to end its sessions."""

    def delete(self, session_key: str | None = None) -> None:
        """Do nothing."""


@pytest.fixture
def machine(settings, caplog, database) -> Iterator[Callable[..., Machine]]:
    """A function that makes the machine for an engine; sessions end by time, too."""
    settings.SESSIONSTORE_IDLE_TIMEOUT = IDLE_S
    caplog.set_level(logging.CRITICAL, "sessionstore.security")
    with time_machine.travel(START, tick=False) as clock:
        middleware = SessionMiddleware(HttpResponse)
        yield lambda store: Machine(store, middleware, database, clock)


def differing(make: Callable[[], Machine], numbers: range) -> str:
    """Run programs; return those in which engine and model differ, shrunk and in words."""
    programs = map(draw, numbers)
    failing = [program for program in programs if difference(make, program) is not None]
    return f"{len(failing)} of {len(numbers)}\n{told(make, failing)}" if failing else ""


@pytest.mark.parametrize("encrypted", [False, True], ids=["signed", "encrypted"])
def test_no_program_leaves_anything_but_what_the_model_says(engine, machine, settings, encrypted):
    """What the view saw is stored, no end is invented or undone, one session has one key."""
    settings.SESSIONSTORE_ENCRYPT = encrypted
    make = partial(machine, import_module(engine).SessionStore)
    half = range(encrypted, SHORT, 2)
    assert differing(make, half) == ""


@pytest.mark.soak
@pytest.mark.only_on("sqlite")
def test_no_program_of_twenty_thousand_differs(engine, machine):
    """The same for long."""
    make = partial(machine, import_module(engine).SessionStore)
    assert differing(make, range(LONG)) == ""


@pytest.mark.only_on("sqlite")
def test_the_machine_finds_an_engine_that_ends_nothing(machine):
    """And tells it in as few steps as that takes."""
    make = partial(machine, Deaf)
    program = [("set", 1), ("nest", 2), ("save", 0), ("pop", 3), ("revoke", 0), ("nest", 4)]
    assert shrunk(make, program) == [("save", 0), ("revoke", 0)]
