"""Who gets which events of an environment, in which form, from when to when."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from rapid.core import records as r
from rapid.core.errors import Refused
from rapid.core.invocation import Invocation
from rapid.telemetry import publisher as module
from rapid.telemetry import replay
from rapid.telemetry.destination import Destination, NotDelivered
from rapid.telemetry.facts import Facts
from rapid.telemetry.publisher import Publisher, json_object
from rapid.telemetry.subscription import Api, Buffering, HttpDestination, Subscription, TcpDestination
from tests.telemetry.clock import Clock, settled

FACTS = Facts("f", "$LATEST", "arn", "stream", 128, "on-demand", "python:3.13", "arn:runtime")
INVOCATION = Invocation("id-1", b"{}", "arn", "Root=1-2;Parent=3;Sampled=0")
EPOCH = 1_665_532_815.064
TIME = "2022-10-12T00:00:15.064Z"
ALL = ("platform", "function", "extension")
INIT = r.InitStart("init")
START = r.InvokeStart(INVOCATION)


class Taker:
    """The listener at one port."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.closed = False
        self.failing = False

    async def send(self, events: Sequence[bytes]) -> None:
        if self.failing:
            raise NotDelivered("refused")
        self.events += [json.loads(event) for event in events]

    async def close(self) -> None:
        self.closed = True

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    @property
    def records(self) -> list[Any]:
        return [event["record"] for event in self.events]


