"""Metrics and spans, by OpenTelemetry's API where it is installed; docs/operations.md names them.

Security: nothing here carries a key, an id, data or a driver's message, only codes and counts.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

_metrics: Any
_trace: Any
try:
    from opentelemetry import metrics as _metrics
    from opentelemetry import trace as _trace
except ImportError:
    _metrics = _trace = None

P = ParamSpec("P")
T = TypeVar("T")

_SCOPE = "sessionstore"
_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2)
_MINUTES = (0.1, 1, 10, 60, 600, 3600, 36_000)


class _Nothing:
    """Stands in for every instrument where OpenTelemetry is not installed."""

    def add(self, *_: Any) -> None: ...
    def record(self, *_: Any) -> None: ...


def _counter(name: str, unit: str, description: str) -> Any:
    if _metrics is None:
        return _Nothing()
    meter = _metrics.get_meter(_SCOPE)
    return meter.create_counter(f"{_SCOPE}.{name}", unit=unit, description=description)


def _histogram(name: str, boundaries: tuple[float, ...], description: str) -> Any:
    if _metrics is None:
        return _Nothing()
    return _metrics.get_meter(_SCOPE).create_histogram(
        f"{_SCOPE}.{name}",
        unit="s",
        description=description,
        explicit_bucket_boundaries_advisory=boundaries,
    )


_operations = _histogram("operation.duration", _SECONDS, "Time of a load or a save.")
_merges = _counter("merges", "{merge}", "Saves that met another request's change.")
_retries = _counter("retries", "{retry}", "Statements sent again after a database error.")
_unavailable = _counter("unavailable", "{failure}", "Statements given up; answered by 503.")
_refused = _counter("refused", "{session}", "Cookies and rows that are not ours.")
_cleanups = _histogram("cleanup.duration", _MINUTES, "Time of a clean-up.")
_deleted = _counter("cleanup.deleted", "{session}", "Expired sessions deleted.")


def measured(operation: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Measure a function as ``operation``: its time, the class of its error, and a span.

    Without OpenTelemetry the function stays as it is; the span is left out where nobody records a
    trace.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        if _metrics is None:
            return function

        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> T:
            attributes: dict[str, Any] = {"sessionstore.operation": operation}
            started = time.perf_counter()
            try:
                if not _trace.get_current_span().is_recording():
                    return function(*args, **kwargs)
                with _span(operation):
                    return function(*args, **kwargs)
            except Exception as error:
                attributes["error.type"] = type(error).__name__
                raise
            finally:
                _operations.record(time.perf_counter() - started, attributes)

        return run

    return decorate


@contextmanager
def _span(name: str) -> Iterator[Any]:
    """Yield a span of our own, or None without OpenTelemetry."""
    if _trace is None:
        yield None
        return
    # Security: OpenTelemetry would record an error's message, and a driver's may hold a digest.
    tracer = _trace.get_tracer(_SCOPE)
    with tracer.start_as_current_span(
        f"{_SCOPE}.{name}", record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except Exception as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(_trace.StatusCode.ERROR)
            raise


def merged(*, conflicts: int) -> None:
    """Count a merge, and whether both sides had changed the same value."""
    _merges.add(1, {"sessionstore.conflicting": conflicts > 0})


def retried(fault: str, code: int | str | None) -> None:
    _retries.add(1, {"sessionstore.fault": fault, "error.type": str(code)})


def gave_up(code: int | str | None) -> None:
    _unavailable.add(1, {"error.type": str(code)})


def refused(what: str) -> None:
    """Count what was not ours: a ``key`` that a browser sent, or the ``data`` of a row."""
    _refused.add(1, {"sessionstore.refused": what})


@contextmanager
def cleaning(table: str) -> Iterator[Callable[[int, str], None]]:
    """Put a clean-up into a span; the answer is told its count and its ending.

    One that fails is measured too, without a count: nobody knows it.
    """
    started = time.perf_counter()

    def measure(attributes: dict[str, str]) -> None:
        _cleanups.record(time.perf_counter() - started, attributes)

    with _span("cleanup") as span:

        def tell(removed: int, ending: str) -> None:
            attributes = {"db.collection.name": table}
            _deleted.add(removed, attributes)
            attributes["sessionstore.ending"] = ending
            measure(attributes)
            if span is not None:
                span.set_attributes({**attributes, "sessionstore.deleted": removed})

        try:
            yield tell
        except Exception as error:
            failed = {"sessionstore.ending": "failed", "error.type": type(error).__name__}
            measure({"db.collection.name": table, **failed})
            raise
