"""Platform events as metrics, under the names of OpenTelemetry's semantic conventions for FaaS metrics.

As those have it, `faas.invocations` counts successes: all invocations are the sum of it, `faas.errors` and
`faas.timeouts`. What has no name there is below `aws.lambda`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.metrics import Histogram, Meter

from ..telemetry import TelemetryEvent
from .times import duration

SECONDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0]
"""The conventions' buckets."""

MB = 1024 * 1024
BYTES = [float(2**power * MB) for power in range(5, 15)]
"""32 MB to 16 GB: up to over the largest function there is."""


class Measures:
    """Counts and measures."""

    def __init__(self, meter: Meter) -> None:
        def seconds(name: str, description: str) -> Histogram:
            return meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=SECONDS)

        self._invocations = meter.create_counter("faas.invocations", "{invocation}", "Successful invocations")
        self._errors = meter.create_counter("faas.errors", "{error}", "Invocations that ended in an error")
        self._timeouts = meter.create_counter("faas.timeouts", "{timeout}", "Invocations that ran out of time")
        self._cold_starts = meter.create_counter("faas.coldstarts", "{coldstart}", "Inits")
        self._dropped = meter.create_counter("aws.lambda.telemetry.dropped", "{event}", "Events that were lost")
        self._init = seconds("faas.init_duration", "Duration of an init")
        self._invoke = seconds("faas.invoke_duration", "Duration of an invocation in the runtime")
        self._billed = seconds("aws.lambda.billed_duration", "Duration that AWS bills, extensions included")
        self._memory = meter.create_histogram(
            "faas.mem_usage", "By", "Peak memory of the environment", explicit_bucket_boundaries_advisory=BYTES
        )
        self._measured: set[str] = set()

    def take(self, event: TelemetryEvent) -> None:
        """Take a platform event in."""
        kind, record = event["type"], event["record"]
        if kind == "platform.initReport":
            self._cold_starts.add(1, _error(record))
            _note(self._init, duration(record))
        elif kind == "platform.runtimeDone":
            self._measured.add(str(record.get("requestId")))
            _note(self._invoke, duration(record))
        elif kind == "platform.report":
            self._report(record)
        elif kind == "platform.logsDropped":
            self._dropped.add(int(record.get("droppedRecords", 0)))

    def _report(self, record: Mapping[str, Any]) -> None:
        status = record.get("status", "success")
        counter = {"success": self._invocations, "timeout": self._timeouts}.get(status, self._errors)
        counter.add(1, _error(record) if counter is self._errors else {})
        request_id = str(record.get("requestId"))
        if request_id not in self._measured:  # no runtimeDone came: the report's duration is the nearest to it
            _note(self._invoke, duration(record))
        self._measured.discard(request_id)
        _note(self._billed, duration(record, "billedDurationMs"))
        memory = (record.get("metrics") or {}).get("maxMemoryUsedMB")
        _note(self._memory, memory * MB if isinstance(memory, int | float) else None)


def _error(record: Mapping[str, Any]) -> dict[str, str]:
    """The attribute that tells errors apart; none of a success."""
    status = record.get("status", "success")
    return {} if status == "success" else {"error.type": str(record.get("errorType") or status)}


def _note(histogram: Histogram, value: float | None) -> None:
    if value is not None:
        histogram.record(value)
