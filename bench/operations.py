"""One operation at a time, the engines in turn, so that a noisy moment hits all of them.

A turn is a block of calls: one call each would measure how cold the others leave the caches.
"""

import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter_ns
from typing import Any

from bench.contestants import Contestant
from bench.statements import Counter

ROWS = 200
BLOCK = 25
OPERATIONS = ["create", "load", "load and save", "cycle", "delete"]


@dataclass
class Sample:
    """What one engine needed for one operation."""

    nanoseconds: list[int] = field(default_factory=list)
    statements: str = ""

    def microseconds(self, percent: int) -> float:
        """Return a percentile, by the nearest rank."""
        ordered = sorted(self.nanoseconds)
        return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] / 1000

    @property
    def median(self) -> float:
        return self.microseconds(50)


Samples = dict[tuple[str, str], Sample]
"""By operation and engine."""


@dataclass
class Course:
    """One engine with rows of its own to work on."""

    engine: Contestant
    keys: list[Any] = field(default_factory=list)

    def fill(self) -> None:
        self.engine.activate()
        self.keys = [self.engine.create(number) for number in range(ROWS)]

    def prepare(self, operation: str, turn: int) -> Callable[[], Any]:
        """Return the call to be timed; all that it needs is made here, untimed."""
        engine, place = self.engine, turn % len(self.keys)
        engine.activate()
        match operation:
            case "create":
                return partial(engine.create, turn)
            case "load":
                return partial(engine.load, self.keys[place])
            case "load and save":
                return partial(engine.load_and_save, self.keys[place], turn + 1)
            case "cycle":
                return partial(engine.cycle, self.keys[place])
            case _:
                return partial(engine.delete, engine.create(turn))

    def clear(self, operation: str, turn: int, answer: Any) -> None:
        """Keep the table at its size."""
        if operation == "create":
            self.engine.delete(answer)
        elif operation == "cycle":
            self.keys[turn % len(self.keys)] = answer


def measure(
    engines: list[Contestant], operations: list[str], *, rounds: int, counter: Counter
) -> Samples:
    """Time each operation `rounds` times per engine, another engine first in each block."""
    courses = [Course(engine) for engine in engines]
    for course in courses:
        course.fill()
    samples: Samples = {}
    for operation in operations:
        for course in courses:
            samples[operation, course.engine.name] = prove(course, operation, counter)
        gc.collect()
        for block in range(rounds // BLOCK):
            first = block % len(courses)
            for course in courses[first:] + courses[:first]:
                times = timed(course, operation, range(block * BLOCK, (block + 1) * BLOCK))
                samples[operation, course.engine.name].nanoseconds += times
    return samples


def timed(course: Course, operation: str, turns: range) -> list[int]:
    """Return the nanoseconds of each turn."""
    times = []
    for turn in turns:
        work = course.prepare(operation, turn)
        before = perf_counter_ns()
        answer = work()
        times.append(perf_counter_ns() - before)
        course.clear(operation, turn, answer)
    return times


def prove(course: Course, operation: str, counter: Counter) -> Sample:
    """Warm up, count the statements, and see that the session is really stored."""
    statements = ""
    for turn in range(5):
        work = course.prepare(operation, turn)
        answers: list[Any] = []
        statements = counter.count(course.engine, lambda: answers.append(work()))  # noqa: B023
        course.clear(operation, turn, answers[0])
    coupon = course.engine.load(course.keys[4])["coupon"]
    if not coupon.startswith("AUTUMN-"):
        raise RuntimeError(f"{course.engine.name} lost the data at {operation}")
    return Sample(statements=statements)
