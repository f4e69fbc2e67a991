"""Platform records as log lines, to the letter. What is compared with has been logged by functions on AWS."""

from __future__ import annotations

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
)
from rapid.telemetry.facts import Facts
from rapid.telemetry.lines import LOGS, TELEMETRY, TextFormatter, render

ARN = "arn:aws:lambda:us-east-1::runtime:0000"
RUNTIME = f"Runtime Version: python:3.13.v14\tRuntime Version ARN: {ARN}\n"
ROOT = "1-62e900b2-710d76f009d6e7785905449a"
EPOCH = 1_700_000_000.5


def facts(initialization_type: str = "on-demand") -> Facts:
    return Facts(
        function_name="f",
        function_version="$LATEST",
        function_arn="arn:aws:lambda:us-east-1:012345678912:function:f",
        instance_id="2026/11/21/[$LATEST]0000",
        memory_mb=128,
        initialization_type=initialization_type,
        runtime_version="python:3.13.v14",
        runtime_version_arn=ARN,
    )


def invocation(trace_id: str = f"Root={ROOT};Parent=0efbd19962d95b05;Sampled=0") -> Invocation:
    return Invocation("i", b"{}", "arn", trace_id)


def line(record: Record, initialization_type: str = "on-demand") -> str:
    return render(record, facts=facts(initialization_type), max_memory_mb=40, epoch=EPOCH)


def report(
    status: str,
    duration_ms: float,
    error_type: str | None = None,
    *,
    init_ms: float | None = None,
    restore_ms: float | None = None,
    trace: str | None = None,
) -> str:
    started = invocation(trace) if trace else invocation()
    return line(InvokeReport(started, status, duration_ms, init_ms, restore_ms, error_type))


