"""One subscription's events: put into batches, delivered in order, dropped rather than held without bound.

A batch is closed when it is full by number or by bytes, or when its first event has waited long enough. One batch is
under way at a time. A batch that is not taken is tried again, `ATTEMPTS` times in all with growing pauses (3.1 s
together); then it is dropped. All that waits is bounded by `MOST_WAITING` bytes; what comes on top is dropped. What was
dropped is counted, and told in a `platform.logsDropped` event at the head of the next batch.

Source: AWS developer guide, "Configuring memory usage and buffering".
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import msgspec

from rapid.telemetry.destination import ATTEMPTS, Destination, NotDelivered
from rapid.telemetry.events import event
from rapid.telemetry.subscription import Buffering

MOST_WAITING = 16 * 1024 * 1024
"""Bytes of events that may wait for one subscriber, the batch under way included."""

PAUSE = 0.1
"""Seconds before a batch is tried the second time; each pause is twice the one before."""

TOO_FAST = "Some logs were dropped because the downstream consumer is slower than the logs production rate"
NOT_TAKEN = "Consumer seems to have fallen behind as it has not acknowledged receipt of logs."


log = logging.getLogger("rapid")


class Timer(Protocol):
    """A call that will be made, unless it is cancelled."""

    def cancel(self) -> None:
        """Make no call."""


CallLater = Callable[[float, Callable[[], None]], Timer]
"""Have something called in so many seconds."""


class _Batch:
    """Events that are delivered together."""

    __slots__ = ("events", "size")

    def __init__(self) -> None:
        self.events: list[bytes] = []
        self.size = 0


class Subscriber:
    """Takes events without ever waiting, and delivers them.

    Args:
        destination: takes the batches.
        buffering: when a batch is closed.
        name: the extension's, for rapid's own log.
        call_later: the clock of waits and pauses; the loop's own unless given.
        wall: seconds since the epoch, for `platform.logsDropped`.
        on_lost: is called with the number of events that are lost, each time that some are.
    """

    def __init__(
        self,
        destination: Destination,
        buffering: Buffering,
        *,
        name: str = "",
        call_later: CallLater | None = None,
        wall: Callable[[], float] = time.time,
        on_lost: Callable[[int], None] | None = None,
    ) -> None:
        self._on_lost = on_lost
        loop = asyncio.get_running_loop()
        self._destination = destination
        self._name = name
        self._most_items = buffering.max_items
        self._most_bytes = buffering.max_bytes
        self._wait = buffering.timeout_ms / 1000
        self._call_later: CallLater = call_later or loop.call_later
        self._wall = wall
        self._batch = _Batch()
        self._timer: Timer | None = None
        self._closed: deque[_Batch] = deque()
        self._waiting = 0
        self._lost = (0, 0, "")
        self._delivery: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._gone = False

    @property
    def waiting(self) -> int:
        """Bytes of events that are not delivered yet."""
        return self._waiting

    def publish(self, encoded: bytes) -> None:
        """Take one event. It is never refused, but counted as dropped when too much waits."""
        size = len(encoded)
        if self._gone:
            return
        if self._waiting + size > MOST_WAITING:
            self.lose(1, size, TOO_FAST)
            return
        batch = self._batch
        if batch.size + size > self._most_bytes and batch.events:
            self._close_batch()
            batch = self._batch
        if not batch.events:
            self._timer = self._call_later(self._wait, self._waited)
        self._waiting += size
        batch.events.append(encoded)
        batch.size += size
        if batch.size >= self._most_bytes or len(batch.events) >= self._most_items:
            self._close_batch()

    def lose(self, records: int, size: int, reason: str = TOO_FAST) -> None:
        """Count events that the subscriber will not get."""
        if self._on_lost:
            self._on_lost(records)
        lost_records, lost_bytes, _ = self._lost
        self._lost = (lost_records + records, lost_bytes + size, reason)

    async def flush(self, seconds: float) -> bool:
        """Deliver all that is here now, pauses cut short; False when it is not done in so many seconds."""
        if self._batch.events or (self._lost[0] and not self._closed):
            self._close_batch()
        if self._delivery:
            self._hurry.set()
            await asyncio.wait({self._delivery}, timeout=seconds)
        return self._delivery is None

    async def close(self) -> None:
        """Stop at once: what waits is given up, nothing is left running or open."""
        self._gone = True
        self._stop_timer()
        if self._delivery:
            self._delivery.cancel()
            await asyncio.wait({self._delivery})
        self._closed.clear()
        self._batch = _Batch()
        self._waiting = 0
        await self._destination.close()

    # Batches

    def _waited(self) -> None:
        """The first event has waited long enough; while another batch is under way, the present one grows on."""
        self._timer = None
        if self._delivery is None:
            self._close_batch()

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _close_batch(self) -> None:
        """The present batch is ready to go, the next begins."""
        self._stop_timer()
        self._closed.append(self._batch)
        self._batch = _Batch()
        if self._delivery is None:
            self._hurry.clear()
            self._delivery = asyncio.get_running_loop().create_task(self._deliver())

    # Delivery

    async def _deliver(self) -> None:
        try:
            while self._closed:
                batch = self._closed[0]
                taken = await self._try(batch)
                self._closed.popleft()
                self._waiting -= batch.size
                if not taken:
                    self.lose(len(batch.events), batch.size, NOT_TAKEN)
                overdue = self._batch.events and self._timer is None
                untold = taken and self._lost[0] and not self._batch.events  # nothing follows that could tell of it
                if not self._closed and (overdue or untold):
                    self._close_batch()
        finally:
            self._delivery = None

    async def _try(self, batch: _Batch) -> bool:
        """Deliver one batch, with word of what was lost before it; False when it is not taken."""
        spent, pause = 0, PAUSE
        while True:
            lost = self._lost
            try:
                await self._destination.send([self._dropped(*lost), *batch.events] if lost[0] else batch.events)
                self._told(lost)
                return True
            except NotDelivered as failure:
                spent += failure.cost
                if spent >= ATTEMPTS:
                    count = len(batch.events)
                    log.warning("extension %s: %d telemetry events dropped: %s", self._name, count, failure)
                    return False
            await self._pause(pause)
            pause *= 2

    async def _pause(self, seconds: float) -> None:
        """Wait before another attempt; cut short once by whoever flushes."""
        timer = self._call_later(seconds, self._hurry.set)
        try:
            await self._hurry.wait()
        finally:
            timer.cancel()
            self._hurry.clear()

    def _dropped(self, records: int, size: int, reason: str) -> bytes:
        record = {"droppedBytes": size, "droppedRecords": records, "reason": reason}
        return msgspec.json.encode(event(self._wall(), "platform.logsDropped", record))

    def _told(self, told: tuple[int, int, str]) -> None:
        """Forget the losses that have been told; others may have come meanwhile."""
        records, size, reason = self._lost
        self._lost = (records - told[0], size - told[1], reason)
