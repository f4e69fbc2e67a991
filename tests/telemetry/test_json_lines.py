"""Platform records in the JSON log format: one event a line, as far as the system log level goes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rapid.core.invocation import Invocation
from rapid.core.records import (
    ExtensionStatus,
    FaultRecord,
    InitReport,
    InitRuntimeDone,
    InitStart,
    InvokeReport,
    InvokeRuntimeDone,
    InvokeStart,
    Record,
    RestoreReport,
    RestoreRuntimeDone,
    RestoreStart,
    Span,
)
from rapid.telemetry.events import event
from rapid.telemetry.facts import Facts
from rapid.telemetry.json_lines import SYSTEM_LOG_LEVELS, JsonFormatter, level_of
from rapid.telemetry.lines import LOGS, TELEMETRY

EPOCH = 1_700_000_000.5
CALL = Invocation("i", b"{}", "arn", "Root=1-0-0;Parent=0;Sampled=0")


def formatter(level: str = "DEBUG", kind: str = "on-demand", version: str = "python:3.13.v14") -> JsonFormatter:
    facts = Facts("f", "$LATEST", "arn", "stream", 128, kind, version, "arn:aws:lambda:us-east-1::runtime:0")
    return JsonFormatter(facts, level, clock=lambda: EPOCH, monotonic=lambda: 100.0)


def test_a_line_is_one_event() -> None:
    lines = formatter().render(InvokeReport(CALL, "success", 1.25, init_ms=10.5), 40)
    assert lines.endswith("}\n")
    shown = json.loads(lines)
    assert list(shown) == ["time", "type", "record"]
    assert (shown["time"], shown["type"]) == ("2023-11-14T22:13:20.500Z", "platform.report")
    assert shown["record"]["metrics"] == {
        "durationMs": 1.25,
        "billedDurationMs": 12,
        "memorySizeMB": 128,
        "maxMemoryUsedMB": 40,
        "initDurationMs": 10.5,
    }


def test_spans_are_told_in_wall_clock_time() -> None:
    done = InvokeRuntimeDone(CALL, "success", 1.0, 2, (Span("responseLatency", 99.0, 1.0),))
    (span,) = json.loads(formatter().render(done, 0))["record"]["spans"]
    assert span["start"] == "2023-11-14T22:13:19.500Z"


@pytest.mark.parametrize(
    ("record", "level"),
    [
        (InitStart("init"), "INFO"),
        (InitRuntimeDone("init", "success"), "DEBUG"),
        (InitRuntimeDone("init", "error", "Runtime.ExitError"), "WARN"),
        (InitReport("init", "success", 1.0), "DEBUG"),
        (InitReport("init", "timeout", 1.0), "WARN"),
        (RestoreStart(), "INFO"),
        (RestoreRuntimeDone("success"), "DEBUG"),
        (RestoreRuntimeDone("error", "Runtime.ExitError"), "WARN"),
        (RestoreReport("success", 1.0), "INFO"),
        (RestoreReport("timeout", 1.0), "WARN"),
        (InvokeStart(CALL), "INFO"),
        (InvokeRuntimeDone(CALL, "success", 1.0), "DEBUG"),
        (InvokeRuntimeDone(CALL, "failure", 1.0, error_type="Runtime.ExitError"), "WARN"),
        (InvokeReport(CALL, "success", 1.0), "INFO"),
        (InvokeReport(CALL, "timeout", 1.0), "WARN"),
        (InvokeReport(CALL, "error", 1.0, error_type="ValueError"), "WARN"),
        (ExtensionStatus("a", "Ready", ()), "INFO"),
        (ExtensionStatus("a", "Exited", (), "Extension.Crash"), "WARN"),
    ],
)
def test_a_record_has_the_level_of_awss_table(record: Record, level: str) -> None:
    passing = [name for name in SYSTEM_LOG_LEVELS if formatter(name).render(record, 0)]
    assert passing == list(SYSTEM_LOG_LEVELS[: SYSTEM_LOG_LEVELS.index(level) + 1])


@pytest.mark.parametrize("kind", ["provisioned-concurrency", "snap-start"])
def test_a_successful_init_is_news_where_no_invocation_reports_it(kind: str) -> None:
    assert formatter("INFO", kind).render(InitReport("init", "success", 1.0), 0)
    assert not formatter("WARN", kind).render(InitReport("init", "success", 1.0), 0)


@pytest.mark.parametrize("record", [InitStart("init"), RestoreStart()])
def test_a_beginning_that_names_no_runtime_is_detail(record: Record) -> None:
    assert formatter("DEBUG", version="").render(record, 0)
    assert not formatter("INFO", version="").render(record, 0)


def test_dropped_logs_are_a_warning() -> None:
    told = event(EPOCH, "platform.logsDropped", {"droppedBytes": 1, "droppedRecords": 1, "reason": "full"})
    assert level_of(told) == "WARN"


@pytest.mark.parametrize("error_type", ["Sandbox.Timedout", "Runtime.ExitError"])
def test_a_fault_has_no_line(error_type: str) -> None:
    assert formatter().render(FaultRecord("i", error_type, "Task timed out after 3.00 seconds"), 0) == ""


@pytest.mark.parametrize(
    ("api", "kind"), [(TELEMETRY, "platform.telemetrySubscription"), (LOGS, "platform.logsSubscription")]
)
def test_a_subscription_is_an_event(api: str, kind: str) -> None:
    shown: Any = json.loads(formatter("INFO").subscribed(api, "a", "Subscribed", ("platform",)))
    assert shown == {
        "time": "2023-11-14T22:13:20.500Z",
        "type": kind,
        "record": {"name": "a", "state": "Subscribed", "types": ["platform"]},
    }
    assert formatter("WARN").subscribed(api, "a", "Subscribed", ("platform",)) == ""
