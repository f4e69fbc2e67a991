"""Platform records as AWS's text log lines.

Sources: developer guide, "Lambda function logs" (START, END, REPORT), "Runtime environment" (INIT_REPORT,
RESTORE_REPORT), "Monitoring for Lambda SnapStart"; what those do not show is as functions on AWS log it.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from rapid.core.records import (
    ExtensionStatus,
    FaultRecord,
    InitReport,
    InitStart,
    InvokeReport,
    InvokeStart,
    Record,
    RestoreReport,
    RestoreStart,
)
from rapid.telemetry.events import timestamp
from rapid.telemetry.facts import Facts

TELEMETRY = "TELEMETRY"
LOGS = "LOGS"

_TRACE = re.compile(r"(?:^|;)Root=(1-[0-9a-f]{8}-[0-9a-f]{24})(?:;|$)")
_SEGMENT = re.compile(r"(?:^|;)Parent=([0-9a-f]{16})(?:;|$)")


class Formatter(Protocol):
    """How an environment's platform records are written to its log."""

    def render(self, record: Record, max_memory_mb: int) -> str:
        """The lines of a record, each ended by a newline; empty for one that is not logged.

        Args:
            record: the record.
            max_memory_mb: the most that the environment has used, MB; only a report shows it.
        """

    def subscribed(self, api: str, name: str, state: str, types: Sequence[str]) -> str:
        """The line of a subscription.

        Args:
            api: `TELEMETRY` or `LOGS`.
            name: the extension.
            state: `Subscribed` or `Already subscribed`.
            types: `platform`, `function`, `extension`.
        """


class TextFormatter:
    """The text log format, AWS's default.

    Args:
        facts: the function and the environment.
        clock: seconds since the epoch.
    """

    def __init__(self, facts: Facts, clock: Callable[[], float] = time.time) -> None:
        self._facts = facts
        self._clock = clock

    def render(self, record: Record, max_memory_mb: int) -> str:
        """See `Formatter`."""
        return render(record, facts=self._facts, max_memory_mb=max_memory_mb, epoch=self._clock())

    def subscribed(self, api: str, name: str, state: str, types: Sequence[str]) -> str:
        """See `Formatter`."""
        kinds = ", ".join(kind.capitalize() for kind in types)
        return f"{api}\tName: {name}\tState: {state}\tTypes: [{kinds}]\n"


def render(record: Record, *, facts: Facts, max_memory_mb: int, epoch: float) -> str:
    """The lines of a record, each ended by a newline; empty for one that AWS does not log as text.

    Args:
        record: the record.
        facts: the function and the environment.
        max_memory_mb: the most that was used, MB.
        epoch: seconds since the epoch, for lines that carry a time.
    """
    match record:
        case InvokeStart(invocation):
            return f"START RequestId: {invocation.request_id} Version: {facts.function_version}\n"
        case InvokeReport():
            return _report(record, facts, max_memory_mb)
        case InitStart(phase="init"):  # one inside an invocation is told of by its INIT_REPORT alone
            return f"INIT_START {_runtime(facts)}\n"
        case InitReport(status="success"):
            # Otherwise the duration stands in the REPORT line of the invocation that paid for it.
            on_demand = facts.initialization_type == "on-demand"
            return "" if on_demand else f"INIT_REPORT Init Duration: {record.duration_ms:.2f} ms\n"
        case InitReport(phase, status, duration_ms, error_type):
            end = _status(status, error_type)
            return f"INIT_REPORT Init Duration: {duration_ms:.2f} ms\tPhase: {phase}\t{end}\n"
        case RestoreStart():
            return f"RESTORE_START {_runtime(facts)}\n"
        case RestoreReport(status, duration_ms, error_type):
            end = "" if status == "success" else f"\t{_status(status, error_type)}"
            return f"RESTORE_REPORT Restore Duration: {duration_ms:.2f} ms{end}\n"
        case ExtensionStatus():
            return _extension(record)
        case FaultRecord():
            return _fault(record, epoch)
    return ""


def _runtime(facts: Facts) -> str:
    return f"Runtime Version: {facts.runtime_version}\tRuntime Version ARN: {facts.runtime_version_arn}"


def _status(status: str, error_type: str | None) -> str:
    """How something ended that did not succeed. A timeout has no error type."""
    if status == "timeout":
        return "Status: timeout"
    return f"Status: error\tError Type: {error_type}" if error_type else "Status: error"


def _report(record: InvokeReport, facts: Facts, max_memory_mb: int) -> str:
    """END, REPORT, and the trace of a sampled request.

    A function's own error is none of the platform's: it leaves no status in the text.
    """
    request_id = record.invocation.request_id
    billed_restore = math.ceil(record.restore_ms or 0)
    line = f"END RequestId: {request_id}\nREPORT RequestId: {request_id}\tDuration: {record.duration_ms:.2f} ms\t"
    if not facts.shared:
        line += f"Billed Duration: {record.billed_ms} ms\tMemory Size: {facts.memory_mb} MB\t"
        line += f"Max Memory Used: {max_memory_mb} MB\t"
    if record.init_ms is not None:
        line += f"Init Duration: {record.init_ms:.2f} ms\t"
    if record.restore_ms is not None:
        line += f"Restore Duration: {record.restore_ms:.2f} ms\tBilled Restore Duration: {billed_restore} ms\t"
    if record.status in ("timeout", "failure"):
        line += _status(record.status, record.error_type)
    return f"{line}\n{_trace(record.invocation.trace_id)}"


def _trace(trace_id: str) -> str:
    """The line that leads from a log to a trace; callers write the header, so nothing of it is repeated unread."""
    if "Sampled=1" not in trace_id:
        return ""
    root, segment = _TRACE.search(trace_id), _SEGMENT.search(trace_id)
    if not root:
        return ""
    shown = f"SegmentId: {segment[1]}\t" if segment else ""
    return f"XRAY TraceId: {root[1]}\t{shown}Sampled: true\t\n"


def _extension(record: ExtensionStatus) -> str:
    line = f"EXTENSION\tName: {record.name}\tState: {record.state}\tEvents: [{', '.join(record.events)}]"
    return f"{line}\tError Type: {record.error_type}\n" if record.error_type else f"{line}\n"


def _fault(record: FaultRecord, epoch: float) -> str:
    if record.request_id and record.error_type == "Sandbox.Timedout":
        return f"{timestamp(epoch)} {record.request_id} {record.reason}\n"
    prefix = f"RequestId: {record.request_id} " if record.request_id else ""
    return f"{prefix}Error: {record.reason}\n{record.error_type}\n"
