"""The extension otlp as a process, between a server that the test plays and a collector."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from extensions.otlp.times import nanoseconds
from tests.extensions.api import Api, Process, event, serving, stamp, started
from tests.extensions.collector import Collector, collecting, value, values
from tests.support.program import until

OTLP = ["python", "-m", "extensions.otlp"]
WITHOUT_SDK = "import sys; sys.modules['opentelemetry'] = None; from extensions.otlp import main; main()"
TRACE = {
    "type": "X-Amzn-Trace-Id",
    "value": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0",
}
TRACE_ID, PARENT_ID = "5759e988bd862e3fe1be46a994272793", "53995c3f42cd8ad8"
REQUEST = "8286a188-ba32-4475-8077-530cd35c09a9"
INIT = {"initializationType": "on-demand", "phase": "init"}
INIT_EVENTS = [
    event("platform.initStart", {**INIT, "instanceId": "stream-1", "runtimeVersion": "python:3.13.v1"}, 0),
    event("platform.initRuntimeDone", {**INIT, "status": "success"}, 240),
    event("platform.initReport", {**INIT, "status": "success", "metrics": {"durationMs": 250.5}}, 251),
]
START = event("platform.start", {"requestId": REQUEST, "version": "7", "tracing": TRACE}, 1000)
DONE = event(
    "platform.runtimeDone",
    {
        "requestId": REQUEST,
        "status": "success",
        "metrics": {"durationMs": 140.25, "producedBytes": 16},
        "spans": [{"name": "responseLatency", "start": stamp(1010), "durationMs": 23.5}],
        "tracing": TRACE,
    },
    1141,
)
MEMORY = {"memorySizeMB": 128, "maxMemoryUsedMB": 40}
REPORT = event(
    "platform.report",
    {
        "requestId": REQUEST,
        "status": "success",
        "metrics": {"durationMs": 150.0, "billedDurationMs": 401, "initDurationMs": 250.5, **MEMORY},
        "spans": [{"name": "extensionOverhead", "start": stamp(1141), "durationMs": 9.75}],
    },
    1151,
)


@contextmanager
def running(tmp_path: Path, collector: str, **env: str) -> Iterator[tuple[Api, Process]]:
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector, "RAPID_EXTENSION_NAME": "otlp", **env}
    with serving() as api, started(OTLP, api, tmp_path, **told) as process:
        yield api, process


def invoked(api: Api, *events: dict[str, Any], nexts: int) -> None:
    """Play an invocation; returns when the extension has asked for what comes after it."""
    api.called("/event/next", nexts)
    api.invoke(REQUEST)
    assert api.send(*events).status == 200
    api.called("/event/next", nexts + 1)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as there:
        yield there


def period(span: Span) -> tuple[int, int]:
    return span.start_time_unix_nano, span.end_time_unix_nano


def test_an_invocation_becomes_spans_logs_and_metrics(tmp_path: Path, collector: Collector) -> None:
    line = event("function", f"[WARNING]\t{stamp(1100)}\t{REQUEST}\tcareful\n", 1100)
    with running(tmp_path, collector.url) as (api, otlp):
        invoked(api, *INIT_EVENTS, START, line, DONE, nexts=1)
        # All but the report is there before the extension asks for its next event, after which AWS may freeze it.
        init, invocation, latency = (collector.span(name) for name in ("init", "f", "responseLatency"))
        ((scope, log),) = collector.logs
        assert "faas.invoke_duration" in collector.metrics
        api.shutdown()
        api.send(REPORT)
        assert otlp.end() == (0, "")
    overhead = collector.span("extensionOverhead")
    assert init
    assert invocation
    assert latency
    assert overhead
    assert len(collector.spans) == 4
    begun = nanoseconds(stamp(0))
    assert period(init) == (begun, begun + 250_500_000)
    assert values(init.attributes)["aws.lambda.initialization_type"] == "on-demand"
    assert (invocation.trace_id.hex(), invocation.parent_span_id.hex()) == (TRACE_ID, PARENT_ID)
    assert invocation.kind == Span.SPAN_KIND_SERVER
    assert period(invocation) == (begun + 1_000_000_000, begun + 1_140_250_000)
    assert [link.span_id for link in invocation.links] == [init.span_id]
    assert values(invocation.attributes) == {
        "faas.invocation_id": REQUEST,
        "faas.coldstart": True,
        "faas.instance": "stream-1",
        "faas.version": "7",
    }
    for part, length in ((latency, 23_500_000), (overhead, 9_750_000)):
        assert (part.trace_id, part.parent_span_id) == (invocation.trace_id, invocation.span_id)
        assert part.end_time_unix_nano - part.start_time_unix_nano == length
    assert (scope, log.severity_text, log.severity_number) == ("aws.lambda.function", "WARNING", 13)
    assert value(log.body) == f"[WARNING]\t{stamp(1100)}\t{REQUEST}\tcareful"
    assert (log.trace_id, log.span_id) == (invocation.trace_id, invocation.span_id)
    assert log.time_unix_nano == begun + 1_100_000_000
    assert measured(collector) == {
        "faas.coldstarts": 1,
        "faas.init_duration": 0.2505,
        "faas.invocations": 1,
        "faas.invoke_duration": 0.14025,
        "aws.lambda.billed_duration": 0.401,
        "faas.mem_usage": 40 * 1024 * 1024,
    }


def measured(collector: Collector) -> dict[str, float]:
    """Sums of all metrics."""
    return {
        name: sum(point.as_int for point in metric.sum.data_points) + sum(p.sum for p in metric.histogram.data_points)
        for name, metric in collector.metrics.items()
    }


def test_it_says_what_everything_is_about_and_what_the_user_says_wins(tmp_path: Path, collector: Collector) -> None:
    env = {"AWS_REGION": "eu-west-1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128"}
    user = {"OTEL_SERVICE_NAME": "shop", "OTEL_RESOURCE_ATTRIBUTES": "cloud.platform=elsewhere"}
    with running(tmp_path, collector.url, **env, **user, OTEL_EXPORTER_OTLP_HEADERS="key=secret") as (api, _):
        invoked(api, START, event("function", "x"), DONE, nexts=1)
    for path in ("/v1/traces", "/v1/logs", "/v1/metrics"):
        told = collector.resources[path]
        assert told["service.name"] == "shop"
        assert (told["faas.name"], told["faas.version"], told["faas.max_memory"]) == ("f", "7", 128 * 1024 * 1024)
        assert (told["cloud.region"], told["cloud.platform"]) == ("eu-west-1", "elsewhere")
        assert told["service.instance.id"]
        assert collector.headers[path]["key"] == "secret"


@pytest.mark.parametrize(
    ("status", "error_type", "counted"),
    [
        ("error", "Runtime.ExitError", "faas.errors"),
        ("failure", None, "faas.errors"),
        ("timeout", None, "faas.timeouts"),
    ],
)
def test_what_went_wrong_is_told(
    tmp_path: Path, collector: Collector, status: str, error_type: str | None, counted: str
) -> None:
    ended = {"requestId": REQUEST, "status": status, "metrics": {"durationMs": 3.0}}
    if error_type:
        ended["errorType"] = error_type
    done, report = event("platform.runtimeDone", ended, 1003), event("platform.report", ended, 1003)
    with running(tmp_path, collector.url) as (api, otlp):
        invoked(api, START, done, nexts=1)
        api.shutdown()
        api.send(report)
        otlp.end()
    span = collector.span("f")
    assert span
    assert (span.status.code, span.status.message) == (Status.STATUS_CODE_ERROR, error_type or status)
    assert values(span.attributes)["error.type"] == (error_type or status)
    assert measured(collector)[counted] == 1
    assert "faas.invocations" not in collector.metrics


def test_what_did_not_come_to_its_end_is_told_at_the_end(tmp_path: Path, collector: Collector) -> None:
    with running(tmp_path, collector.url) as (api, otlp):
        api.send(START)
        otlp.signal()
        assert otlp.end() == (0, "")
    span = collector.span("f")
    assert span
    assert span.status.message == "the environment ended first"


def test_a_restore_has_a_span(tmp_path: Path, collector: Collector) -> None:
    restored = {"status": "error", "errorType": "Runtime.AfterRestoreError"}
    events = [
        event("platform.restoreStart", {"instanceId": "stream-1"}, 100),
        event("platform.restoreRuntimeDone", restored, 200),
        event("platform.restoreReport", {**restored, "metrics": {"durationMs": 110}}, 210),
    ]
    with running(tmp_path, collector.url, RAPID_OTLP_FLUSH="background") as (api, otlp):
        api.send(*events)
        otlp.signal()
        otlp.end()
    (span,) = collector.spans
    assert (span.name, span.end_time_unix_nano - span.start_time_unix_nano) == ("restore", 110_000_000)
    assert span.status.message == "Runtime.AfterRestoreError"


def test_in_the_background_it_holds_no_invocation_up(tmp_path: Path, collector: Collector) -> None:
    # The SDK's own timer sends; nothing else happens that would.
    with running(tmp_path, collector.url, RAPID_OTLP_FLUSH="background", OTEL_BSP_SCHEDULE_DELAY="10") as (api, _):
        ((_, registered),) = api.called("/register")
        assert registered == {"events": ["SHUTDOWN"]}
        api.send(START, DONE)
        until(lambda: collector.span("f"), "the span")


def test_ten_thousand_lines_of_one_invocation_all_arrive(tmp_path: Path, collector: Collector) -> None:
    lines = [event("function", f"line {number}", 1001) for number in range(10_000)]
    with running(tmp_path, collector.url) as (api, otlp):
        api.send(START)
        for first in range(0, 10_000, 1000):
            assert api.send(*lines[first : first + 1000]).status == 200
        api.send(DONE)
        api.shutdown(10)
        otlp.end()
    assert [value(log.body) for _, log in collector.logs] == [f"line {number}" for number in range(10_000)]


@contextmanager
def silent() -> Iterator[str]:
    """A collector that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_collector_that_never_answers_holds_up_one_invocation_only(tmp_path: Path) -> None:
    with silent() as url, running(tmp_path, url, OTEL_EXPORTER_OTLP_TIMEOUT="1000") as (api, otlp):
        api.called("/event/next")
        begun = time.monotonic()
        for number in range(1, 11):
            invoked(api, START, DONE, nexts=number)
        assert time.monotonic() - begun < 5  # one flush is waited for, for a second; ten would be ten
        api.shutdown()
        begun = time.monotonic()
        assert otlp.end()[0] == 0
        assert time.monotonic() - begun < 2.5


