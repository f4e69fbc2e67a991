"""One environment's log: what its processes write, and the platform's lines.

It goes to the console, to telemetry subscribers, and its end to a caller who asks for it. Where several invocations run
at once, nobody can tell whose lines are whose, and the end is that of all.
"""

from __future__ import annotations

from collections.abc import Callable

from rapid.core.errors import Fault
from rapid.core.invocation import Invocation, Outcome
from rapid.core.records import (
    FaultRecord,
    InitReport,
    InitRuntimeDone,
    InitStart,
    InvokeReport,
    InvokeRuntimeDone,
    InvokeStart,
    Record,
)
from rapid.telemetry.console import Output
from rapid.telemetry.lines import Formatter
from rapid.telemetry.observer import OnRecord
from rapid.telemetry.publisher import Publisher
from rapid.telemetry.subscription import Subscription
from rapid.telemetry.writer import Writer

TAIL_BYTES = 4096
"""How much of the log `X-Amz-Log-Result` carries (AWS: "the last 4 KB of the execution log")."""


class EnvironmentLog:
    """The log of one environment.

    Args:
        console: where all lines go.
        formatter: turns platform records into lines.
        publisher: serves the telemetry subscribers.
        level: in the JSON format, the least detailed level of the function's messages that are logged, see `passes`.
        on_record: is called with each platform record; None for nobody.
    """

    def __init__(
        self,
        console: Output,
        formatter: Formatter,
        publisher: Publisher,
        level: str | None = None,
        on_record: OnRecord | None = None,
    ) -> None:
        self._level = level
        self._on_record = on_record
        self._console = console
        self._formatter = formatter
        self._publisher = publisher
        self._function: Writer | None = None
        self._tail = bytearray()
        self._init_inside = False  # of the invocation that begins next
        self._open = 0  # invocations that have begun and not been reported

    def writer(self, extension: str | None) -> Writer:
        """Where a process writes: the runtime, or the extension of that name."""
        if extension is not None:
            return Writer(self, self._publisher.extension, lambda: self._publisher.wants_extension_logs)
        function = Writer(self, self._publisher.function, lambda: self._publisher.wants_function_logs, self._level)
        self._function = function
        return function

    def write(self, data: bytes, writer: object) -> bool:
        """Take what `writer` wrote; False asks for a pause."""
        self._keep(data)
        return self._console.output(data, writer)

    def on_drained(self, callback: Callable[[], None]) -> None:
        """Call `callback` once when the console has room again."""
        self._console.on_drained(callback)

    @property
    def shows_errors(self) -> bool:
        """Whether `failed` does something."""
        return self._console.shows_errors

    @property
    def has_platform_subscriber(self) -> bool:
        """Whether records go further than to the log."""
        return self._publisher.wants_platform

    def record(self, record: Record, max_memory_mb: int) -> None:
        """Log a platform record."""
        if self._on_record:
            self._on_record(record)
        if isinstance(record, InitStart):
            self._publisher.restart()
        if isinstance(record, InvokeStart | InitStart):
            self._cut_tail(record)
        elif self._function and isinstance(record, InvokeRuntimeDone | InvokeReport | InitRuntimeDone):
            if self._open <= 1:  # else the line may be another's
                self._function.end_line()
            self._open -= isinstance(record, InvokeReport)
        self._platform(self._formatter.render(record, max_memory_mb))
        self._publisher.record(record, max_memory_mb)
        if isinstance(record, InitReport):
            self._publisher.init_closed()
        if isinstance(record, FaultRecord) and record.request_id is None:
            fault = Fault(record.error_type, record.reason)
            self.failed(Outcome(fault.document(None), record.error_type), None)

    def failed(self, outcome: Outcome, invocation: Invocation | None) -> None:
        """Show an error to whoever sits at a terminal, see `Output.error`; what was written before it comes first."""
        if self._console.shows_errors:
            self._console.error(outcome, invocation)

    def subscribe(self, extension: str, subscription: Subscription) -> None:
        """An extension subscribes to telemetry."""
        state = self._publisher.subscribe(extension, subscription)
        self._platform(self._formatter.subscribed(subscription.api.name, extension, state, subscription.types))

    def tail(self) -> bytes:
        """The last 4 KB of the present invocations, the init inside of one included."""
        return bytes(self._tail[-TAIL_BYTES:])

    def _cut_tail(self, began: InvokeStart | InitStart) -> None:
        """Forget what was before an invocation; an init inside of one comes ahead of its START line."""
        inside = isinstance(began, InitStart) and began.phase == "invoke"
        if inside or (isinstance(began, InvokeStart) and not self._init_inside and not self._open):
            self._tail.clear()
        self._init_inside = inside
        self._open += isinstance(began, InvokeStart)

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
