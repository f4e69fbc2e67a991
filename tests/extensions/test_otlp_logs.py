"""Log lines as log records: what is read from a line, by the runtime that wrote it."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

from extensions.otlp.logs import Logs
from extensions.telemetry import TelemetryEvent

ID = "8286a188-ba32-4475-8077-530cd35c09a9"
OTHER = "00000000-0000-4000-8000-000000000000"
TIME = "2026-01-02T03:04:05.006Z"


def record(content: Any, kind: str = "function") -> tuple[Any, str | None, dict[str, Any]]:
    """Body, severity and attributes that come of a line; OTHER is the invocation under way."""
    exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    Logs(provider, lambda: OTHER, lambda _: Context()).take(TelemetryEvent(time=TIME, type=kind, record=content))
    (made,) = exporter.get_finished_logs()
    log = made.log_record
    severity = log.severity_number.name if log.severity_number else None
    return log.body, severity, dict(log.attributes or {})


@pytest.mark.parametrize(
    ("line", "severity", "request_id"),
    [
        ("plain\n", None, OTHER),
        ("[INFO] no tabs", "INFO", OTHER),
        (f"[ERROR]\t{TIME}\t{ID}\tpython's", "ERROR", ID),
        ("[CRITICAL]\tat init", "FATAL", OTHER),
        (f"{TIME}\t{ID}\tWARN\tnode's", "WARN", ID),
        (f"{TIME}\tundefined\tDEBUG\tnode's at init", "DEBUG", OTHER),
        ("[1, 2, 3] is no level", None, OTHER),
        ("[x] nor is this", None, OTHER),
        ("{not json}", None, OTHER),
        ("{[]}", None, OTHER),
    ],
)
def test_lines_of_text(line: str, severity: str | None, request_id: str) -> None:
    assert record(line) == (line.rstrip("\n"), severity, {"faas.invocation_id": request_id})


@pytest.mark.parametrize(
    ("level", "severity"),
    [("TRACE", "TRACE"), ("debug", "DEBUG"), ("Warning", "WARN"), ("FATAL", "FATAL"), ("loud", None), (30, None)],
)
def test_levels_of_json(level: Any, severity: str | None) -> None:
    assert record({"level": level, "message": "m"})[1] == severity


@pytest.mark.parametrize("name", ["requestId", "AWSRequestId", "awsRequestId", "function_request_id"])
def test_request_ids_of_json(name: str) -> None:
    assert record({name: ID, "message": "m"}) == ("m", None, {"faas.invocation_id": ID})


def test_a_message_of_json_is_the_body_and_the_rest_are_attributes() -> None:
    body, severity, attributes = record(
        {
            "timestamp": TIME,
            "level": "ERROR",
            "message": "it broke",
            "logger": "root",
            "errorType": "ValueError",
            "errorMessage": "bad",
            "stackTrace": ["one\n", "two\n"],
            "order": {"id": 7},
            "nothing": None,
        }
    )
    assert (body, severity) == ("it broke", "ERROR")
    assert attributes == {
        "faas.invocation_id": OTHER,
        "logger": "root",
        "exception.type": "ValueError",
        "exception.message": "bad",
        "exception.stacktrace": "one\ntwo\n",
        "order": {"id": 7},
    }


def test_json_without_a_message_is_the_body_as_it_is() -> None:
    assert record({"order": 7, "level": "INFO"})[:2] == ({"order": 7, "level": "INFO"}, "INFO")


def test_text_that_holds_json_is_json() -> None:
    assert record('{"level": "warn", "msg": "pino\'s"}\n')[:2] == ("pino's", "WARN")


def test_lost_events_are_told() -> None:
    lost = {"droppedRecords": 3, "droppedBytes": 300, "reason": "the listener was too slow"}
    assert record(lost, "platform.logsDropped")[:2] == ("3 events were lost: the listener was too slow", "WARN")
