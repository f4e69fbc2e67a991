"""Records of whole invocations, for those that count them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rapid.core.records import InvokeReport, InvokeStart, Record, Span
from rapid.telemetry.facts import Facts
from tests.core.steps import invocation

FACTS = Facts("f", "$LATEST", "arn:f", "stream", 128, "on-demand", "python:3.13", "arn:runtime")
PROVISIONED = replace(FACTS, initialization_type="provisioned-concurrency")


def over(
    duration_ms: float = 10.0, status: str = "success", error_type: str | None = None, extensions_ms: float = 0.0
) -> InvokeReport:
    """The report of an invocation."""
    spans = (Span("extensionOverhead", 0.0, extensions_ms),) if extensions_ms else ()
    return InvokeReport(invocation(), status, duration_ms, error_type=error_type, spans=spans)


def whole(duration_ms: float = 10.0, status: str = "success", error_type: str | None = None) -> Iterator[Record]:
    """An invocation from its beginning to its end."""
    yield InvokeStart(invocation())
    yield over(duration_ms, status, error_type)
