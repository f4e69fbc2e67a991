"""Batches, retries and losses of one subscriber, on a clock that the test moves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapid.telemetry import subscriber as module
from rapid.telemetry.destination import ATTEMPTS, NotDelivered
from rapid.telemetry.subscriber import NOT_TAKEN, TOO_FAST, Subscriber
from rapid.telemetry.subscription import Buffering
from tests.telemetry.clock import Clock, settled

BUFFERING = Buffering(max_items=1000, max_bytes=262_144, timeout_ms=1000)


class Taker:
    """A destination that fails as often as told, and can be made to wait."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.attempts = 0
        self.failures: list[NotDelivered] = []
        self.always: NotDelivered | None = None
        self.free = asyncio.Event()
        self.free.set()
        self.at_once = 0
        self.most_at_once = 0
        self.closed = False

    async def send(self, events: Sequence[bytes]) -> None:
        self.attempts += 1
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            await self.free.wait()
        finally:
            self.at_once -= 1
        if self.always:
            raise self.always
        if self.failures:
            raise self.failures.pop(0)
        self.batches.append(list(events))

    async def close(self) -> None:
        self.closed = True

    @property
    def events(self) -> list[bytes]:
        return [event for batch in self.batches for event in batch]

    @property
    def dropped(self) -> list[dict[str, Any]]:
        told = [json.loads(event) for event in self.events if event.startswith(b"{")]
        assert all(event["type"] == "platform.logsDropped" for event in told)
        return [event["record"] for event in told]


Scenario = Callable[[Clock, Taker, Subscriber], Awaitable[None]]


def play(scenario: Scenario, buffering: Buffering = BUFFERING) -> None:
    """Play a scenario with a fresh subscriber; nothing of it is left running."""

    async def run() -> None:
        clock, taker = Clock(), Taker()
        subscriber = Subscriber(
            taker, buffering, name="mine", call_later=clock.call_later, wall=lambda: 1_665_532_815.064
        )
        await scenario(clock, taker, subscriber)
        await subscriber.close()
        assert taker.closed
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert clock.pending == []

    asyncio.run(run())


def numbers(first: int, last: int) -> list[bytes]:
    return [b"%d" % number for number in range(first, last)]


def test_the_first_event_of_a_batch_waits_no_longer_than_its_timeout() -> None:
    async def scenario(clock: Clock, taker: Taker, subscriber: Subscriber) -> None:
        subscriber.publish(b"1")
        await clock.pass_(0.6)
        subscriber.publish(b"2")
        await clock.pass_(0.399)
        assert taker.batches == []
        await clock.pass_(0.001)
        assert taker.batches == [[b"1", b"2"]]
        subscriber.publish(b"3")
        await clock.pass_(1)
        assert taker.batches == [[b"1", b"2"], [b"3"]]

    play(scenario)


def test_a_batch_goes_when_it_has_as_many_events_as_asked_for() -> None:
    async def scenario(clock: Clock, taker: Taker, subscriber: Subscriber) -> None:
        for event in numbers(0, 2500):
            subscriber.publish(event)
        await settled()
        assert taker.batches == [numbers(0, 1000), numbers(1000, 2000)]
        await clock.pass_(1)
        assert taker.events == numbers(0, 2500)

    play(scenario)


def test_a_batch_goes_before_it_would_be_larger_than_asked_for() -> None:
    async def scenario(clock: Clock, taker: Taker, subscriber: Subscriber) -> None:
        for _ in range(4):
            subscriber.publish(b"x" * 100_000)
        await settled()
        assert [len(batch) for batch in taker.batches] == [2]
        subscriber.publish(b"y" * 300_000)  # one that is too large for any batch goes alone
        await settled()
        assert [len(batch) for batch in taker.batches] == [2, 2, 1]

    play(scenario)


def test_one_batch_is_under_way_at_a_time_and_the_next_one_grows_meanwhile() -> None:
    async def scenario(clock: Clock, taker: Taker, subscriber: Subscriber) -> None:
        taker.free.clear()
        for second in range(5):
            subscriber.publish(b"%d" % second)
            await clock.pass_(1)
        taker.free.set()
        await settled()
        assert taker.most_at_once == 1
        assert taker.batches == [[b"0"], [b"1", b"2", b"3", b"4"]]

    play(scenario)


