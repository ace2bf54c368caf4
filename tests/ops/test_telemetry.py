"""Metrics and spans through OpenTelemetry."""

import subprocess
import sys
from functools import partial
from unittest.mock import Mock

import pytest
from django.db import OperationalError, connections
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from sessionstore.backends.sql import SessionStore
from sessionstore.cleaning import clear_expired
from sessionstore.models import Session
from tests.ops.rows import add_rows

pytestmark = pytest.mark.only_on("sqlite")


@pytest.fixture(scope="session")
def collectors():
    """OpenTelemetry's providers, which a process sets once."""
    delta = dict.fromkeys((Counter, Histogram), AggregationTemporality.DELTA)
    reader = InMemoryMetricReader(preferred_temporality=delta)
    metrics.set_meter_provider(MeterProvider([reader]))
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(provider)
    return reader, spans


@pytest.fixture
def measured(collectors):
    """Return what was measured since the last question, as {(name, *values): count}."""
    reader, _ = collectors

    def since() -> dict[tuple[str, ...], int]:
        data = reader.get_metrics_data()
        return {
            (metric.name, *(str(value) for _, value in sorted(point.attributes.items()))): getattr(
                point, "value", None
            )
            or getattr(point, "count", 0)
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
        }

    since()
    return since


@pytest.fixture
def spans(collectors):
    """Return the spans that ended since the test began."""
    _, exporter = collectors
    exporter.clear()
    return exporter.get_finished_spans


def stored(**data) -> SessionStore:
    session = SessionStore()
    session.update(data)
    session.save()
    return session


def test_loads_and_saves_are_timed(database, measured):
    """One histogram, told apart by the operation."""
    session = stored(colour="green")
    SessionStore(session.session_key)["colour"]
    found = measured()
    assert found["sessionstore.operation.duration", "save"] == 1
    assert found["sessionstore.operation.duration", "load"] == 1


def test_an_error_is_named_by_its_class(database, measured, settings):
    """Never by its message, which could hold data."""
    settings.SESSIONSTORE_MAX_BYTES = 10
    with pytest.raises(ValueError, match="bytes"):
        stored(colour="much too long")
    assert measured()["sessionstore.operation.duration", "SessionTooLarge", "save"] == 1


def test_merges_are_counted(database, measured):
    """With whether both requests had changed the same value."""
    key = stored(colour="green").session_key
    one, other = SessionStore(key), SessionStore(key)
    one["size"], other["taste"] = 1, "sweet"
    one.save()
    other.save()
    assert measured()["sessionstore.merges", "False"] == 1


def test_retries_and_failures_are_counted_by_code(database, measured):
    """SQLite's code 5 is "busy"."""
    session = stored(colour="green")
    connection = connections[database].copy()
    connection.settings_dict["OPTIONS"]["timeout"] = 0
    with connections[database].cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 1")
    connection.set_autocommit(False)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE sessionstore_session SET version = version")
    session["colour"] = "red"
    with pytest.raises(Exception, match="not available"):
        session.save()
    connection.rollback()
    connection.close()
    found = measured()
    assert found["sessionstore.retries", "5", "transient"] == 4
    assert found["sessionstore.unavailable", "5"] == 1


def test_what_is_not_ours_is_counted(database, measured):
    """A cookie that was made up, and a row that somebody damaged."""
    SessionStore("x" * 40).get("colour")
    session = stored(colour="green")
    Session.objects.update(data=b"damaged")
    SessionStore(session.session_key).get("colour")
    found = measured()
    assert found["sessionstore.refused", "key"] == 1
    assert found["sessionstore.refused", "data"] == 1


def test_cleanups_are_counted_and_traced(database, measured, spans):
    """The span tells the table, the ending and the number of sessions."""
    add_rows(3, expires_in_s=-3600, alias=database)
    SessionStore.clear_expired()
    found = measured()
    assert found["sessionstore.cleanup.deleted", "sessionstore_session"] == 3
    assert found["sessionstore.cleanup.duration", "sessionstore_session", "done"] == 1
    [span] = spans()
    assert span.name == "sessionstore.cleanup"
    assert span.attributes == {
        "db.collection.name": "sessionstore_session",
        "sessionstore.ending": "done",
        "sessionstore.deleted": 3,
    }


def test_a_clean_up_that_fails_is_measured(database, measured, monkeypatch):
    """With the name of the error, not its message: a driver's may hold data of a row."""
    rows = SessionStore.get_table()
    monkeypatch.setattr(rows, "expired", Mock(side_effect=OperationalError("of row 7f3a")))
    with pytest.raises(OperationalError):
        clear_expired(rows)
    told = ("OperationalError", "failed")
    key = ("sessionstore.cleanup.duration", "sessionstore_session", *told)
    assert sorted(map(sorted, measured())) == [sorted(key)]


def test_spans_hang_below_a_trace_that_is_recorded(database, spans):
    """Outside of one a load would be a trace of its own, which nobody reads."""
    stored(colour="green")
    assert spans() == ()
    with trace.get_tracer("request").start_as_current_span("request"):
        stored(colour="green")
    assert [span.name for span in spans()] == ["sessionstore.save", "request"]


def test_spans_hold_no_secret(database, spans, settings):
    """A failed save leaves its class in the span, and neither key nor data nor message."""
    settings.SESSIONSTORE_MAX_BYTES = 100
    session = stored(colour="green")
    session["colour"] = "secret" * 100
    request = partial(trace.get_tracer("request").start_as_current_span, "request")
    with request(record_exception=False), pytest.raises(ValueError, match="bytes"):
        session.save()
    text = "".join(span.to_json() for span in spans())
    assert "SessionTooLarge" in text
    assert "secret" not in text
    assert session.session_key not in text
    assert session.handle not in text


def test_without_opentelemetry_nothing_is_wrapped():
    """No dependency, and no cost."""
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from sessionstore import telemetry\n"
        "def load(): pass\n"
        "assert telemetry.measured('load')(load) is load\n"
        "telemetry.retried('lost', 2006)\n"
        "with telemetry.cleaning('table') as tell: tell(1, 'done')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
