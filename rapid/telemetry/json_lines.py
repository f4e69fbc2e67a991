"""Platform records as AWS's JSON log lines: a Telemetry API event each, if the system log level lets it pass.

Source: developer guide, "Log formats" and "Log-level filtering" ("System log level event mapping").
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from rapid.core.records import Record
from rapid.telemetry.events import Event, Fields, event, platform_event
from rapid.telemetry.facts import Facts
from rapid.telemetry.lines import TELEMETRY

SYSTEM_LOG_LEVELS = ("DEBUG", "INFO", "WARN")
"""From the most detailed to the least; each lets its own and what follows pass."""

_encode = msgspec.json.encode


class JsonFormatter:
    """The JSON log format.

    Faults and `Task timed out` have no event of their own, and AWS logs no line for them in this format: the status
    and the error type of `platform.runtimeDone` and `platform.report` say it.

    Args:
        facts: the function and the environment.
        level: one of `SYSTEM_LOG_LEVELS`; events of the levels before it are left out.
        clock: seconds since the epoch.
        monotonic: seconds of the clock that spans are told in.
    """

    def __init__(
        self,
        facts: Facts,
        level: str = "INFO",
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._facts = facts
        self._least = SYSTEM_LOG_LEVELS.index(level)
        self._clock = clock
        self._monotonic = monotonic

    def render(self, record: Record, max_memory_mb: int) -> str:
        """See `rapid.telemetry.lines.Formatter`."""
        now = self._clock()
        offset = now - self._monotonic()
        told = platform_event(record, self._facts, epoch=now, clock_offset=offset, max_memory_mb=max_memory_mb)
        return self._line(told) if told else ""

    def subscribed(self, api: str, name: str, state: str, types: Sequence[str]) -> str:
        """See `rapid.telemetry.lines.Formatter`."""
        kind = "platform.telemetrySubscription" if api == TELEMETRY else "platform.logsSubscription"
        return self._line(event(self._clock(), kind, {"name": name, "state": state, "types": list(types)}))

    def _line(self, told: Event) -> str:
        if SYSTEM_LOG_LEVELS.index(level_of(told)) < self._least:
            return ""
        return _encode(told).decode() + "\n"


def level_of(told: Event) -> str:
    """The level that AWS gives a platform event."""
    record: Fields = told["record"] if isinstance(told["record"], dict) else {}
    kind = told["type"].removeprefix("platform.")
    if kind == "logsDropped" or record.get("status", "success") != "success" or "errorType" in record:
        return "WARN"
    match kind:
        case "initRuntimeDone" | "restoreRuntimeDone" | "runtimeDone":
            return "DEBUG"
        case "initReport" if record.get("initializationType") == "on-demand":
            return "DEBUG"
        case "initStart" | "restoreStart" if not record.get("runtimeVersion"):
            return "DEBUG"
    return "INFO"