def test_a_batch_that_fails_is_tried_again_with_growing_pauses_and_order_is_kept() -> None:
    async def scenario(clock: Clock, taker: Taker, subscriber: Subscriber) -> None:
        taker.failures = [NotDelivered("refused") for _ in range(ATTEMPTS - 1)]
        subscriber.publish(b"1")
        await clock.pass_(1)
        pauses = []
        subscriber.publish(b"2")
        while not taker.batches:
            (pause, *_) = clock.pending
            pauses.append(pause)
            await clock.pass_(pause)
            await clock.pass_(0)
        assert pauses == [0.1, 0.2, 0.4, 0.3, 0.5, 1.6]  # 0.8 in two parts: the second event's timeout is between them
        await settled()
        assert taker.batches == [[b"1"], [b"2"]]

    play(scenario)


def test_a_batch_that_is_never_taken_is_dropped_and_told_with_the_next_that_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario(clock: Clock, taker: Taker, subscriber: Subscriber) -> None:
        taker.always = NotDelivered("refused")
        subscriber.publish(b"1")
        subscriber.publish(b"22")
        await clock.pass_(1 + 3.1)
        assert taker.attempts == ATTEMPTS
        assert subscriber.waiting == 0
        await clock.pass_(1000)
        assert taker.attempts == ATTEMPTS, "nothing to deliver, so nobody is bothered"
        assert caplog.messages == ["extension mine: 2 telemetry events dropped: refused"]
        taker.always = None
        subscriber.publish(b"3")
        await clock.pass_(1)
        (batch,) = taker.batches
        assert json.loads(batch[0]) == {
            "time": "2022-10-12T00:00:15.064Z",
            "type": "platform.logsDropped",
            "record": {"droppedBytes": 3, "droppedRecords": 2, "reason": NOT_TAKEN},
        }
        assert batch[1:] == [b"3"]
        subscriber.publish(b"4")
        await clock.pass_(1)
        assert taker.batches[1:] == [[b"4"]], "told once"

    play(scenario)


def test_a_loss_that_could_not_be_told_is_added_to_the_next() -> None:
    async def scenario(clock: Clock, taker: Taker, subscriber: Subscriber) -> None:
        taker.always = NotDelivered("no", cost=ATTEMPTS)
        for _ in range(3):
            subscriber.publish(b"12345")
            await clock.pass_(1)
        taker.always = None
        await subscriber.flush(1)
        assert taker.dropped == [{"droppedBytes": 15, "droppedRecords": 3, "reason": NOT_TAKEN}]

    play(scenario)


@pytest.mark.parametrize(("cost", "attempts"), [(1, 6), (3, 2), (6, 1)])
def test_what_an_attempt_costs(cost: int, attempts: int) -> None:
    async def scenario(clock: Clock, taker: Taker, subscriber: Subscriber) -> None:
        taker.always = NotDelivered("no", cost)
        subscriber.publish(b"1")
        await clock.pass_(100)
        assert taker.attempts == attempts

    play(scenario)


def test_memory_is_bounded_and_what_does_not_fit_is_counted() -> None:
    async def scenario(clock: Clock, taker: Taker, subscriber: Subscriber) -> None:
        taker.free.clear()
        large = b"x" * 100_000
        for _ in range(200):
            subscriber.publish(large)
        await clock.pass_(10)
        fit = module.MOST_WAITING // len(large)
        assert subscriber.waiting == fit * len(large)
        taker.free.set()
        await settled()
        assert taker.events.count(large) == fit
        lost = 200 - fit
        assert taker.dropped == [{"droppedBytes": lost * len(large), "droppedRecords": lost, "reason": TOO_FAST}]

    play(scenario)


def test_a_loss_is_told_even_when_no_event_follows() -> None:
    async def scenario(clock: Clock, taker: Taker, subscriber: Subscriber) -> None:
        taker.free.clear()
        subscriber.publish(b"1")
        await clock.pass_(1)
        subscriber.lose(7, 70)
        taker.free.set()
        await settled()
        assert taker.batches[0] == [b"1"]
        assert taker.dropped == [{"droppedBytes": 70, "droppedRecords": 7, "reason": TOO_FAST}]

    play(scenario)