def expected(durations: str, rest: str = "") -> str:
    return f"END RequestId: i\nREPORT RequestId: i\t{durations}\tMemory Size: 128 MB\tMax Memory Used: 40 MB\t{rest}\n"


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (report("success", 1.234), expected("Duration: 1.23 ms\tBilled Duration: 2 ms")),
        # a function's own error is not the platform's
        (report("error", 2.0, "ValueError"), expected("Duration: 2.00 ms\tBilled Duration: 2 ms")),
        (
            report("success", 2.46, init_ms=413.61),
            expected("Duration: 2.46 ms\tBilled Duration: 417 ms", "Init Duration: 413.61 ms\t"),
        ),
        (
            report("timeout", 3000.0, "Sandbox.Timedout"),
            expected("Duration: 3000.00 ms\tBilled Duration: 3000 ms", "Status: timeout"),
        ),
        (
            report("timeout", 600000.0, init_ms=516.31),
            expected("Duration: 600000.00 ms\tBilled Duration: 600517 ms", "Init Duration: 516.31 ms\tStatus: timeout"),
        ),
        (
            report("failure", 10935.7, "Runtime.OutOfMemory"),
            expected(
                "Duration: 10935.70 ms\tBilled Duration: 10936 ms", "Status: error\tError Type: Runtime.OutOfMemory"
            ),
        ),
        (report("failure", 5.0), expected("Duration: 5.00 ms\tBilled Duration: 5 ms", "Status: error")),
        (
            report("success", 306.34, restore_ms=302.4),
            expected(
                "Duration: 306.34 ms\tBilled Duration: 610 ms",
                "Restore Duration: 302.40 ms\tBilled Restore Duration: 303 ms\t",
            ),
        ),
    ],
)
def test_a_report_has_the_fields_of_aws_in_their_order(shown: str, text: str) -> None:
    assert shown == text


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (
            f"Root={ROOT};Parent=0efbd19962d95b05;Sampled=1",
            f"XRAY TraceId: {ROOT}\tSegmentId: 0efbd19962d95b05\tSampled: true\t\n",
        ),
        (
            f"Sampled=1;Parent=0efbd19962d95b05;Root={ROOT};Lineage=1:2:3",
            f"XRAY TraceId: {ROOT}\tSegmentId: 0efbd19962d95b05\tSampled: true\t\n",
        ),
        (f"Root={ROOT};Sampled=1", f"XRAY TraceId: {ROOT}\tSampled: true\t\n"),
        (f"Root={ROOT};Parent=0efbd19962d95b05;Sampled=0", ""),
        ("Root=anything\tat all;Sampled=1", ""),
        ("Parent=0efbd19962d95b05;Sampled=1", ""),
    ],
)
def test_a_sampled_request_shows_its_trace(header: str, text: str) -> None:
    assert report("success", 1.0, trace=header) == expected("Duration: 1.00 ms\tBilled Duration: 1 ms") + text


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (InvokeStart(invocation()), "START RequestId: i Version: $LATEST\n"),
        (InvokeRuntimeDone(invocation(), "success", 1.0), ""),
        (InitStart("init"), f"INIT_START {RUNTIME}"),
        (InitStart("invoke"), ""),
        (InitRuntimeDone("init", "error", "Runtime.ExitError"), ""),
        (InitReport("init", "success", 5.0), ""),
        (
            InitReport("invoke", "error", 150.786, "Runtime.UserCodeSyntaxError"),
            "INIT_REPORT Init Duration: 150.79 ms\tPhase: invoke\tStatus: error"
            "\tError Type: Runtime.UserCodeSyntaxError\n",
        ),
        (
            InitReport("init", "timeout", 9999.79, "Sandbox.Timedout"),
            "INIT_REPORT Init Duration: 9999.79 ms\tPhase: init\tStatus: timeout\n",
        ),
        (RestoreStart(), f"RESTORE_START {RUNTIME}"),
        (RestoreRuntimeDone("success"), ""),
        (RestoreReport("success", 511.25), "RESTORE_REPORT Restore Duration: 511.25 ms\n"),
        (RestoreReport("timeout", 1236.04), "RESTORE_REPORT Restore Duration: 1236.04 ms\tStatus: timeout\n"),
        (
            RestoreReport("error", 1236.04, "Runtime.ExitError"),
            "RESTORE_REPORT Restore Duration: 1236.04 ms\tStatus: error\tError Type: Runtime.ExitError\n",
        ),
        (
            ExtensionStatus("agent", "Ready", ("INVOKE", "SHUTDOWN")),
            "EXTENSION\tName: agent\tState: Ready\tEvents: [INVOKE, SHUTDOWN]\n",
        ),
        (
            ExtensionStatus("agent", "LaunchError", (), "PermissionDenied"),
            "EXTENSION\tName: agent\tState: LaunchError\tEvents: []\tError Type: PermissionDenied\n",
        ),
        (
            FaultRecord("i", "Sandbox.Timedout", "Task timed out after 3.00 seconds"),
            "2023-11-14T22:13:20.500Z i Task timed out after 3.00 seconds\n",
        ),
        (
            FaultRecord("i", "Runtime.ExitError", "Runtime exited with error: exit status 1"),
            "RequestId: i Error: Runtime exited with error: exit status 1\nRuntime.ExitError\n",
        ),
        (FaultRecord(None, "Runtime.ExitError", "gone"), "Error: gone\nRuntime.ExitError\n"),
    ],
)
def test_a_record_is_logged_as_aws_logs_it(record: Record, text: str) -> None:
    assert line(record) == text


@pytest.mark.parametrize("kind", ["provisioned-concurrency", "snap-start"])
def test_an_init_that_no_invocation_waits_for_reports_its_success(kind: str) -> None:
    assert line(InitReport("init", "success", 3693.9), kind) == "INIT_REPORT Init Duration: 3693.90 ms\n"


@pytest.mark.parametrize(
    ("api", "types", "text"),
    [
        (TELEMETRY, ("platform", "function"), "TELEMETRY\tName: a\tState: Subscribed\tTypes: [Platform, Function]\n"),
        (LOGS, ("extension",), "LOGS\tName: a\tState: Subscribed\tTypes: [Extension]\n"),
    ],
)
def test_a_subscription_is_logged(api: str, types: tuple[str, ...], text: str) -> None:
    assert TextFormatter(facts()).subscribed(api, "a", "Subscribed", types) == text


def test_the_formatter_reads_the_clock() -> None:
    fault = FaultRecord("i", "Sandbox.Timedout", "Task timed out after 3.00 seconds")
    assert TextFormatter(facts(), clock=lambda: EPOCH).render(fault, 0) == line(fault)
