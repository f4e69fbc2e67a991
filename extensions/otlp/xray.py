"""X-Ray's trace header as a context of OpenTelemetry's.

Source: AWS X-Ray developer guide, "Tracing header": `Root=1-{8 hex}-{24 hex};Parent={16 hex};Sampled={0|1}`.
"""

from __future__ import annotations

import re

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

ROOT = re.compile(r"(?:^|;)\s*Root=1-([0-9a-f]{8})-([0-9a-f]{24})", re.IGNORECASE)
PARENT = re.compile(r"(?:^|;)\s*Parent=([0-9a-f]{16})(?![0-9a-f])", re.IGNORECASE)
SAMPLED = TraceFlags(TraceFlags.SAMPLED)


def parent(header: str | None) -> Context:
    """The context of the caller; an empty one where the header has no root and parent.

    `Sampled=0` does not drop a span: Lambda sends it to every function for which X-Ray is off. What is kept is chosen
    by OpenTelemetry's own OTEL_TRACES_SAMPLER.
    """
    root, caller = ROOT.search(header or ""), PARENT.search(header or "")
    if root is None or caller is None:
        return Context()
    span = SpanContext(int(root[1] + root[2], 16), int(caller[1], 16), is_remote=True, trace_flags=SAMPLED)
    return set_span_in_context(NonRecordingSpan(span), Context()) if span.is_valid else Context()
