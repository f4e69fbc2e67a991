"""Delivery to listeners on real sockets: good ones, slow ones, broken ones, none."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rapid.telemetry.destination import ATTEMPTS, MOST_ANSWER_BYTES, Destination, NotDelivered, connect
from rapid.telemetry.subscriber import Subscriber
from rapid.telemetry.subscription import Buffering, HttpDestination, TcpDestination
from tests.telemetry.clock import Clock
from tests.telemetry.listeners import Streams, http, nobody, serving, tcp

SOON = 0.05
LONG = 20.0


def play(scenario: Coroutine[Any, Any, None]) -> None:
    """Play a scenario; no task and no descriptor is left."""
    descriptors = len(os.listdir("/proc/self/fd"))
    asyncio.run(_whole(scenario))
    assert len(os.listdir("/proc/self/fd")) <= descriptors


async def _whole(scenario: Coroutine[Any, Any, None]) -> None:
    await scenario
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@asynccontextmanager
async def to_http(
    port: int, target: str = "/", method: str = "POST", patience: float = LONG
) -> AsyncIterator[Destination]:
    destination = connect(HttpDestination(port, target, f"sandbox.localdomain:{port}", method), patience)
    try:
        yield destination
    finally:
        await destination.close()


@asynccontextmanager
async def to_tcp(port: int, patience: float = LONG) -> AsyncIterator[Destination]:
    destination = connect(TcpDestination(port), patience)
    try:
        yield destination
    finally:
        await destination.close()


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_batch_is_one_request_with_its_length_at_the_path_asked_for(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # not for us
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

    async def scenario() -> None:
        async with http() as listener, to_http(listener.port, "/logs/a?b=c", method) as destination:
            await destination.send([b'{"n":1}', b'{"n":2}'])
            await destination.send([b'{"n":3}'])
            first, second = listener.requests
            assert first.line == f"{method} /logs/a?b=c HTTP/1.1"
            assert first.headers["content-type"] == "application/json"
            assert first.headers["host"] == f"sandbox.localdomain:{listener.port}"
            assert first.headers["content-length"] == str(len(first.body))
            assert "transfer-encoding" not in first.headers
            assert (first.body, second.body) == (b'[{"n":1},{"n":2}]', b'[{"n":3}]')
            assert listener.connections == 1, "kept alive"

    play(scenario())


@pytest.mark.parametrize(
    ("status", "cost"),
    [
        (500, 1),
        (503, 1),
        (404, 1),
        (429, 1),
        (408, 1),
        (400, ATTEMPTS),
        (413, ATTEMPTS),
        (415, ATTEMPTS),
        (302, ATTEMPTS),
    ],
)
def test_what_an_answer_other_than_good_costs(status: int, cost: int) -> None:
    async def scenario() -> None:
        async with http(answers=[status]) as listener, to_http(listener.port) as destination:
            with pytest.raises(NotDelivered) as caught:
                await destination.send([b"1"])
            assert caught.value.cost == cost
            await destination.send([b"1"])

    play(scenario())


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_success_will_do(status: int) -> None:
    async def scenario() -> None:
        answer = b"HTTP/1.1 %d X\r\n%b\r\n" % (status, b"" if status == 204 else b"Content-Length: 0\r\n")

        async def serve(streams: Streams) -> None:
            await streams[0].readuntil(b"[1]")
            streams[1].write(answer)
            await streams[0].read()

        async with serving(serve) as port, to_http(port) as destination:
            await destination.send([b"1"])

    play(scenario())


@pytest.mark.parametrize("connect_to", [to_http, to_tcp])
def test_nobody_listens(connect_to: Any) -> None:
    async def scenario() -> None:
        async with connect_to(nobody()) as destination:
            with pytest.raises(NotDelivered) as caught:
                await destination.send([b"1"])
            assert caught.value.cost == 1

    play(scenario())


def test_a_listener_that_accepts_and_never_answers_is_given_up() -> None:
    async def scenario() -> None:
        async def serve(streams: Streams) -> None:
            await streams[0].read()

        async with serving(serve) as port, to_http(port, patience=SOON) as destination:
            with pytest.raises(NotDelivered) as caught:
                await destination.send([b"1"])
            assert caught.value.cost == ATTEMPTS // 2
            assert "no answer in 0.05 seconds" in str(caught.value)

    play(scenario())


def test_a_listener_whose_answer_trickles_is_given_up() -> None:
    async def scenario() -> None:
        async def serve(streams: Streams) -> None:
            await streams[0].readuntil(b"[1]")
            streams[1].write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while True:
                streams[1].write(b".")
                await streams[1].drain()
                await asyncio.sleep(SOON / 10)

        async with serving(serve) as port, to_http(port, patience=SOON) as destination:
            with pytest.raises(NotDelivered):
                await destination.send([b"1"])

    play(scenario())


def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    written = 0

    async def scenario() -> None:
        async def serve(streams: Streams) -> None:
            nonlocal written
            await streams[0].readuntil(b"[1]")
            streams[1].write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
            while True:
                streams[1].write(bytes(65536))
                await streams[1].drain()
                written += 65536

        async with serving(serve) as port, to_http(port) as destination:
            await destination.send([b"1"])

    play(scenario())
    assert written < 100 * MOST_ANSWER_BYTES  # but for what sockets hold


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n...", b"what?\r\n\r\n"],
    ids=["dies before it answers", "dies while it answers", "speaks something else"],
)
def test_a_listener_that_breaks_costs_one_attempt(answer: bytes) -> None:
    async def scenario() -> None:
        async def serve(streams: Streams) -> None:
            await streams[0].readuntil(b"[1]")
            streams[1].write(answer)
            with contextlib.suppress(ConnectionError):
                await streams[1].drain()
            streams[1].close()
            await streams[1].wait_closed()

        async with serving(serve) as port, to_http(port) as destination:
            with pytest.raises(NotDelivered) as caught:
                await destination.send([b"1"])
            assert caught.value.cost == 1

    play(scenario())


def test_a_listener_that_is_started_anew_goes_on_where_it_was() -> None:
    async def scenario() -> None:
        async with http() as before, to_http(before.port) as destination:
            await destination.send([b"1"])
            port = before.port
        async with http(port) as after, to_http(port) as destination:
            await destination.send([b"2"])
            assert [request.body for request in after.requests] == [b"[2]"]

    play(scenario())


def test_tcp_has_a_line_for_each_event_over_one_connection() -> None:
    async def scenario() -> None:
        async with tcp() as listener, to_tcp(listener.port) as destination:
            await destination.send([b"1", b"2"])
            await destination.send([b"3"])
            await listener.until(lambda: len(listener.requests) == 3)
            assert [request.body for request in listener.requests] == [b"[1\n]", b"[2\n]", b"[3\n]"]
            assert listener.connections == 1

    play(scenario())


def test_tcp_connects_again_when_the_listener_has_left() -> None:
    async def scenario() -> None:
        first = True

        async def serve(streams: Streams) -> None:
            nonlocal first
            line = await streams[0].readline()
            if first:
                first = False
                return
            got.set_result(line)

        got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        async with serving(serve) as port, to_tcp(port) as destination:
            await destination.send([b"1"])
            for _ in range(1000):  # lines written before the end of the connection is known are lost: that is TCP
                with contextlib.suppress(NotDelivered):
                    await destination.send([b"2"])
                if got.done():
                    break
                await asyncio.sleep(0.001)
            assert got.result() == b"2\n"

    play(scenario())


def test_a_tcp_listener_that_does_not_read_is_given_up() -> None:
    async def scenario() -> None:
        async def serve(streams: Streams) -> None:
            streams[1].transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.Event().wait()

        async with serving(serve) as port, to_tcp(port, SOON) as destination:
            with pytest.raises(NotDelivered) as caught:
                await destination.send([b"x" * 50_000_000])
            assert caught.value.cost == ATTEMPTS // 2

    play(scenario())


@pytest.mark.parametrize("protocol", ["HTTP", "TCP"])
def test_ten_thousand_events_in_one_go_arrive_all_and_in_order(protocol: str) -> None:
    async def scenario() -> None:
        async with http() if protocol == "HTTP" else tcp() as listener:
            port = listener.port
            target = HttpDestination(port, "/", "x") if protocol == "HTTP" else TcpDestination(port)
            subscriber = Subscriber(connect(target), Buffering(max_items=1000))
            for number in range(10_000):
                subscriber.publish(b'{"record":%d}' % number)
            assert await subscriber.flush(20)
            await listener.until(lambda: len(listener.records) == 10_000)
            await subscriber.close()
            assert listener.records == list(range(10_000))
            assert listener.most_at_once <= 1

    play(scenario())


def test_a_listener_that_is_late_gets_all_in_order() -> None:
    async def scenario() -> None:
        clock = Clock()
        port = nobody()
        subscriber = Subscriber(connect(HttpDestination(port, "/", "x")), Buffering(), call_later=clock.call_later)
        subscriber.publish(b'{"record":1}')
        await clock.pass_(1)
        subscriber.publish(b'{"record":2}')
        async with http(port, answers=[500, 503]) as listener:
            async with asyncio.timeout(20):
                while len(listener.requests) < 4:
                    await clock.pass_(0.1)
                    await asyncio.sleep(0.001)
            await subscriber.flush(20)
            await subscriber.close()
            assert [json.loads(request.body) for request in listener.requests] == [
                [{"record": 1}],
                [{"record": 1}],
                [{"record": 1}],
                [{"record": 2}],
            ]

    play(scenario())