def test_a_flush_delivers_all_that_is_here_and_cuts_a_pause_short() -> None:
    async def scenario(clock: Clock, taker: Taker, subscriber: Subscriber) -> None:
        taker.failures = [NotDelivered("refused") for _ in range(4)]
        subscriber.publish(b"1")
        await clock.pass_(1 + 0.1 + 0.2)
        assert clock.pending == [0.4]
        subscriber.publish(b"2")
        flush = asyncio.ensure_future(subscriber.flush(10))
        await settled()
        assert taker.attempts == 4
        await clock.pass_(0.8)  # the pauses that follow are whole
        assert await flush
        assert taker.batches == [[b"1"], [b"2"]]
        assert await subscriber.flush(10), "nothing to do"

    play(scenario)


def test_a_flush_is_bounded_by_a_listener_that_does_not_answer() -> None:
    async def scenario(clock: Clock, taker: Taker, subscriber: Subscriber) -> None:
        taker.free.clear()
        subscriber.publish(b"1")
        assert not await subscriber.flush(0.01)
        taker.free.set()
        assert await subscriber.flush(10)
        assert taker.batches == [[b"1"]]

    play(scenario)


@pytest.mark.parametrize("moment", ["buffered", "under way", "in a pause"])
def test_closing_leaves_nothing_running(moment: str) -> None:
    async def scenario(clock: Clock, taker: Taker, subscriber: Subscriber) -> None:
        if moment == "under way":
            taker.free.clear()
        elif moment == "in a pause":
            taker.always = NotDelivered("refused")
        subscriber.publish(b"1")
        if moment != "buffered":
            await clock.pass_(1)
        await subscriber.close()
        subscriber.publish(b"2")
        await clock.pass_(100)
        assert taker.batches == []
        assert subscriber.waiting == 0

    play(scenario)


STEPS = st.one_of(
    st.tuples(st.just("publish"), st.integers(1, 400)),
    st.tuples(st.just("pass"), st.sampled_from([0.05, 0.4, 1.0, 5.0])),
    st.tuples(st.just("fail"), st.integers(1, 8)),
    st.tuples(st.just("hold"), st.booleans()),
)


@given(st.lists(STEPS, max_size=30))
def test_every_event_is_delivered_once_and_in_order_or_counted_as_dropped(steps: list[tuple[str, Any]]) -> None:
    async def scenario(clock: Clock, taker: Taker, subscriber: Subscriber) -> None:
        published = 0
        for step, value in steps:
            if step == "publish":
                for number in range(published, published + value):
                    subscriber.publish(b"%04d" % number + bytes(10_000))
                published += value
            elif step == "pass":
                await clock.pass_(value)
            elif step == "fail":
                taker.failures += [NotDelivered("refused") for _ in range(value)]
            elif value:
                taker.free.clear()
            else:
                taker.free.set()
        taker.failures.clear()
        taker.free.set()
        assert await subscriber.flush(20)
        delivered = [int(event[:4]) for event in taker.events if not event.startswith(b"{")]
        assert delivered == sorted(set(delivered))
        dropped = sum(record["droppedRecords"] for record in taker.dropped)
        assert len(delivered) + dropped == published
        assert all(sum(map(len, batch)) <= BUFFERING.max_bytes + 1000 for batch in taker.batches)
        assert taker.most_at_once <= 1
        assert subscriber.waiting == 0

    play(scenario)


def test_whoever_counts_losses_is_told_of_each_as_it_happens() -> None:
    async def run() -> None:
        clock, taker, lost = Clock(), Taker(), list[int]()
        taker.always = NotDelivered("no", ATTEMPTS)
        subscriber = Subscriber(taker, BUFFERING, call_later=clock.call_later, on_lost=lost.append)
        subscriber.lose(5, 100)
        for event in numbers(0, 3):
            subscriber.publish(event)
        assert lost == [5]
        await subscriber.flush(1)
        assert lost == [5, 3]
        await subscriber.close()

    asyncio.run(run())
