"""What happens, as CloudWatch's metrics of a function, written to the log in the embedded metric format.

A line tells of many invocations: it is written when a period is over in which there were any, or as soon as it holds as
many values as one metric may have.

Sources: Amazon CloudWatch user guide, "Specification: Embedded metric format"; AWS Lambda developer guide, "Types of
metrics for Lambda functions".
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Protocol

import msgspec

from rapid.core.records import InvokeReport, InvokeStart, Record
from rapid.telemetry.facts import Facts
from rapid.telemetry.observer import OnRecord

NAMESPACE = "Rapid"
"""Not AWS/Lambda: CloudWatch keeps names that begin with AWS/ to itself."""

PERIOD = 60.0
"""Seconds, as CloudWatch's own period."""

MOST_VALUES = 100
"""Values that a metric may have in one line."""

COUNT, MILLISECONDS = "Count", "Milliseconds"


class Timer(Protocol):
    """A call that will be made, unless it is cancelled."""

    def cancel(self) -> None:
        """Make no call."""


class EmbeddedMetrics:
    """Counts what happens, and tells it in lines; an `Observer`.

    Args:
        name: the function's.
        version: the function's.
        write: takes a line, with its newline.
        call_later: has something called in so many seconds.
        wall: seconds since the epoch.
    """

    def __init__(
        self,
        name: str,
        version: str,
        write: Callable[[str], None],
        call_later: Callable[[float, Callable[[], None]], Timer],
        wall: Callable[[], float] = time.time,
    ) -> None:
        # AWS's metrics of a version bear its number; those of $LATEST the bare name.
        resource = name if version == "$LATEST" else f"{name}:{version}"
        self._dimensions = {"FunctionName": name, "Resource": resource}
        self._write = write
        self._call_later = call_later
        self._wall = wall
        self._running = {True: 0, False: 0}  # by whether they run in provisioned environments
        self._timer: Timer | None = None
        self._begin()

    def close(self) -> None:
        """Tell what has not been told."""
        if self._timer:
            self._tell()

    # Observer

    def records_of(self, facts: Facts) -> OnRecord:
        """See `Observer`."""
        provisioned = facts.initialization_type == "provisioned-concurrency"

        def on_record(record: Record) -> None:
            if isinstance(record, InvokeStart):
                self._started(provisioned)
            elif isinstance(record, InvokeReport):
                self._over(record, provisioned)

        return on_record

    def dropped(self, records: int) -> None:
        """See `Observer`: CloudWatch has no such metric."""

    def throttled(self, reason: str) -> None:  # noqa: ARG002
        """See `Observer`."""
        self._throttles += 1
        self._wake()

    def waited(self, seconds: float) -> None:
        """See `Observer`: CloudWatch has no such metric."""

    def spilled_over(self) -> None:
        """See `Observer`."""
        self._spilled += 1
        self._wake()

    # Inside

    def _begin(self) -> None:
        """Nothing has happened yet; what runs goes on."""
        self._invocations = self._errors = self._throttles = self._provisioned = self._spilled = 0
        self._durations: list[float] = []
        self._extensions: list[float] = []
        self._most, self._most_provisioned = sum(self._running.values()), self._running[True]

    def _started(self, provisioned: bool) -> None:
        self._running[provisioned] += 1
        self._most = max(self._most, sum(self._running.values()))
        self._most_provisioned = max(self._most_provisioned, self._running[True])
        self._wake()

    def _over(self, report: InvokeReport, provisioned: bool) -> None:
        self._running[provisioned] -= 1
        self._invocations += 1
        self._provisioned += provisioned
        self._errors += report.status != "success"
        extensions_ms = math.fsum(span.duration_ms for span in report.spans)
        self._durations.append(round(report.duration_ms - extensions_ms, 3))
        if report.spans:
            self._extensions.append(round(extensions_ms, 3))
        if len(self._durations) < MOST_VALUES:
            self._wake()
        else:
            self._tell()

    def _wake(self) -> None:
        if self._timer is None:
            self._timer = self._call_later(PERIOD, self._tell)

    def _tell(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        metrics: dict[str, tuple[str, float | list[float]]] = {"Throttles": (COUNT, self._throttles)}
        if self._invocations:
            metrics["Invocations"] = (COUNT, self._invocations)
            metrics["Errors"] = (COUNT, self._errors)
            metrics["Duration"] = (MILLISECONDS, self._durations)
        if self._most:
            metrics["ConcurrentExecutions"] = (COUNT, self._most)
        if self._extensions:
            metrics["PostRuntimeExtensionsDuration"] = (MILLISECONDS, self._extensions)
        if self._most_provisioned:
            metrics["ProvisionedConcurrentExecutions"] = (COUNT, self._most_provisioned)
        if self._provisioned:
            metrics["ProvisionedConcurrencyInvocations"] = (COUNT, self._provisioned)
        if self._spilled:
            metrics["ProvisionedConcurrencySpilloverInvocations"] = (COUNT, self._spilled)
        self._write(document(metrics, self._dimensions, self._wall()))
        self._begin()


def document(metrics: dict[str, tuple[str, float | list[float]]], dimensions: dict[str, str], epoch: float) -> str:
    """One line of the embedded metric format: metrics by the first dimension, and by all of them.

    Args:
        metrics: unit and value, or values, by name.
        dimensions: name → value.
        epoch: seconds since the epoch.
    """
    names = list(dimensions)
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [names[:1], names],
        "Metrics": [{"Name": name, "Unit": unit} for name, (unit, _) in metrics.items()],
    }
    about = {"Timestamp": int(epoch * 1000), "CloudWatchMetrics": [directive]}
    values = {name: value for name, (_, value) in metrics.items()}
    return msgspec.json.encode({"_aws": about, **dimensions, **values}).decode() + "\n"
