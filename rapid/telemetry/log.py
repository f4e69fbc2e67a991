"""One environment's log: the function's output and the platform's lines, with the tail that a caller may ask for."""

from __future__ import annotations

import time
from collections.abc import Callable

from rapid.core.effects import InvokeStart, Record
from rapid.telemetry.console import Console
from rapid.telemetry.lines import render

TAIL_BYTES = 4096
"""How much of the log `X-Amz-Log-Result` carries (AWS: "the last 4 KB of the execution log")."""


class EnvironmentLog:
    """Writes to the console and remembers the end of what the present invocation logged.

    Args:
        console: where all lines go.
        version: the function's version.
        memory_mb: the function's memory size, MB.
    """

    def __init__(self, console: Console, version: str, memory_mb: int) -> None:
        self._console = console
        self._version = version
        self._memory_mb = memory_mb
        self._tail = bytearray()

    def output(self, data: bytes) -> bool:
        """Take what the function wrote; False asks for a pause."""
        self._keep(data)
        return self._console.output(data)

    def on_drained(self, callback: Callable[[], None]) -> None:
        """Call `callback` once when the console has room again."""
        self._console.on_drained(callback)

    def record(self, record: Record, max_memory_mb: int) -> None:
        """Log a platform record."""
        lines = render(
            record,
            version=self._version,
            memory_mb=self._memory_mb,
            max_memory_mb=max_memory_mb,
            epoch=time.time(),
        )
        if isinstance(record, InvokeStart):
            self._tail.clear()
        if lines:
            self._keep(lines.encode())
            self._console.platform(lines)

    def tail(self) -> bytes:
        """The last 4 KB since the last START line."""
        return bytes(self._tail[-TAIL_BYTES:])

    def _keep(self, data: bytes) -> None:
        self._tail += data
        if len(self._tail) > 2 * TAIL_BYTES:
            del self._tail[:-TAIL_BYTES]
