"""Platform records as events of the Logs API, the Telemetry API's predecessor.

It has fewer types and shorter records, and clients that refuse a whole batch for a type they do not know: so the types
of init and restore, which its page shows for SnapStart alone, come with SnapStart alone.

Source: AWS developer guide, "Using the Lambda Logs API".
"""

from __future__ import annotations

import math

from rapid.core.records import (
    ExtensionStatus,
    FaultRecord,
    InitReport,
    InitRuntimeDone,
    InvokeReport,
    InvokeRuntimeDone,
    InvokeStart,
    Record,
    RestoreReport,
    RestoreRuntimeDone,
    RestoreStart,
)
from rapid.telemetry.events import Event, Fields, event, milliseconds, report_metrics, timestamp, tracing
from rapid.telemetry.facts import Facts

LOGS_SCHEMAS = ("2020-08-15", "2021-03-18")
"""Schema versions of the Logs API; the newer adds `platform.runtimeDone`."""


def logs_events(
    record: Record, facts: Facts, *, epoch: float, max_memory_mb: int, schema: str = LOGS_SCHEMAS[-1]
) -> tuple[Event, ...]:
    """The Logs API's events for a record, in order; none for one that it has no type for.

    Args:
        record: what happened.
        facts: about which function and environment.
        epoch: now, seconds since the epoch.
        max_memory_mb: the most memory that was used, MB; for reports.
        schema: one of `LOGS_SCHEMAS`.
    """
    match record:
        case InvokeStart(invocation):
            started = {"requestId": invocation.request_id, "version": facts.function_version}
            return (event(epoch, "platform.start", started),)
        case InvokeRuntimeDone() if schema != LOGS_SCHEMAS[0]:
            done = {"requestId": record.invocation.request_id, "status": _status(record.status)}
            return (event(epoch, "platform.runtimeDone", done),)
        case InvokeReport():
            ended = event(epoch, "platform.end", {"requestId": record.invocation.request_id})
            return ended, event(epoch, "platform.report", _report(record, facts, max_memory_mb))
        case FaultRecord():
            return (event(epoch, "platform.fault", _fault(record, epoch)),)
        case ExtensionStatus(name, state, events, error_type):
            status = {"name": name, "state": state, "events": list(events)}
            return (event(epoch, "platform.extension", status | ({"errorType": error_type} if error_type else {})),)
        case _ if facts.initialization_type == "snap-start":
            return _snap_start(record, facts, epoch)
        case _:
            return ()


def _status(status: str) -> str:
    """The Logs API knows `success`, `failure` and `timeout`."""
    return "failure" if status == "error" else status


def _report(record: InvokeReport, facts: Facts, max_memory_mb: int) -> Fields:
    """AWS adds X-Ray's data when tracing is active."""
    fields: Fields = {
        "requestId": record.invocation.request_id,
        "metrics": report_metrics(record, facts, max_memory_mb),
    }
    return fields | (tracing(record.invocation) if "Sampled=1" in record.invocation.trace_id else {})


def _fault(record: FaultRecord, epoch: float) -> str:
    """A fault as text, line by line as in the log."""
    if record.error_type == "Sandbox.Timedout" and record.request_id:
        return f"{timestamp(epoch)} {record.request_id} {record.reason}"
    prefix = f"RequestId: {record.request_id} " if record.request_id else ""
    return f"{prefix}Error: {record.reason}\n{record.error_type}\n"


def _snap_start(record: Record, facts: Facts, epoch: float) -> tuple[Event, ...]:
    """What the Logs API shows of init and restore."""
    kind = {"initializationType": facts.initialization_type}
    match record:
        case InitRuntimeDone(_, status, _):
            return (event(epoch, "platform.initRuntimeDone", kind | {"status": _status(status)}),)
        case InitReport(_, _, duration_ms, _):
            return (event(epoch, "platform.initReport", {**kind, "metrics": _duration(duration_ms)}),)
        case RestoreStart():
            return (event(epoch, "platform.restoreStart", {}),)
        case RestoreRuntimeDone(status, _):
            return (event(epoch, "platform.restoreRuntimeDone", {"status": _status(status)}),)
        case RestoreReport(_, duration_ms, _):
            return (event(epoch, "platform.restoreReport", {"metrics": _duration(duration_ms)}),)
        case _:
            return ()


def _duration(duration_ms: float) -> Fields:
    return {"durationMs": milliseconds(duration_ms), "billedDurationMs": math.ceil(duration_ms)}
