"""One operation at a time, the engines in turn, so that a noisy moment hits all of them.

Two ways of taking turns disagree, and both are right. In turn, one call of each engine and nothing
pinned, the caches are cold, as on a site whose requests also run views: that is the headline. In
blocks of calls, client and servers on one core, they are warm, and Python looks cheap.
"""

import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from statistics import median
from time import perf_counter_ns
from typing import Any

from bench.contestants import Contestant
from bench.statements import Counter

ROWS = 200
ROUNDS = 5
OPERATIONS = ["create", "load", "load and save", "cycle", "delete"]


@dataclass(frozen=True, slots=True)
class Way:
    """How the engines take turns: so many calls at a time, and on how many cores."""

    name: str
    block: int
    pinned: bool


COLD = Way("cold", 1, pinned=False)
WARM = Way("warm", 25, pinned=True)


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times longer one engine takes than another: the median of the rounds."""

    middle: float
    least: float
    most: float


@dataclass
class Sample:
    """What one engine needed for one operation, in nanoseconds, round by round."""

    rounds: list[list[int]] = field(default_factory=list)
    statements: str = ""

    def microseconds(self, percent: int) -> float:
        """Return a percentile, by the nearest rank."""
        ordered = sorted(chain(*self.rounds))
        return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] / 1000

    @property
    def median(self) -> float:
        return self.microseconds(50)

    def ratio(self, other: "Sample") -> Ratio:
        """Return how many times longer this takes than the other; each round has its own ratio."""
        pairs = zip(self.rounds, other.rounds, strict=True)
        found = [median(mine) / median(its) for mine, its in pairs]
        return Ratio(median(found), min(found), max(found))


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
    engines: list[Contestant],
    operations: list[str],
    *,
    calls: int,
    counter: Counter,
    way: Way = WARM,
) -> Samples:
    """Time each operation about `calls` times per engine, another engine first in each block."""
    courses = [Course(engine) for engine in engines]
    for course in courses:
        course.fill()
    samples: Samples = {}
    block = min(way.block, max(1, calls // ROUNDS))
    blocks = max(1, calls // ROUNDS // block)
    for operation in operations:
        for course in courses:
            samples[operation, course.engine.name] = prove(course, operation, counter)
        for number in range(ROUNDS):
            gc.collect()
            found = one_round(
                courses, operation, range(number * blocks, (number + 1) * blocks), block
            )
            for course, times in zip(courses, found, strict=True):
                samples[operation, course.engine.name].rounds.append(times)
    return samples


def one_round(courses: list[Course], operation: str, blocks: range, size: int) -> list[list[int]]:
    """Return what each course needed for each call of some blocks of this size."""
    found: list[list[int]] = [[] for _ in courses]
    for block in blocks:
        turns = range(block * size, (block + 1) * size)
        for place in range(len(courses)):
            whose = (block + place) % len(courses)
            found[whose] += timed(courses[whose], operation, turns)
    return found


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
