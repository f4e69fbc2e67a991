"""Platform records as log lines, to the letter."""

from __future__ import annotations

import pytest

from rapid.core.effects import FaultRecord, InitReport, InvokeReport, InvokeStart, Record
from rapid.telemetry.lines import render

BASE = "END RequestId: i\nREPORT RequestId: i\tDuration: {}\tMemory Size: 128 MB\tMax Memory Used: 40 MB\t{}\n"


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (InvokeStart("i"), "START RequestId: i Version: $LATEST\n"),
        (InvokeReport("i", "success", 1.234), BASE.format("1.23 ms\tBilled Duration: 2 ms", "")),
        (InvokeReport("i", "error", 2.0), BASE.format("2.00 ms\tBilled Duration: 2 ms", "")),
        (
            InvokeReport("i", "success", 1.2, init_ms=99.9),
            BASE.format("1.20 ms\tBilled Duration: 102 ms", "Init Duration: 99.90 ms\t"),
        ),
        (
            InvokeReport("i", "timeout", 3000.0, error_type="Sandbox.Timedout"),
            BASE.format("3000.00 ms\tBilled Duration: 3000 ms", "Status: timeout\t"),
        ),
        (
            InvokeReport("i", "failure", 5.0, error_type="Runtime.ExitError"),
            BASE.format("5.00 ms\tBilled Duration: 5 ms", "Status: error\tError Type: Runtime.ExitError\t"),
        ),
        (InitReport("init", "success", 5.0), ""),
        (
            InitReport("init", "error", 5.0, "Runtime.ExitError"),
            "INIT_REPORT Init Duration: 5.00 ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError\n",
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
    assert render(record, version="$LATEST", memory_mb=128, max_memory_mb=40, epoch=1_700_000_000.5) == text
