"""Platform records as events of the Telemetry API.

Fields stand in the order in which AWS writes them. Attributes that AWS marks with a question mark are left out where
there is nothing to say.

Sources: AWS developer guide, "Lambda Telemetry API Event schema reference"; JSON system logs of functions on AWS, which
have the same form, for the order and for `functionArn`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, TypedDict

from rapid.core.invocation import Invocation
from rapid.core.records import (
    ExtensionStatus,
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
from rapid.telemetry.facts import Facts

SCHEMAS = ("2022-07-01", "2022-12-13", "2025-01-29")
"""Schema versions of the Telemetry API, oldest first."""

LATEST = SCHEMAS[-1]

MEBIBYTE = 1024 * 1024

Fields = dict[str, Any]
"""A record's attributes, plain JSON values."""


class Event(TypedDict):
    """One event on the wire.

    Attributes:
        time: when the platform made it, `YYYY-MM-DDThh:mm:ss.mmmZ`.
        type: `platform.…`, `function` or `extension`.
        record: an object; text for log messages, and for `platform.fault`.
    """

    time: str
    type: str
    record: Fields | str


def platform_event(
    record: Record, facts: Facts, *, epoch: float, clock_offset: float, max_memory_mb: int, schema: str = LATEST
) -> Event | None:
    """The Telemetry API's event for a record; None for one that it has no type for (faults).

    Args:
        record: what happened.
        facts: about which function and environment.
        epoch: now, seconds since the epoch.
        clock_offset: seconds to add to the core's times to get seconds since the epoch.
        max_memory_mb: the most memory that was used, MB; for reports.
        schema: one of `SCHEMAS`; platform events differ in that only the newest has `functionArn`.
    """
    found = _fields(record, facts, clock_offset, max_memory_mb, schema)
    return None if found is None else event(epoch, found[0], found[1])


def event(epoch: float, kind: str, record: Fields | str) -> Event:
    """An event of type `kind`, made at `epoch`."""
    return {"time": timestamp(epoch), "type": kind, "record": record}


def timestamp(epoch: float) -> str:
    """`YYYY-MM-DDThh:mm:ss.mmmZ`; what is less than a millisecond is cut off."""
    seconds, micros = divmod(round(epoch * 1_000_000), 1_000_000)
    return f"{_second(seconds)}.{micros // 1000:03d}Z"


