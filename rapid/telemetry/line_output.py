"""One environment's side of a console that several share: its lines stay whole, and may begin with its number.

A function writes a line in pieces (`print` makes four of two words). What comes between the pieces of one environment's
line would take it apart, so a line that is not ended is held back for a moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rapid.core.invocation import Invocation, Outcome
from rapid.telemetry.console import Console

HOLD = 0.05
"""Seconds that an unfinished line is held back."""

MOST_HELD = 65536
"""Bytes of an unfinished line that are held back."""


class LineOutput:
    """An `Output`.

    Args:
        console: where the lines go.
        tag: what each begins with.
    """

    def __init__(self, console: Console, tag: str = "") -> None:
        self._loop = asyncio.get_running_loop()
        self._console = console
        self._tag = tag.encode()
        self._held: dict[object, bytes] = {}
        self._begun: object = None  # the writer of a line whose beginning is on the console
        self._timer: asyncio.TimerHandle | None = None

    def output(self, data: bytes, writer: object = None) -> bool:
        """See `Output.output`."""
        data = self._held.pop(writer, b"") + data
        end = data.rfind(b"\n") + 1 if len(data) < MOST_HELD else len(data)
        if end < len(data):
            self._held[writer] = data[end:]
            if self._timer is None:
                self._timer = self._loop.call_later(HOLD, self._held_long_enough)
        return self._write(data[:end], writer)

    def platform(self, lines: str) -> None:
        """See `Output.platform`."""
        self._release()
        self._console.platform(self._tagged(lines.encode()).decode() if self._tag else lines)

    @property
    def shows_errors(self) -> bool:
        """See `Output.shows_errors`."""
        return self._console.shows_errors

    def error(self, outcome: Outcome, invocation: Invocation | None) -> None:
        """See `Output.error`; a page has no tags."""
        self._release()
        self._console.error(outcome, invocation)

    def on_drained(self, callback: Callable[[], None]) -> None:
        """See `Output.on_drained`."""
        self._console.on_drained(callback)

    def _held_long_enough(self) -> None:
        self._timer = None
        self._release()

    def _release(self) -> None:
        if not self._held:
            return
        held, self._held = self._held, {}
        for writer, data in held.items():
            self._write(data, writer)

    def _write(self, data: bytes, writer: object) -> bool:
        """Write; what goes on with a line that is still the console's last has no tag of its own."""
        if not data:
            return self._console.output(b"", writer) if self._console.goes_on(writer) else True
        goes_on = self._begun is writer and self._console.goes_on(writer)
        self._begun = None if data.endswith(b"\n") else writer
        head, newline, rest = data.partition(b"\n") if goes_on else (b"", b"", data)
        return self._console.output(head + newline + self._tagged(rest), writer)

    def _tagged(self, data: bytes) -> bytes:
        """With the tag at the beginning of each line; a carriage return, as errors have it, ends none."""
        if not self._tag or not data:
            return data
        ended = data.endswith(b"\n")
        tagged = (data[:-1] if ended else data).replace(b"\n", b"\n" + self._tag)
        return self._tag + tagged + (b"\n" if ended else b"")
