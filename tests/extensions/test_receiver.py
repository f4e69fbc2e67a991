"""What takes batches in: one at a time, nothing after a failure, and an end that waits for what is under way."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from extensions.telemetry import Receiver, TelemetryEvent

BATCH = [TelemetryEvent(time="", type="platform.runtimeDone", record={"requestId": "r-1"})]


def test_the_end_waits_for_a_batch_that_is_being_handed_on() -> None:
    taken: list[Any] = []

    async def end() -> None:
        ready = asyncio.Event()

        async def slow(batch: list[TelemetryEvent]) -> None:
            await ready.wait()
            taken.append(batch)

        receiver = Receiver(slow)
        taking = asyncio.ensure_future(receiver.take(BATCH))
        await asyncio.sleep(0)  # it begins
        quiet = asyncio.ensure_future(receiver.quiet(0, time.monotonic()))
        await asyncio.wait({quiet}, timeout=0.01)
        assert not quiet.done()
        ready.set()
        await quiet
        assert taken == [BATCH]
        await taking

    asyncio.run(asyncio.wait_for(end(), 10))


def test_after_a_failure_nothing_is_handed_on() -> None:
    given: list[Any] = []

    def fail(batch: list[TelemetryEvent]) -> None:
        given.append(batch)
        raise OSError("full")

    async def fill() -> None:
        receiver = Receiver(fail)
        for _ in range(2):
            with pytest.raises(OSError, match="full"):
                await receiver.take(BATCH)
        with pytest.raises(OSError, match="full"):
            await receiver.quiet(20, time.monotonic() + 20)
        assert given == [BATCH]

    asyncio.run(asyncio.wait_for(fill(), 10))


def test_batches_are_handed_on_one_at_a_time() -> None:
    under_way: list[int] = []

    async def alone(batch: list[TelemetryEvent]) -> None:
        under_way.append(1)
        await asyncio.sleep(0)
        assert len(under_way) == 1
        under_way.pop()

    async def both() -> None:
        receiver = Receiver(alone)
        await asyncio.gather(receiver.take(BATCH), receiver.take(BATCH))

    asyncio.run(asyncio.wait_for(both(), 10))


def test_an_invocation_that_is_done_is_known_before_and_after_one_asks() -> None:
    async def ask() -> None:
        receiver = Receiver(lambda batch: None)
        asking = asyncio.ensure_future(receiver.runtime_done("r-1"))
        await asyncio.sleep(0)
        await receiver.take([TelemetryEvent(time="", type="platform.runtimeDone", record=None), *BATCH])
        await asking
        await receiver.runtime_done("r-1")

    asyncio.run(asyncio.wait_for(ask(), 10))
