"""The extension `otlp`: spans, logs and metrics of the function to an OpenTelemetry collector over OTLP/HTTP.

Settings: OpenTelemetry's own (`OTEL_EXPORTER_OTLP_ENDPOINT`, `…_HEADERS`, `OTEL_SERVICE_NAME`, …), `RAPID_OTLP_FLUSH`
and `RAPID_OTLP_TYPES`.

* `RAPID_OTLP_FLUSH=invocation`, the default: what an invocation gave is sent before the environment may be frozen.
* `RAPID_OTLP_FLUSH=background`: it is sent every few seconds, and no invocation is held up by it. For environments that
  are never frozen.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from typing import TYPE_CHECKING

from ..client import Extension
from ..shipped import Settings, ShippedError, reported, run
from ..telemetry import Buffering

if TYPE_CHECKING:
    from .pipeline import Pipeline

PREFIX = "RAPID_OTLP_"
BUFFERING = Buffering(timeout_ms=25)
"""AWS's shortest: the end of an invocation waits for it."""

EXPORTER = "opentelemetry.exporter.otlp.proto.http"
FLUSH_SECONDS = 1.0
"""What the end of an invocation may wait for the collector."""

LAST_SECONDS = 0.4
"""What is left of the time before the deadline for the process to end."""


async def work(name: str) -> None:
    """The extension from its registration to its end."""
    settings = Settings(PREFIX, os.environ)
    held = settings.text("FLUSH", "invocation") != "background"
    events = ["INVOKE", "SHUTDOWN"] if held else ["SHUTDOWN"]
    async with Extension.register(name, events) as extension:
        async with reported(extension.init_error):
            settings.choice("FLUSH", "invocation", ("invocation", "background"))
            types = settings.types()
            pipeline = _pipeline(extension)
        if not await extension.subscribe(types, pipeline.take, buffering=BUFFERING):
            print(f"{name}: this environment has no telemetry, so nothing will be sent", flush=True)
        deadline = time.time()
        async for event in extension.events(reserve=FLUSH_SECONDS):
            deadline = event.deadline_ms / 1000
            if event.type == "INVOKE" and await extension.runtime_done(event):
                await pipeline.flush(FLUSH_SECONDS)
        await pipeline.close(deadline - time.time() - LAST_SECONDS)


def _pipeline(extension: Extension) -> Pipeline:
    """What takes telemetry and sends it.

    Raises:
        ShippedError: OpenTelemetry is missing, or a setting of OpenTelemetry's cannot be used.
    """
    try:
        found = importlib.util.find_spec(EXPORTER) is not None
    except (ImportError, ValueError):  # a parent of it is missing
        found = False
    if not found:
        message = "the OpenTelemetry SDK is not installed; pip install 'lambda-rapid[otlp]' adds it"
        raise ShippedError("Extension.OtlpNotInstalled", message)
    from .pipeline import Pipeline

    try:
        return Pipeline(extension.function_name, extension.function_version, extension.account_id, os.environ)
    except Exception as error:
        # OpenTelemetry raises what it likes at a setting that it cannot use.
        raise ShippedError("Extension.ConfigInvalid", f"OpenTelemetry cannot be set up: {error}") from error


def main() -> None:
    """The command `rapid-otlp`."""
    sys.exit(run(work))
