"""Platform events as spans: one of each init, restore and invocation, and the platform's own spans below it.

An invocation's span ends with `platform.runtimeDone`, so that it can be sent before the environment is frozen;
`platform.report` comes when the environment is at work again. Names and attributes are those of OpenTelemetry's
semantic conventions for FaaS spans.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from ..telemetry import TelemetryEvent
from .times import MS, duration, nanoseconds
from .xray import parent

REMEMBERED = 100
"""Invocations whose span is known for what comes late: log lines, the report."""

PHASES = {"platform.initStart": "init", "platform.restoreStart": "restore"}
ENDS = {
    "platform.initRuntimeDone": "init",
    "platform.initReport": "init",
    "platform.restoreRuntimeDone": "restore",
    "platform.restoreReport": "restore",
}


class Spans:
    """Makes spans of platform events, in the order in which those come."""

    def __init__(self, tracer: Tracer, function_name: str) -> None:
        self._tracer = tracer
        self._function_name = function_name
        self._phases: dict[str, tuple[Span, int]] = {}
        self._before: list[Link] = []
        self._cold = True
        self._instance: str | None = None
        self._invocations: dict[str, tuple[Span, int]] = {}
        self.request_id: str | None = None
        """The invocation that was started last."""

    def take(self, event: TelemetryEvent) -> None:
        """Take a platform event in."""
        kind, record, at = event["type"], event["record"], nanoseconds(event["time"])
        if kind in PHASES:
            self._phase_starts(PHASES[kind], record, at)
        elif kind in ENDS:
            self._phase_ends(ENDS[kind], record, at, last=kind.endswith("Report"))
        elif kind == "platform.start":
            self._starts(record, at)
        elif kind in ("platform.runtimeDone", "platform.report"):
            self._ends(record, at)

    def context(self, request_id: str | None) -> Context:
        """The context of an invocation's span; an empty one of an invocation that is not known."""
        known = self._invocations.get(request_id or "")
        return set_span_in_context(known[0], Context()) if known else Context()

    def close(self) -> None:
        """End what has not come to its end."""
        for span, _ in [*self._phases.values(), *self._invocations.values()]:
            if span.is_recording():
                span.set_status(Status(StatusCode.ERROR, "the environment ended first"))
                span.end()

    def _phase_starts(self, name: str, record: Mapping[str, Any], at: int) -> None:
        self._instance = record.get("instanceId") or self._instance
        facts = {
            "faas.instance": self._instance,
            "aws.lambda.initialization_type": record.get("initializationType"),
            "aws.lambda.phase": record.get("phase"),
            "aws.lambda.runtime_version": record.get("runtimeVersion"),
        }
        span = self._tracer.start_span(name, Context(), SpanKind.INTERNAL, _known(facts), start_time=at)
        self._phases[name] = (span, at)
        # It has a trace of its own, for it may be over long before anybody calls; the invocation after it refers to it.
        self._before.append(Link(span.get_span_context()))

    def _phase_ends(self, name: str, record: Mapping[str, Any], at: int, *, last: bool) -> None:
        if name not in self._phases:
            return
        span, start = self._phases[name]
        _judge(span, record)
        self._parts(span, record)
        if last:
            span.end(_end(record, start, at))
            del self._phases[name]

    def _starts(self, record: Mapping[str, Any], at: int) -> None:
        request_id = str(record.get("requestId"))
        facts = {
            "faas.invocation_id": request_id,
            "faas.coldstart": self._cold,
            "faas.instance": self._instance,
            "faas.version": record.get("version"),
            "cloud.resource_id": record.get("functionArn"),
            "aws.lambda.tenant_id": record.get("tenantId"),
        }
        span = self._tracer.start_span(
            self._function_name,
            parent((record.get("tracing") or {}).get("value")),
            SpanKind.SERVER,
            _known(facts),
            self._before,
            at,
        )
        self._cold, self._before, self.request_id = False, [], request_id
        self._invocations[request_id] = (span, at)
        if len(self._invocations) > REMEMBERED:
            self._invocations.pop(next(iter(self._invocations)))[0].end()

    def _ends(self, record: Mapping[str, Any], at: int) -> None:
        known = self._invocations.get(str(record.get("requestId")))
        if known is None:
            return
        span, start = known
        self._parts(span, record)
        if span.is_recording():  # a report without a runtimeDone before it ends the span, too
            _judge(span, record)
            span.end(_end(record, start, at))

    def _parts(self, above: Span, record: Mapping[str, Any]) -> None:
        """The spans that the platform itself has measured."""
        for part in record.get("spans") or ():
            start = nanoseconds(part["start"])
            span = self._tracer.start_span(part["name"], set_span_in_context(above, Context()), start_time=start)
            span.end(start + int(part["durationMs"] * MS))


def _known(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value is not None}


def _judge(span: Span, record: Mapping[str, Any]) -> None:
    status, error_type = record.get("status", "success"), record.get("errorType")
    if status == "success":
        return
    span.set_attribute("error.type", error_type or status)
    span.set_status(Status(StatusCode.ERROR, error_type or status))


def _end(record: Mapping[str, Any], start: int, at: int) -> int:
    seconds = duration(record)
    return at if seconds is None else start + int(seconds * 1000 * MS)
