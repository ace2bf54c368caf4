"""Where the time of an operation goes: in Python, or waiting for the statement's answer."""

from dataclasses import dataclass
from statistics import median
from time import perf_counter_ns
from typing import Any

from MySQLdb.cursors import BaseCursor

from bench.contestants import Contestant
from bench.operations import OPERATIONS, Course


@dataclass(frozen=True, slots=True)
class Stages:
    """Medians in microseconds."""

    python: float
    statements: float


def measure_stages(engines: list[Contestant], *, rounds: int) -> dict[tuple[str, str], Stages]:
    """Time the statements of mysqlclient inside each operation, by engine and operation."""
    found = {}
    waited: list[int] = []
    original = BaseCursor._query

    def timed(cursor: Any, query: Any) -> Any:
        before = perf_counter_ns()
        try:
            return original(cursor, query)
        finally:
            waited.append(perf_counter_ns() - before)

    BaseCursor._query = timed
    try:
        for engine in engines:
            course = Course(engine)
            course.fill()
            for operation in OPERATIONS:
                found[engine.name, operation] = _stages(course, operation, rounds, waited)
    finally:
        BaseCursor._query = original
    return found


def _stages(course: Course, operation: str, rounds: int, waited: list[int]) -> Stages:
    python, statements = [], []
    for turn in range(rounds):
        work = course.prepare(operation, turn)
        waited.clear()
        before = perf_counter_ns()
        answer = work()
        total = perf_counter_ns() - before
        statements.append(sum(waited) / 1000)
        python.append((total - sum(waited)) / 1000)
        course.clear(operation, turn, answer)
    return Stages(median(python), median(statements))
