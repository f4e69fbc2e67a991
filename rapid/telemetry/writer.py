"""Where one process writes: to the console as it is, to telemetry subscribers as messages."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from rapid.telemetry.framing import Decoder, Frame
from rapid.telemetry.messages import Lines, passes
from rapid.telemetry.replay import Message


class Log(Protocol):
    """The environment's log, as far as a writer sees it."""

    def write(self, data: bytes, writer: object) -> bool:
        """Take what `writer` wrote; False asks for a pause."""

    def on_drained(self, callback: Callable[[], None]) -> None:
        """Call `callback` once when there is room again."""


class Writer:
    """One process'; an `OutputSink`.

    While nobody wants messages, none is left out and there is one stream, bytes are not cut into lines.

    Args:
        log: where bytes go.
        publish: where messages go, with the time at which they were written or read.
        wanted: whether messages go anywhere.
        level: leave out messages that do not pass it; None lets all pass.
        by_lines: it is one of several streams: only whole lines are passed on.
    """

    def __init__(
        self,
        log: Log,
        publish: Callable[[Sequence[Message], float], None],
        wanted: Callable[[], bool],
        level: str | None = None,
        by_lines: bool = False,
    ) -> None:
        self._log = log
        self._publish = publish
        self._wanted = wanted
        self._level = level
        self._by_lines = by_lines or level is not None
        self._lines = Lines()
        self._frames = Decoder()

    def output(self, data: bytes) -> bool:
        """Take bytes of its standard streams; False asks for a pause."""
        if self._by_lines:
            return self._take_lines(self._lines.feed(data))
        if self._wanted():
            self._publish(self._lines.feed(data), time.time())
        return self._log.write(data, self)

    def framed(self, data: bytes) -> bool:
        """Take bytes of its framed log; False asks for a pause."""
        return self._take_frames(self._frames.feed(data, time.time()))

    def end(self) -> None:
        """Its streams are over: what was begun is all that there will be."""
        self._take_frames(self._frames.flush(time.time()))
        self.end_line()

    def end_line(self) -> None:
        """An unfinished line is over: what comes next belongs to something else."""
        begun = self._lines.flush()
        if self._by_lines:
            self._take_lines(begun)
        elif self._wanted():
            self._publish(begun, time.time())

    def on_drained(self, callback: Callable[[], None]) -> None:
        """Call `callback` once when there is room again."""
        self._log.on_drained(callback)

    def another(self) -> Writer:
        """A writer for a further stream of the same process."""
        return Writer(self._log, self._publish, self._wanted, self._level, by_lines=True)

    def _take_lines(self, lines: list[str]) -> bool:
        kept = [line for line in lines if self._passes(line)]
        if not kept:
            return True
        if self._wanted():
            self._publish(kept, time.time())
        return self._log.write("".join(f"{line}\n" for line in kept).encode(), self)

    def _take_frames(self, frames: list[Frame]) -> bool:
        """Messages that know where they end."""
        kept = [frame for frame in frames if self._passes(frame.data)]
        if not kept:
            return True
        if self._wanted():
            for frame in kept:
                self._publish([frame.data if frame.json else frame.text], frame.epoch)
        return self._log.write(b"".join(frame.lines for frame in kept), self)

    def _passes(self, message: Message) -> bool:
        return self._level is None or passes(message, self._level)
