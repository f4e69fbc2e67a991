"""Platform records as AWS's text log lines.

Source: developer guide, "Lambda function logs" (START, END, REPORT) and "Runtime environment" (INIT_REPORT).
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

from rapid.core.effects import FaultRecord, InitReport, InvokeReport, InvokeStart, Record


def render(record: Record, *, version: str, memory_mb: int, max_memory_mb: int, epoch: float) -> str:
    """The lines of a record, each ended by a newline; empty for one that AWS does not log.

    Args:
        record: the record.
        version: the function's version.
        memory_mb: configured memory, MB.
        max_memory_mb: the most that was used, MB.
        epoch: seconds since the epoch, for lines that carry a time.
    """
    match record:
        case InvokeStart(request_id):
            return f"START RequestId: {request_id} Version: {version}\n"
        case InvokeReport():
            return f"END RequestId: {record.request_id}\n{_report(record, memory_mb, max_memory_mb)}\n"
        case InitReport(phase, status, duration_ms, error_type) if status != "success":
            return (
                f"INIT_REPORT Init Duration: {duration_ms:.2f} ms\tPhase: {phase}\tStatus: {status}"
                f"\tError Type: {error_type}\n"
            )
        case FaultRecord(request_id, "Sandbox.Timedout", reason) if request_id:
            moment = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
            return f"{moment}Z {request_id} {reason}\n"
        case FaultRecord(request_id, error_type, reason):
            prefix = f"RequestId: {request_id} " if request_id else ""
            return f"{prefix}Error: {reason}\n{error_type}\n"
    return ""


def _report(record: InvokeReport, memory_mb: int, max_memory_mb: int) -> str:
    """One REPORT line; since August 2025 AWS bills the init with the first invocation."""
    billed = math.ceil(record.duration_ms + (record.init_ms or 0))
    fields = [
        f"REPORT RequestId: {record.request_id}",
        f"Duration: {record.duration_ms:.2f} ms",
        f"Billed Duration: {billed} ms",
        f"Memory Size: {memory_mb} MB",
        f"Max Memory Used: {max_memory_mb} MB",
    ]
    if record.init_ms is not None:
        fields.append(f"Init Duration: {record.init_ms:.2f} ms")
    if record.status == "timeout":
        fields.append("Status: timeout")
    elif record.status == "failure":
        fields.extend(["Status: error", f"Error Type: {record.error_type}"])
    return "\t".join(fields) + "\t"