def test_a_collector_that_is_not_there_is_complained_of_once(tmp_path: Path) -> None:
    with running(tmp_path, "http://127.0.0.1:9", OTEL_EXPORTER_OTLP_TIMEOUT="0.2") as (api, otlp):
        for number in range(1, 6):
            invoked(api, START, DONE, nexts=number)
        api.shutdown()
        code, printed = otlp.end()
    assert code == 0
    complaints = [text for text in printed.splitlines() if "Failed to export" in text]
    assert 1 <= len(complaints) <= 2


def test_an_event_that_is_not_as_documented_costs_no_other(tmp_path: Path, collector: Collector) -> None:
    odd = [event("platform.start", None), {"time": "yesterday", "type": "function", "record": ""}, event("new", 1)]
    with running(tmp_path, collector.url) as (api, _):
        invoked(api, *odd, START, DONE, nexts=1)
    assert collector.span("f")


def test_without_the_sdk_it_says_so_in_a_sentence(tmp_path: Path) -> None:
    command = ["python", "-c", WITHOUT_SDK]
    with serving() as api, started(command, api, tmp_path, RAPID_EXTENSION_NAME="otlp") as otlp:
        complaint = "the OpenTelemetry SDK is not installed; pip install 'lambda-rapid[otlp]' adds it"
        assert otlp.end() == (1, f"otlp: {complaint}\n")
        ((headers, body),) = api.called("/init/error")
    assert headers["Lambda-Extension-Function-Error-Type"] == "Extension.OtlpNotInstalled"
    assert body["errorMessage"] == complaint


@pytest.mark.parametrize(
    ("name", "setting", "complaint"),
    [
        ("RAPID_OTLP_FLUSH", "never", "RAPID_OTLP_FLUSH is 'never', but must be one of invocation, background"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "-1", "OpenTelemetry cannot be set up: interval value -1.0 is invalid"),
    ],
)
def test_a_wrong_setting_is_an_init_error(tmp_path: Path, name: str, setting: str, complaint: str) -> None:
    with running(tmp_path, "http://127.0.0.1:9", **{name: setting}) as (api, otlp):
        assert otlp.end()[0] == 1
        ((_, body),) = api.called("/init/error")
    assert body["errorType"] == "Extension.ConfigInvalid"
    assert complaint in body["errorMessage"]
