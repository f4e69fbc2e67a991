"""One environment's log: what its processes write, and the platform's lines.

It goes to the console, to telemetry subscribers, and its end to a caller who asks for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from rapid.core.records import InitReport, InitStart, InvokeStart, Record
from rapid.telemetry.console import Console
from rapid.telemetry.framing import Decoder, Frame
from rapid.telemetry.lines import Formatter
from rapid.telemetry.messages import Lines
from rapid.telemetry.publisher import Publisher
from rapid.telemetry.subscription import Subscription

TAIL_BYTES = 4096
"""How much of the log `X-Amz-Log-Result` carries (AWS: "the last 4 KB of the execution log")."""


class EnvironmentLog:
    """The log of one environment.

    Args:
        console: where all lines go.
        formatter: turns platform records into lines.
        publisher: serves the telemetry subscribers.
    """

    def __init__(self, console: Console, formatter: Formatter, publisher: Publisher) -> None:
        self._console = console
        self._formatter = formatter
        self._publisher = publisher
        self._tail = bytearray()

    def writer(self, extension: str | None) -> Writer:
        """Where a process writes: the runtime, or the extension of that name."""
        return Writer(self, self._publisher, of_extension=extension is not None)

    def write(self, data: bytes, writer: Writer) -> bool:
        """Take what a process wrote; False asks for a pause."""
        self._keep(data)
        return self._console.output(data, writer)

    def on_drained(self, callback: Callable[[], None]) -> None:
        """Call `callback` once when the console has room again."""
        self._console.on_drained(callback)

    def record(self, record: Record, max_memory_mb: int) -> None:
        """Log a platform record."""
        if isinstance(record, InvokeStart):
            self._tail.clear()
        elif isinstance(record, InitStart):
            self._publisher.restart()
        self._platform(self._formatter.render(record, max_memory_mb))
        self._publisher.record(record, max_memory_mb)
        if isinstance(record, InitReport):
            self._publisher.init_closed()

    def subscribe(self, extension: str, subscription: Subscription) -> None:
        """An extension subscribes to telemetry."""
        state = self._publisher.subscribe(extension, subscription)
        self._platform(self._formatter.subscribed(subscription.api.name, extension, state, subscription.types))

    def tail(self) -> bytes:
        """The last 4 KB since the last START line."""
        return bytes(self._tail[-TAIL_BYTES:])

    async def flush(self, seconds: float) -> None:
        """Send subscribers what is buffered, for at most so long."""
        await self._publisher.flush(seconds)

    async def close(self) -> None:
        """No more telemetry is sent."""
        await self._publisher.close()

    def _platform(self, lines: str) -> None:
        if lines:
            self._keep(lines.encode())
            self._console.platform(lines)

    def _keep(self, data: bytes) -> None:
        self._tail += data
        if len(self._tail) > 2 * TAIL_BYTES:
            del self._tail[:-TAIL_BYTES]


class Writer:
    """Where one process writes.

    Args:
        log: the environment's.
        publisher: serves the telemetry subscribers.
        of_extension: the process is an extension's, not the function's.
    """

    def __init__(self, log: EnvironmentLog, publisher: Publisher, *, of_extension: bool) -> None:
        self._log = log
        self._publisher = publisher
        self._of_extension = of_extension
        self._lines = Lines()
        self._frames = Decoder()

    def output(self, data: bytes) -> bool:
        """Take bytes of its standard streams; False asks for a pause."""
        if self._wanted:
            self._publish(self._lines.feed(data))
        return self._log.write(data, self)

    def framed(self, data: bytes) -> bool:
        """Take bytes of its framed log; False asks for a pause."""
        return self._take(self._frames.feed(data, time.time()))

    def end(self) -> None:
        """Its streams are over: what was begun is all that there will be."""
        self._take(self._frames.flush(time.time()))
        if self._wanted:
            self._publish(self._lines.flush())

    def on_drained(self, callback: Callable[[], None]) -> None:
        """Call `callback` once when there is room again."""
        self._log.on_drained(callback)

    @property
    def _wanted(self) -> bool:
        publisher = self._publisher
        return publisher.wants_extension_logs if self._of_extension else publisher.wants_function_logs

    def _publish(self, lines: list[str]) -> None:
        send = self._publisher.extension if self._of_extension else self._publisher.function
        send(lines, time.time())

    def _take(self, frames: list[Frame]) -> bool:
        """Messages that know where they end."""
        if self._wanted:
            for frame in frames:
                self._publisher.function([frame.data if frame.json else frame.text], frame.epoch)
        return self._log.write(b"".join(frame.lines for frame in frames), self) if frames else True
