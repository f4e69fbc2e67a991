"""Every record as an event, in every schema of both APIs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rapid.core import records as r
from rapid.core.invocation import Invocation
from rapid.telemetry.events import SCHEMAS, platform_event, timestamp
from rapid.telemetry.facts import Facts
from rapid.telemetry.logs_events import LOGS_SCHEMAS, logs_events

ARN = "arn:aws:lambda:us-east-1:012345678912:function:f"
FACTS = Facts("f", "$LATEST", ARN, "2026/01/01/[$LATEST]abc", 128, "on-demand", "python:3.13.v14", "arn:runtime")
SNAP_START = replace(FACTS, initialization_type="snap-start")

EPOCH = 1_665_532_815.064
TIME = "2022-10-12T00:00:15.064Z"
OFFSET = 1_665_532_000.0

INVOCATION = Invocation("id-1", b"{}", f"{ARN}:live", "Root=1-2;Parent=3;Sampled=1", tenant_id="blue")
UNTRACED = Invocation("id-2", b"{}", ARN, "Root=1-2;Parent=3;Sampled=0")
TRACING = {"spanId": "5aaebc19545226d2", "type": "X-Amzn-Trace-Id", "value": "Root=1-2;Parent=3;Sampled=1"}
SPANS = (r.Span("responseLatency", 800.5, 12.34567), r.Span("responseDuration", 800.6, 1.0))
SEEN_SPANS = [
    {"name": "responseLatency", "start": "2022-10-12T00:00:00.500Z", "durationMs": 12.346},
    {"name": "responseDuration", "start": "2022-10-12T00:00:00.600Z", "durationMs": 1.0},
]
ENVIRONMENT = {
    "runtimeVersion": "python:3.13.v14",
    "runtimeVersionArn": "arn:runtime",
    "functionName": "f",
    "functionVersion": "$LATEST",
    "instanceId": "2026/01/01/[$LATEST]abc",
    "instanceMaxMemory": 134_217_728,
}
INIT = {"initializationType": "on-demand", "phase": "init"}

TELEMETRY: list[tuple[r.Record, str, dict[str, Any]]] = [
    (r.InitStart("init"), "platform.initStart", INIT | ENVIRONMENT),
    (r.InitStart("invoke"), "platform.initStart", INIT | {"phase": "invoke"} | ENVIRONMENT),
    (r.InitRuntimeDone("init", "success"), "platform.initRuntimeDone", INIT | {"status": "success"}),
    (
        r.InitRuntimeDone("init", "error", "Runtime.Unknown"),
        "platform.initRuntimeDone",
        INIT | {"status": "error", "errorType": "Runtime.Unknown"},
    ),
    (
        r.InitReport("init", "success", 125.3344),
        "platform.initReport",
        INIT | {"status": "success", "metrics": {"durationMs": 125.334}},
    ),
    (
        r.InitReport("init", "error", 1.0, "Runtime.ExitError"),
        "platform.initReport",
        INIT | {"status": "error", "metrics": {"durationMs": 1.0}, "errorType": "Runtime.ExitError"},
    ),
    (
        r.ExtensionStatus("mine", "Ready", ("INVOKE", "SHUTDOWN")),
        "platform.extension",
        {"name": "mine", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"]},
    ),
    (
        r.ExtensionStatus("mine", "InitError", (), "Extension.Bad"),
        "platform.extension",
        {"name": "mine", "state": "InitError", "events": [], "errorType": "Extension.Bad"},
    ),
    (r.RestoreStart(), "platform.restoreStart", ENVIRONMENT),
    (r.RestoreRuntimeDone("success"), "platform.restoreRuntimeDone", {"status": "success"}),
    (
        r.RestoreRuntimeDone("error", "Runtime.AfterRestoreError"),
        "platform.restoreRuntimeDone",
        {"status": "error", "errorType": "Runtime.AfterRestoreError"},
    ),
    (
        r.RestoreReport("success", 15.19),
        "platform.restoreReport",
        {"status": "success", "metrics": {"durationMs": 15.19}},
    ),
    (
        r.RestoreReport("timeout", 10_000, "Runtime.RestoreHookUserTimeout"),
        "platform.restoreReport",
        {"status": "timeout", "metrics": {"durationMs": 10_000}, "errorType": "Runtime.RestoreHookUserTimeout"},
    ),
    (
        r.InvokeRuntimeDone(INVOCATION, "success", 140.0, 16, SPANS),
        "platform.runtimeDone",
        {
            "requestId": "id-1",
            "status": "success",
            "tenantId": "blue",
            "tracing": TRACING,
            "spans": SEEN_SPANS,
            "metrics": {"durationMs": 140.0, "producedBytes": 16},
        },
    ),
    (
        r.InvokeRuntimeDone(INVOCATION, "failure", 3.0, error_type="Runtime.ExitError"),
        "platform.runtimeDone",
        {
            "requestId": "id-1",
            "status": "failure",
            "errorType": "Runtime.ExitError",
            "tenantId": "blue",
            "tracing": TRACING,
            "metrics": {"durationMs": 3.0, "producedBytes": 0},
        },
    ),
    (
        r.InvokeReport(INVOCATION, "success", 1233.96, 463.512),
        "platform.report",
        {
            "requestId": "id-1",
            "metrics": {
                "durationMs": 1233.96,
                "billedDurationMs": 1698,
                "memorySizeMB": 128,
                "maxMemoryUsedMB": 84,
                "initDurationMs": 463.512,
            },
            "tracing": TRACING,
            "status": "success",
        },
    ),
    (
        r.InvokeReport(INVOCATION, "error", 2.0, restore_ms=10.25, error_type="Runtime.X", spans=SPANS[1:]),
        "platform.report",
        {
            "requestId": "id-1",
            "metrics": {
                "durationMs": 2.0,
                "billedDurationMs": 13,
                "memorySizeMB": 128,
                "maxMemoryUsedMB": 84,
                "restoreDurationMs": 10.25,
            },
            "tracing": TRACING,
            "spans": SEEN_SPANS[1:],
            "status": "error",
            "errorType": "Runtime.X",
        },
    ),
]


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize(("record", "kind", "fields"), TELEMETRY)
def test_telemetry_events(record: r.Record, kind: str, fields: dict[str, Any], schema: str) -> None:
    made = platform_event(record, FACTS, epoch=EPOCH, clock_offset=OFFSET, max_memory_mb=84, schema=schema)
    assert made == {"time": TIME, "type": kind, "record": fields}
    assert isinstance(made["record"], dict)
    assert list(made["record"]) == list(fields), "AWS's order"


@pytest.mark.parametrize(
    ("schema", "keys"),
    [
        ("2022-07-01", ["requestId", "version", "tenantId", "tracing"]),
        ("2022-12-13", ["requestId", "version", "tenantId", "tracing"]),
        ("2025-01-29", ["requestId", "functionArn", "version", "tenantId", "tracing"]),
    ],
)
def test_the_start_of_an_invocation_names_the_function_in_the_newest_schema(schema: str, keys: list[str]) -> None:
    record = r.InvokeStart(INVOCATION)
    made = platform_event(record, FACTS, epoch=EPOCH, clock_offset=OFFSET, max_memory_mb=0, schema=schema)
    all_fields = {
        "requestId": "id-1",
        "functionArn": ARN,
        "version": "$LATEST",
        "tenantId": "blue",
        "tracing": TRACING,
    }
    assert made == {"time": TIME, "type": "platform.start", "record": {key: all_fields[key] for key in keys}}
    assert isinstance(made["record"], dict)
    assert list(made["record"]) == keys


@pytest.mark.parametrize("schema", SCHEMAS)
def test_the_telemetry_api_has_no_faults(schema: str) -> None:
    record = r.FaultRecord("id-1", "Runtime.ExitError", "Runtime exited")
    assert platform_event(record, FACTS, epoch=0, clock_offset=0, max_memory_mb=0, schema=schema) is None


def test_all_events_of_an_invocation_are_one_span() -> None:
    def span(record: r.Record) -> str:
        made = platform_event(record, FACTS, epoch=EPOCH, clock_offset=OFFSET, max_memory_mb=0)
        assert made is not None
        assert isinstance(made["record"], dict)
        return str(made["record"]["tracing"]["spanId"])

    first = {span(r.InvokeStart(INVOCATION)), span(r.InvokeReport(INVOCATION, "success", 1))}
    assert len(first) == 1
    assert first != {span(r.InvokeStart(UNTRACED))}


METRICS = {"durationMs": 5.5, "billedDurationMs": 6, "memorySizeMB": 128, "maxMemoryUsedMB": 84}

LOGS: list[tuple[r.Record, list[tuple[str, Any]]]] = [
    (r.InvokeStart(INVOCATION), [("platform.start", {"requestId": "id-1", "version": "$LATEST"})]),
    (
        r.InvokeReport(UNTRACED, "success", 5.5),
        [("platform.end", {"requestId": "id-2"}), ("platform.report", {"requestId": "id-2", "metrics": METRICS})],
    ),
    (
        r.InvokeReport(INVOCATION, "success", 5.5),
        [
            ("platform.end", {"requestId": "id-1"}),
            ("platform.report", {"requestId": "id-1", "metrics": METRICS, "tracing": TRACING}),
        ],
    ),
    (
        r.FaultRecord("id-1", "Runtime.ExitError", "Runtime exited with error: exit status 255"),
        [("platform.fault", "RequestId: id-1 Error: Runtime exited with error: exit status 255\nRuntime.ExitError\n")],
    ),
    (
        r.FaultRecord(None, "Extension.Crash", "exit status 1"),
        [("platform.fault", "Error: exit status 1\nExtension.Crash\n")],
    ),
    (
        r.FaultRecord("id-1", "Sandbox.Timedout", "Task timed out after 3.00 seconds"),
        [("platform.fault", f"{TIME} id-1 Task timed out after 3.00 seconds")],
    ),
    (
        r.ExtensionStatus("mine", "Ready", ("INVOKE",)),
        [("platform.extension", {"name": "mine", "state": "Ready", "events": ["INVOKE"]})],
    ),
    (r.InitStart("init"), []),
    (r.InitRuntimeDone("init", "success"), []),
    (r.InitReport("init", "success", 1.0), []),
]


@pytest.mark.parametrize("schema", LOGS_SCHEMAS)
@pytest.mark.parametrize(("record", "expected"), LOGS)
def test_logs_events(record: r.Record, expected: list[tuple[str, Any]], schema: str) -> None:
    made = logs_events(record, FACTS, epoch=EPOCH, max_memory_mb=84, schema=schema)
    assert list(made) == [{"time": TIME, "type": kind, "record": fields} for kind, fields in expected]


@pytest.mark.parametrize(
    ("status", "told"),
    [("success", "success"), ("error", "failure"), ("failure", "failure"), ("timeout", "timeout")],
)
def test_only_the_newer_logs_schema_tells_that_the_runtime_is_done(status: str, told: str) -> None:
    record = r.InvokeRuntimeDone(INVOCATION, status, 1.0)
    (made,) = logs_events(record, FACTS, epoch=EPOCH, max_memory_mb=0, schema="2021-03-18")
    assert made == {"time": TIME, "type": "platform.runtimeDone", "record": {"requestId": "id-1", "status": told}}
    assert logs_events(record, FACTS, epoch=EPOCH, max_memory_mb=0, schema="2020-08-15") == ()


@pytest.mark.parametrize(
    ("record", "kind", "fields"),
    [
        (
            r.InitRuntimeDone("init", "success"),
            "platform.initRuntimeDone",
            {"initializationType": "snap-start", "status": "success"},
        ),
        (
            r.InitReport("init", "success", 731.79),
            "platform.initReport",
            {"initializationType": "snap-start", "metrics": {"durationMs": 731.79, "billedDurationMs": 732}},
        ),
        (r.RestoreStart(), "platform.restoreStart", {}),
        (r.RestoreRuntimeDone("error", "X"), "platform.restoreRuntimeDone", {"status": "failure"}),
        (
            r.RestoreReport("success", 70.87),
            "platform.restoreReport",
            {"metrics": {"durationMs": 70.87, "billedDurationMs": 71}},
        ),
    ],
)
def test_logs_events_of_snap_start(record: r.Record, kind: str, fields: dict[str, Any]) -> None:
    made = logs_events(record, SNAP_START, epoch=EPOCH, max_memory_mb=0)
    assert list(made) == [{"time": TIME, "type": kind, "record": fields}]
    assert logs_events(r.InitStart("init"), SNAP_START, epoch=EPOCH, max_memory_mb=0) == ()


@pytest.mark.parametrize(
    ("epoch", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (EPOCH, TIME),
        (1_665_532_815.9999, "2022-10-12T00:00:15.999Z"),
        (1_665_532_815.9999999, "2022-10-12T00:00:16.000Z"),  # closer to it than a double can tell
        (1_709_164_800.001, "2024-02-29T00:00:00.001Z"),
    ],
)
def test_timestamps(epoch: float, text: str) -> None:
    assert timestamp(epoch) == text
