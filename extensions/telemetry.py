"""Telemetry as it comes in: events, how they are to be buffered, and what is known from those that have come.

Source: AWS developer guide, "Lambda Telemetry API reference" and "Lambda Telemetry API Event schema reference".
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypedDict

REMEMBERED = 1000
"""Invocations that are remembered as done: more than can be open at once in an environment."""


class TelemetryEvent(TypedDict):
    """One event, as the API sends it. It stays a dict so that whatever AWS adds to it is passed on.

    Attributes:
        time: when it happened, RFC 3339 in UTC.
        type: `platform.start` and its like, `function`, `extension`.
        record: of a platform event an object; of a log a string, or an object where logs are JSON.
    """

    time: str
    type: str
    record: Any


OnBatch = Callable[[list[TelemetryEvent]], Awaitable[None] | None]
"""What is called with each batch, in order and one at a time; a function or a coroutine function."""


@dataclass(frozen=True, slots=True)
class Buffering:
    """When the server sends a batch: as soon as one of these is reached.

    Attributes:
        timeout_ms: age of the oldest event, 25 to 30,000 ms. The lower, the sooner events come and the more requests.
        max_items: number of events, 1,000 to 10,000.
        max_bytes: their size, 262,144 to 1,048,576 bytes.
    """

    timeout_ms: int = 1000
    max_items: int = 10_000
    max_bytes: int = 262_144

    def document(self) -> dict[str, int]:
        """As the API wants it."""
        return {"maxItems": self.max_items, "maxBytes": self.max_bytes, "timeoutMs": self.timeout_ms}


class Receiver:
    """Hands batches on, and keeps what the extension must know of them.

    Attributes:
        failure: completes with the first exception of `on_batch`; nothing is handed on after it.
    """

    def __init__(self, on_batch: OnBatch) -> None:
        self._on_batch = on_batch
        self._turn = asyncio.Lock()
        self._latest = time.monotonic()
        self._done: dict[str, None] = {}
        self._waiting: dict[str, asyncio.Event] = {}
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def take(self, batch: list[TelemetryEvent]) -> None:
        """Hand on a batch; raises what `on_batch` raises now or raised before."""
        async with self._turn:
            if self.failure.done():
                self.failure.result()
            try:
                working = self._on_batch(batch)
                if inspect.isawaitable(working):
                    await working
            except Exception as error:
                self.failure.set_exception(error)
                raise
            self._latest = time.monotonic()
            for event in batch:
                record = event.get("record")
                if event.get("type") == "platform.runtimeDone" and isinstance(record, dict):
                    self._note_done(str(record.get("requestId")))

    def _note_done(self, request_id: str) -> None:
        self._done[request_id] = None
        if len(self._done) > REMEMBERED:
            del self._done[next(iter(self._done))]
        if waiting := self._waiting.get(request_id):
            waiting.set()

    async def runtime_done(self, request_id: str) -> None:
        """Wait until `platform.runtimeDone` of an invocation has been handed on."""
        if request_id in self._done:
            return
        waiting = self._waiting.setdefault(request_id, asyncio.Event())
        try:
            await waiting.wait()
        finally:
            self._waiting.pop(request_id, None)

    async def quiet(self, seconds: float, until: float) -> None:
        """Wait until no batch has come for some seconds, from now on, but not beyond a monotonic time.

        Raises:
            Exception: `on_batch` raised.
        """
        begun = time.monotonic()
        while (left := min(max(begun, self._latest) + seconds, until) - time.monotonic()) > 0:
            await asyncio.wait({self.failure}, timeout=left)
            if self.failure.done():
                break
        async with self._turn:  # a batch that is being handed on
            if self.failure.done():
                self.failure.result()
