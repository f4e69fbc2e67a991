"""Listeners such as extensions have, on real sockets: they keep what they get, and misbehave as told."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

PATIENCE = 20.0

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Request:
    """One request as it came in."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.body)
        return found


@dataclass
class Listener:
    """What a listener has got.

    Attributes:
        port: its port.
        answers: statuses of the first answers; then 200.
        requests: requests that came in whole.
        connections: how many were accepted.
        hold: answers wait for it.
    """

    port: int = 0
    answers: list[int] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    hold: asyncio.Event | None = None
    most_at_once: int = 0
    heard: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for request in self.requests for event in request.events]

    @property
    def records(self) -> list[Any]:
        return [event["record"] for event in self.events]

    async def until(self, ask: Callable[[], bool]) -> None:
        """Wait until `ask` is true of what has come in."""
        async with asyncio.timeout(PATIENCE), self.heard:
            await self.heard.wait_for(ask)


@asynccontextmanager
async def serving(serve: Callable[[Streams], Awaitable[None]], port: int = 0) -> AsyncIterator[int]:
    """Serve each connection on loopback; the port. All connections are gone afterwards."""
    tasks: set[asyncio.Task[None]] = set()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def work() -> None:
            try:
                await serve((reader, writer))
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.transport.abort()

        task = asyncio.get_running_loop().create_task(work())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accepted, "127.0.0.1", port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


@asynccontextmanager
async def http(port: int = 0, **told: Any) -> AsyncIterator[Listener]:
    """An HTTP listener that keeps connections alive, and understands Content-Length alone."""
    listener = Listener(**told)
    under_way = 0

    async def serve(streams: Streams) -> None:
        nonlocal under_way
        reader, writer = streams
        listener.connections += 1
        listener.open += 1
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                line, *lines = head.strip().split("\r\n")
                headers = {key.lower(): value.strip() for key, _, value in (each.partition(":") for each in lines)}
                request = Request(line, headers, await reader.readexactly(int(headers["content-length"])))
                under_way += 1
                listener.most_at_once = max(listener.most_at_once, under_way)
                status = listener.answers.pop(0) if listener.answers else 200
                async with listener.heard:
                    listener.requests.append(request)
                    listener.heard.notify_all()
                if listener.hold:
                    await listener.hold.wait()
                under_way -= 1
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nok".encode())
        finally:
            listener.open -= 1

    async with serving(serve, port) as listener.port:
        yield listener


@asynccontextmanager
async def tcp(port: int = 0, **told: Any) -> AsyncIterator[Listener]:
    """A TCP listener: every line is kept as a request with one event."""
    listener = Listener(**told)

    async def serve(streams: Streams) -> None:
        listener.connections += 1
        async for line in streams[0]:
            assert line.endswith(b"\n")
            async with listener.heard:
                listener.requests.append(Request("", {}, b"[" + line + b"]"))
                listener.heard.notify_all()

    async with serving(serve, port) as listener.port:
        yield listener


def nobody() -> int:
    """A port where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
