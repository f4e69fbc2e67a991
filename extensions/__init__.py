"""The library for writing Lambda extensions: an asynchronous client of the Extensions API and the Telemetry API.

An extension is a program of its own beside the function. This folder imports nothing of rapid's: it speaks to any
server of these APIs, AWS's own included.
"""

from __future__ import annotations

from .client import Extension
from .events import Event, ExtensionsApiError
from .telemetry import Buffering, TelemetryEvent

__all__ = ["Buffering", "Event", "Extension", "ExtensionsApiError", "TelemetryEvent"]
