"""Telemetry in, OTLP out: OpenTelemetry's SDK, set up by its own environment variables."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from ..telemetry import TelemetryEvent
from .flusher import Flusher
from .logs import Logs
from .measures import Measures
from .spans import Spans

SCOPE = "aws.lambda.platform"
DEFAULTS = {
    "OTEL_EXPORTER_OTLP_TIMEOUT": "2",
    "OTEL_BLRP_MAX_QUEUE_SIZE": "20000",
}
"""Where the user says nothing: a collector beside a function answers soon or not at all, and one invocation may log
more lines at once than the SDK's 2,048."""

QUIET_SECONDS = 60.0


class Pipeline:
    """Takes batches of telemetry, and sends what comes of them.

    Raises:
        ValueError: OpenTelemetry cannot use a setting (or what else it raises then).
    """

    def __init__(
        self, function_name: str, function_version: str, account_id: str | None, environ: Mapping[str, str]
    ) -> None:
        for name, value in DEFAULTS.items():
            os.environ.setdefault(name, value)
        _speak_rarely()
        resource = _resource(function_name, function_version, account_id, environ)
        self._traces = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._logs = LoggerProvider(resource, shutdown_on_exit=False)
        self._logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
        reader = PeriodicExportingMetricReader(OTLPMetricExporter())
        self._metrics = MeterProvider([reader], resource, shutdown_on_exit=False)
        self._spans = Spans(self._traces.get_tracer(SCOPE), function_name)
        self._measures = Measures(self._metrics.get_meter(SCOPE))
        self._lines = Logs(self._logs, lambda: self._spans.request_id, self._spans.context)
        self._flusher = Flusher(self._flush)

    def take(self, batch: list[TelemetryEvent]) -> None:
        """Take a batch in, in order: a line belongs to the invocation that was started before it."""
        for event in batch:
            self._take(event)

    def _take(self, event: TelemetryEvent) -> None:
        try:
            if event["type"] in ("function", "extension", "platform.logsDropped"):
                self._lines.take(event)
            if event["type"].startswith("platform."):
                self._spans.take(event)
                self._measures.take(event)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # One event that is not as documented must not cost the others.
            logging.getLogger(__name__).warning("an event was not understood: %r", error)

    async def flush(self, seconds: float) -> bool:
        """Send what there is; whether that was done within so many seconds."""
        return await self._flusher.flush(seconds)

    async def close(self, seconds: float) -> bool:
        """End open spans and send the rest; whether that was done within so many seconds."""
        self._spans.close()
        return await self._flusher.finish(seconds)

    def _flush(self) -> None:
        self._traces.force_flush()
        self._logs.force_flush()
        self._metrics.force_flush()


def _resource(
    function_name: str, function_version: str, account_id: str | None, environ: Mapping[str, str]
) -> Resource:
    """What everything is about; OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME win over what is known here."""
    memory = environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    known = {
        "service.name": function_name,
        "faas.name": function_name,
        "faas.version": function_version,
        "faas.instance": environ.get("AWS_LAMBDA_LOG_STREAM_NAME"),
        "faas.max_memory": int(memory) * 1024 * 1024 if memory.isdigit() else None,
        "cloud.provider": "aws",
        "cloud.platform": "aws_lambda",
        "cloud.region": environ.get("AWS_REGION"),
        "cloud.account.id": account_id,
    }
    own = Resource({name: value for name, value in known.items() if value})
    return Resource.create().merge(own).merge(OTELResourceDetector().detect())


class _Rarely(logging.Filter):
    """Lets a message pass once a minute.

    A collector that is down gives a message for each batch; and where extensions' output is subscribed to, each message
    would come back as the next batch.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now - self._said.get(record.msg, -QUIET_SECONDS) < QUIET_SECONDS:
            return False
        self._said[record.msg] = now
        return True


def _speak_rarely() -> None:
    handler = logging.StreamHandler()
    handler.addFilter(_Rarely())
    handler.setFormatter(logging.Formatter("rapid-otlp: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