@lru_cache(maxsize=8)
def _second(seconds: int) -> str:
    """The part of a timestamp that many events share."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _fields(
    record: Record, facts: Facts, clock_offset: float, max_memory_mb: int, schema: str
) -> tuple[str, Fields] | None:
    """Type and record."""
    match record:
        case InvokeStart(invocation):
            return "platform.start", _start(invocation, facts, schema)
        case InvokeRuntimeDone():
            return "platform.runtimeDone", _runtime_done(record, clock_offset)
        case InvokeReport():
            return "platform.report", _report(record, facts, clock_offset, max_memory_mb)
        case InitStart(phase):
            return "platform.initStart", _init_start(phase, facts)
        case InitRuntimeDone(phase, status, error_type):
            return "platform.initRuntimeDone", _init(phase, status, facts) | _error(error_type)
        case InitReport(phase, status, duration_ms, error_type):
            done = _init(phase, status, facts) | {"metrics": {"durationMs": milliseconds(duration_ms)}}
            return "platform.initReport", done | _error(error_type)
        case ExtensionStatus(name, state, events, error_type):
            return "platform.extension", {"name": name, "state": state, "events": list(events)} | _error(error_type)
        case RestoreStart():
            return "platform.restoreStart", _environment(facts)
        case RestoreRuntimeDone(status, error_type):
            return "platform.restoreRuntimeDone", {"status": status} | _error(error_type)
        case RestoreReport(status, duration_ms, error_type):
            metrics = {"durationMs": milliseconds(duration_ms)}
            return "platform.restoreReport", {"status": status, "metrics": metrics} | _error(error_type)
        case _:
            return None


def _environment(facts: Facts) -> Fields:
    """What the events that begin an environment say about it; `instanceMaxMemory` is in bytes."""
    return {
        "runtimeVersion": facts.runtime_version,
        "runtimeVersionArn": facts.runtime_version_arn,
        "functionName": facts.function_name,
        "functionVersion": facts.function_version,
        "instanceId": facts.instance_id,
        "instanceMaxMemory": facts.memory_mb * MEBIBYTE,
    }


def _init_start(phase: str, facts: Facts) -> Fields:
    return {"initializationType": facts.initialization_type, "phase": phase} | _environment(facts)


def _init(phase: str, status: str, facts: Facts) -> Fields:
    return {"initializationType": facts.initialization_type, "phase": phase, "status": status}


def _start(invocation: Invocation, facts: Facts, schema: str) -> Fields:
    fields: Fields = {"requestId": invocation.request_id}
    if schema == LATEST:
        fields["functionArn"] = facts.function_arn
    return fields | {"version": facts.function_version} | _tenant(invocation) | tracing(invocation)


def _runtime_done(record: InvokeRuntimeDone, clock_offset: float) -> Fields:
    invocation = record.invocation
    fields: Fields = {"requestId": invocation.request_id, "status": record.status}
    fields |= _error(record.error_type) | _tenant(invocation) | tracing(invocation)
    fields |= _spans(record.spans, clock_offset)
    fields["metrics"] = {"durationMs": milliseconds(record.duration_ms), "producedBytes": record.produced_bytes}
    return fields


def _report(record: InvokeReport, facts: Facts, clock_offset: float, max_memory_mb: int) -> Fields:
    fields: Fields = {
        "requestId": record.invocation.request_id,
        "metrics": report_metrics(record, facts, max_memory_mb),
    }
    fields |= tracing(record.invocation) | _spans(record.spans, clock_offset)
    fields["status"] = record.status
    return fields | _error(record.error_type)


def report_metrics(record: InvokeReport, facts: Facts, max_memory_mb: int) -> Fields:
    """AWS's `ReportMetrics`; of an invocation that shares its environment only the duration (AWS's emulator too)."""
    if facts.shared:
        return {"durationMs": milliseconds(record.duration_ms)}
    metrics: Fields = {
        "durationMs": milliseconds(record.duration_ms),
        "billedDurationMs": record.billed_ms,
        "memorySizeMB": facts.memory_mb,
        "maxMemoryUsedMB": max_memory_mb,
    }
    if record.init_ms is not None:
        metrics["initDurationMs"] = milliseconds(record.init_ms)
    if record.restore_ms is not None:
        metrics["restoreDurationMs"] = milliseconds(record.restore_ms)
    return metrics


def milliseconds(value: float) -> float:
    """A duration as AWS writes it, with three decimals at most."""
    return round(value, 3)


def tracing(invocation: Invocation) -> Fields:
    """AWS's `TraceContext`.

    `spanId` is on AWS the id of Lambda's own segment, which the guide's "Converting events to OTel Spans" makes the id
    of the invocation's span. Here there is no segment, so it is made from the request id: one for all of its events.
    """
    span = blake2b(invocation.request_id.encode(), digest_size=8).hexdigest()
    return {"tracing": {"spanId": span, "type": "X-Amzn-Trace-Id", "value": invocation.trace_id}}


def _tenant(invocation: Invocation) -> Fields:
    return {"tenantId": invocation.tenant_id} if invocation.tenant_id else {}


def _error(error_type: str | None) -> Fields:
    return {"errorType": error_type} if error_type else {}


def _spans(spans: tuple[Span, ...], clock_offset: float) -> Fields:
    if not spans:
        return {}
    return {
        "spans": [
            {
                "name": span.name,
                "start": timestamp(span.start + clock_offset),
                "durationMs": milliseconds(span.duration_ms),
            }
            for span in spans
        ]
    }