class World:
    """A publisher with listeners at ports, on a clock of its own."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.takers: dict[int, list[Taker]] = {}
        self.publisher = Publisher(
            FACTS,
            open_destination=self._open,
            call_later=self.clock.call_later,
            wall=lambda: EPOCH,
            monotonic=lambda: 64.0,
        )

    def _open(self, destination: HttpDestination | TcpDestination) -> Destination:
        taker = Taker()
        self.takers.setdefault(destination.port, []).append(taker)
        return taker

    async def got(self, port: int) -> Taker:
        """The listener at a port, after the timeout of every batch."""
        await self.clock.pass_(1)
        return self.takers[port][-1]


def subscription(
    port: int = 1, types: tuple[str, ...] = ALL, schema: str = "2022-12-13", api: Api = Api.TELEMETRY
) -> Subscription:
    return Subscription(api, schema, types, TcpDestination(port), Buffering())


def play(scenario: Callable[[World, Publisher], Awaitable[None]]) -> None:
    async def run() -> None:
        world = World()
        await scenario(world, world.publisher)
        await world.publisher.close()
        assert all(taker.closed for takers in world.takers.values() for taker in takers)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


def test_a_subscriber_gets_what_the_init_phase_had_before_it_then_all_that_follows() -> None:
    async def scenario(world: World, publisher: Publisher) -> None:
        publisher.record(INIT, 0)
        publisher.function(["early"], EPOCH)
        publisher.extension(["other"], EPOCH)
        publisher.subscribe("mine", subscription())
        publisher.record(r.InitRuntimeDone("init", "success"), 0)
        publisher.init_closed()
        publisher.record(START, 0)
        publisher.function(["late"], EPOCH)
        publisher.record(r.InvokeReport(INVOCATION, "success", 1.0), 33)
        got = await world.got(1)
        assert got.types == [
            "platform.initStart",
            "function",
            "extension",
            "platform.telemetrySubscription",
            "platform.initRuntimeDone",
            "platform.start",
            "function",
            "platform.report",
        ]
        assert {event["time"] for event in got.events} == {TIME}
        assert got.records[3] == {"name": "mine", "state": "Subscribed", "types": list(ALL)}
        assert got.records[-1]["metrics"]["maxMemoryUsedMB"] == 33

    play(scenario)


@pytest.mark.parametrize(
    ("types", "seen"),
    [
        (("platform",), {"platform.initStart", "platform.telemetrySubscription"}),
        (("function",), {"function"}),
        (("extension",), {"extension"}),
        (("function", "extension"), {"function", "extension"}),
    ],
)
def test_a_subscriber_gets_the_types_it_asked_for(types: tuple[str, ...], seen: set[str]) -> None:
    async def scenario(world: World, publisher: Publisher) -> None:
        for _ in range(2):  # replayed, and live
            publisher.record(INIT, 0) if not world.takers else None
            publisher.function(["line"], EPOCH)
            publisher.extension(["line"], EPOCH)
            if not world.takers:
                publisher.subscribe("mine", subscription(types=types))
        assert set((await world.got(1)).types) == seen

    play(scenario)


def test_spans_are_told_in_wall_clock_time() -> None:
    async def scenario(world: World, publisher: Publisher) -> None:
        publisher.subscribe("mine", subscription())
        span = r.Span("responseLatency", 63.5, 1.0)  # half a second before `monotonic`
        publisher.record(r.InvokeRuntimeDone(INVOCATION, "success", 1.0, spans=(span,)), 0)
        assert (await world.got(1)).records[-1]["spans"][0]["start"] == "2022-10-12T00:00:14.564Z"

    play(scenario)


JSON_LOG = b'{"level":"INFO",\n "message":"m\xc3\xbc"}'


@pytest.mark.parametrize(
    ("api", "schema", "record"),
    [
        (Api.TELEMETRY, "2022-07-01", JSON_LOG.decode()),
        (Api.TELEMETRY, "2022-12-13", {"level": "INFO", "message": "mü"}),
        (Api.TELEMETRY, "2025-01-29", {"level": "INFO", "message": "mü"}),
        (Api.LOGS, "2020-08-15", JSON_LOG.decode()),
        (Api.LOGS, "2021-03-18", JSON_LOG.decode()),
    ],
)
@pytest.mark.parametrize("stream", ["function", "extension"])
def test_json_messages_are_objects_from_2022_12_13_on(api: Api, schema: str, record: object, stream: str) -> None:
    async def scenario(world: World, publisher: Publisher) -> None:
        publisher.subscribe("mine", subscription(types=(stream,), schema=schema, api=api))
        publish = publisher.function if stream == "function" else publisher.extension
        publish([JSON_LOG, 'text "quoted"\n\x00 ü'], EPOCH - 1)
        got = await world.got(1)
        time = "2022-10-12T00:00:14.064Z"
        assert got.events == [
            {"time": time, "type": stream, "record": record},
            {"time": time, "type": stream, "record": 'text "quoted"\n\x00 ü'},
        ]

    play(scenario)


@pytest.mark.parametrize(
    "message", [b"", b"{", b"[1]", b'{"a":1}x', b'{"a":"\xff"}', b"\xff", b"null", b'{"a":' + b"[" * 100_000]
)
def test_a_message_that_is_no_json_object_is_text(message: bytes) -> None:
    async def scenario(world: World, publisher: Publisher) -> None:
        publisher.subscribe("mine", subscription(types=("function",)))
        publisher.function([message], EPOCH)
        assert (await world.got(1)).records == [message.decode("utf-8", "replace")]

    play(scenario)


def test_a_json_object_is_put_on_one_line() -> None:
    assert json_object(b'\n{"a":\r\n "b\\n"}\n') == b'{"a":   "b\\n"}'


def test_every_subscriber_sees_its_own_schema() -> None:
    async def scenario(world: World, publisher: Publisher) -> None:
        publisher.subscribe("old", subscription(1, ("platform",), "2022-07-01"))
        publisher.subscribe("new", subscription(2, ("platform",), "2025-01-29"))
        publisher.subscribe("logs", subscription(3, ("platform",), "2021-03-18", Api.LOGS))
        publisher.record(START, 0)
        publisher.record(r.InvokeReport(INVOCATION, "success", 1.0), 0)
        publisher.record(r.FaultRecord("id-1", "X", "y"), 0)
        old, new, logs = [await world.got(port) for port in (1, 2, 3)]
        assert "functionArn" not in old.records[-2]
        assert new.records[-2]["functionArn"] == "arn"
        assert old.types == ["platform.telemetrySubscription"] * 3 + ["platform.start", "platform.report"]
        assert new.types == old.types, "the first subscription is replayed to the second"
        ends = ["platform.start", "platform.end", "platform.report", "platform.fault"]
        assert logs.types == ["platform.logsSubscription"] * 3 + ends

    play(scenario)


def test_the_same_subscription_again_changes_nothing_and_says_so() -> None:
    async def scenario(world: World, publisher: Publisher) -> None:
        publisher.record(INIT, 0)
        assert publisher.subscribe("mine", subscription()) == "Subscribed"
        assert publisher.subscribe("mine", subscription()) == "Already subscribed"
        got = await world.got(1)
        assert got.types == ["platform.initStart"] + ["platform.telemetrySubscription"] * 2
        assert [record["state"] for record in got.records[1:]] == ["Subscribed", "Already subscribed"]
        assert len(world.takers[1]) == 1

    play(scenario)


def test_another_subscription_of_an_extension_takes_the_place_of_the_first() -> None:
    async def scenario(world: World, publisher: Publisher) -> None:
        publisher.record(INIT, 0)
        publisher.subscribe("mine", subscription(1))
        assert publisher.subscribe("mine", subscription(2, ("platform",))) == "Subscribed"
        publisher.record(START, 0)
        publisher.function(["line"], EPOCH)
        got = await world.got(2)
        assert got.types == [
            "platform.initStart",
            "platform.telemetrySubscription",
            "platform.telemetrySubscription",
            "platform.start",
        ]
        assert world.takers[1][0].events == []
        assert world.takers[1][0].closed

    play(scenario)


def test_an_extension_subscribes_through_one_api_only() -> None:
    async def scenario(world: World, publisher: Publisher) -> None:
        publisher.subscribe("mine", subscription())
        with pytest.raises(Refused) as caught:
            publisher.subscribe("mine", subscription(schema="2020-08-15", api=Api.LOGS))
        assert (caught.value.status, caught.value.error_type) == (400, "Logs.ValidationError")
        assert caught.value.message == "extension mine has subscribed through the Telemetry API already"
        publisher.subscribe("other", subscription(2, schema="2020-08-15", api=Api.LOGS))
        publisher.function(["still there"], EPOCH)
        assert (await world.got(1)).records[-1] == "still there"

    play(scenario)


def wanted(publisher: Publisher) -> tuple[bool, bool]:
    return publisher.wants_function_logs, publisher.wants_extension_logs


def test_messages_are_wanted_while_someone_may_subscribe_or_has() -> None:
    async def scenario(world: World, publisher: Publisher) -> None:
        publisher.record(INIT, 0)
        assert wanted(publisher) == (True, True)
        publisher.init_closed()
        assert wanted(publisher) == (False, False)
        publisher.restart()
        publisher.subscribe("mine", subscription(types=("function",)))
        assert wanted(publisher) == (True, True)
        publisher.init_closed()
        assert wanted(publisher) == (True, False)
        publisher.restart()
        publisher.subscribe("mine", subscription(types=("extension",)))
        publisher.init_closed()
        assert wanted(publisher) == (False, True)
        publisher.restart()
        publisher.init_closed()
        assert wanted(publisher) == (False, False)

    play(scenario)


def test_nothing_is_rendered_when_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(world: World, publisher: Publisher) -> None:
        publisher.subscribe("mine", subscription(types=("function",)))
        publisher.init_closed()
        monkeypatch.setattr(module, "platform_event", None)
        monkeypatch.setattr(module, "Logged", None)
        publisher.record(START, 0)
        publisher.extension(["line"], EPOCH)

    play(scenario)


def test_a_restart_ends_subscriptions_and_gives_up_what_they_have_not_got_yet() -> None:
    async def scenario(world: World, publisher: Publisher) -> None:
        publisher.record(INIT, 0)
        publisher.subscribe("mine", subscription())
        publisher.init_closed()
        publisher.function(["last words"], EPOCH)
        publisher.restart()
        publisher.function(["between"], EPOCH)
        publisher.record(r.InitStart("invoke"), 0)
        await settled()
        (first,) = world.takers[1]
        assert "last words" not in first.records
        assert first.closed
        assert publisher.subscribe("mine", subscription()) == "Subscribed"
        got = await world.got(1)
        assert got.types == ["platform.initStart", "platform.telemetrySubscription"]
        assert got.records[0]["phase"] == "invoke"

    play(scenario)


def test_a_restart_waits_for_no_listener_of_the_ended_environment() -> None:
    async def scenario(world: World, publisher: Publisher) -> None:
        publisher.subscribe("mine", subscription())
        world.takers[1][0].failing = True
        publisher.restart()
        await settled()
        assert world.takers[1][0].closed

    play(scenario)


def test_a_flush_is_for_all_subscribers() -> None:
    async def scenario(world: World, publisher: Publisher) -> None:
        publisher.subscribe("one", subscription(1))
        publisher.subscribe("two", subscription(2))
        publisher.function(["line"], EPOCH)
        assert await publisher.flush(10)
        assert [world.takers[port][0].records[-1] for port in (1, 2)] == ["line", "line"]
        world.takers[2][0].failing = True
        publisher.function(["more"], EPOCH)
        assert not await publisher.flush(0.01)
        assert world.takers[1][0].records[-1] == "more"

    play(scenario)


def test_the_replay_is_bounded_and_tells_what_it_lost() -> None:
    async def scenario(world: World, publisher: Publisher) -> None:
        publisher.record(INIT, 0)
        lines = ["x" * 1000] * 1000
        for _ in range(5):
            publisher.function(lines, EPOCH)
        publisher.function(["small"], EPOCH)
        publisher.record(r.InitRuntimeDone("init", "success"), 0)
        publisher.subscribe("mine", subscription(types=("platform", "function")))
        publisher.subscribe("other", subscription(2, ("extension",)))
        await publisher.flush(10)
        got = world.takers[1][0]
        assert replay.MOST_BYTES // 1_000_000 == 4
        assert got.types.count("function") == 4 * 1000 + 1
        assert got.types[-3:] == ["platform.initRuntimeDone", *["platform.telemetrySubscription"] * 2]
        (dropped,) = [event["record"] for event in got.events if event["type"] == "platform.logsDropped"]
        assert (dropped["droppedRecords"], dropped["droppedBytes"]) == (1000, 1_000_000)
        assert world.takers[2][0].events == [], "it has lost nothing"

    play(scenario)


def test_many_short_messages_of_init_are_bounded_too() -> None:
    async def scenario(world: World, publisher: Publisher) -> None:
        for _ in range(30):
            publisher.extension([""] * 1000, EPOCH)
        publisher.subscribe("mine", subscription(types=("extension",)))
        await publisher.flush(10)
        got = world.takers[1][0]
        assert got.types.count("extension") == replay.MOST_MESSAGES
        assert got.types.count("platform.logsDropped") == 1

    play(scenario)
