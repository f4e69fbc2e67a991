"""The console: one stream of the function's own lines and the platform's, written so that it never blocks the server.

A pipe that says it is writable takes `PIPE_BUF` bytes without blocking, so no more is written at a time; what does not
fit waits here, and a function that writes more than that is held up until the reader follows.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Callable
from typing import Protocol

from rapid.core.invocation import Invocation, Outcome

HIGH_WATER = 1024 * 1024
"""Bytes that may wait before functions are held up."""

FLUSH_PATIENCE = 2.0
"""Seconds that the last lines wait for a reader who takes nothing."""


class Output(Protocol):
    """Where an environment's log goes."""

    @property
    def shows_errors(self) -> bool:
        """Whether `error` does something."""

    def output(self, data: bytes, writer: object = None) -> bool:
        """Write what a process wrote, as it is; False when more would pile up.

        Args:
            data: the bytes.
            writer: whose they are: nobody's words are put on a line that another has begun.
        """

    def platform(self, lines: str) -> None:
        """Write whole lines of the platform's; an unfinished line is ended first."""

    def on_drained(self, callback: Callable[[], None]) -> None:
        """Call `callback` once when all that waits has been written."""

    def error(self, outcome: Outcome, invocation: Invocation | None) -> None:
        """Show an error to whoever sits at a terminal. It is no part of the log.

        Args:
            outcome: what the caller is told.
            invocation: which one failed; None when the function did not start.
        """


class Console:
    """Writes to a file descriptor, which stays in the mode it is in (it may be shared with other programs)."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._scheduled = False
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)
        self._waiting = bytearray()
        self._watching = False
        self._room: select.epoll | None = None
        self._drained: list[Callable[[], None]] = []
        self._at_line_start = True
        self._last_writer: object = None
        self._closed = False

    def goes_on(self, writer: object) -> bool:
        """Whether the last line is one that `writer` has begun and not ended."""
        return writer is self._last_writer and not self._at_line_start

    def output(self, data: bytes, writer: object = None) -> bool:
        """See `Output.output`."""
        if writer is not self._last_writer:
            self._last_writer = writer
            if not self._at_line_start:
                self._write(b"\n")
        self._write(data)
        return not self.lags

    def platform(self, lines: str) -> None:
        """See `Output.platform`."""
        self._write(lines.encode() if self._at_line_start else b"\n" + lines.encode())

    @property
    def shows_errors(self) -> bool:
        """See `Output.shows_errors`."""
        return False

    @property
    def lags(self) -> bool:
        """Whether more waits than is to pile up."""
        return len(self._waiting) >= HIGH_WATER

    def error(self, outcome: Outcome, invocation: Invocation | None) -> None:
        """See `Output.error`: nobody sits here."""

    def on_drained(self, callback: Callable[[], None]) -> None:
        """See `Output.on_drained`."""
        self._drained.append(callback)

    def flush(self) -> None:
        """Write all that waits, for as long as someone reads: the last thing before the process leaves."""
        if self._watching:
            self._watch(False)
        try:
            while self._waiting and self._poll.poll(FLUSH_PATIENCE * 1000):
                self._consume(os.write(self._fd, self._waiting[: select.PIPE_BUF]))
        except OSError:
            self._give_up()

    def _write(self, data: bytes) -> None:
        """Take bytes, to be written at the end of this turn of the loop: answers go out before log lines."""
        if self._closed or not data:
            return
        self._at_line_start = data.endswith(b"\n")
        self._waiting += data
        if not self._scheduled and not self._watching:
            self._scheduled = True
            self._loop.call_soon(self._work)

    def _work(self) -> None:
        """Write while the descriptor takes it; then wait for the loop to call again."""
        self._scheduled = False
        try:
            while self._waiting and self._poll.poll(0):
                self._consume(os.write(self._fd, self._waiting[: select.PIPE_BUF]))
        except OSError:  # nobody reads any more: the function goes on, its lines have nowhere to go
            self._give_up()
        if bool(self._waiting) != self._watching:
            self._watch(bool(self._waiting))
        if not self._waiting and self._drained:
            drained, self._drained = self._drained, []
            for callback in drained:
                callback()

    def _watch(self, on: bool) -> None:
        """Have the loop call when there is room. It is given an epoll: what it watches it puts into another mode."""
        self._watching = on
        if self._room is None:
            self._room = select.epoll()
            self._room.register(self._fd, select.EPOLLOUT)
        if on:
            self._loop.add_reader(self._room, self._work)
        else:
            self._loop.remove_reader(self._room)

    def _consume(self, count: int) -> None:
        del self._waiting[:count]

    def _give_up(self) -> None:
        self._closed = True
        self._waiting.clear()
