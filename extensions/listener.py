"""Where telemetry arrives: a small HTTP listener for batches, on loopback and nowhere else that nobody asked for.

Source: AWS developer guide, "Accessing real-time telemetry data for extensions using the Telemetry API": batches are
JSON arrays, posted to `http://sandbox.localdomain:PORT/PATH`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

LOOPBACK = "127.0.0.1"
SANDBOX = "sandbox.localdomain"
"""The only host that AWS delivers to; inside an environment it is a name of this host."""

LOOK_UP_SECONDS = 1.0
BODY_SECONDS = 30.0
BODY_BYTES = 16 * 1024 * 1024
"""AWS's largest buffer is 1 MiB of events; JSON's escapes make at most six times as much of it."""

HEAD_BYTES = 64 * 1024
CONNECTIONS = 16
REASONS = {
    200: "OK",
    400: "Bad Request",
    405: "Method Not Allowed",
    413: "Content Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True)
class _Head:
    method: str
    version: str
    headers: Mapping[str, str]

    @property
    def keeps_alive(self) -> bool:
        return self.version == "HTTP/1.1" and self.headers.get("connection", "").lower() != "close"


class _TooLargeError(Exception):
    """A body over `BODY_BYTES`."""


class Listener:
    """Answers 200 to a batch that `take` has taken, 500 to one at which it raised.

    Bodies of a known length and chunked ones are read; what is not a JSON array of objects is answered with 400. Heads,
    bodies, the time that a body may take and the number of connections are bounded.
    """

    def __init__(self, take: Callable[[list[Any]], Awaitable[None]]) -> None:
        self._take = take
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0) -> int:
        """Listen on a port, any free one by default; returns it.

        It listens on 127.0.0.1, and on the address of `sandbox.localdomain` where that is another one of this host's.

        Raises:
            OSError: the port is taken.
        """
        first = await self._listen(LOOPBACK, port)
        for address in await _addresses(SANDBOX) - {LOOPBACK}:
            with contextlib.suppress(OSError):  # a name that a resolver out there gave to another host
                await self._listen(address, first)
        return first

    async def _listen(self, host: str, port: int) -> int:
        server = await asyncio.start_server(self._connected, host, port, family=socket.AF_INET, limit=HEAD_BYTES)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening; a batch that is being taken in is given up."""
        for server in self._servers:
            server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer, full=len(self._tasks) >= CONNECTIONS))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, full: bool) -> None:
        try:
            # A client that goes away or does not speak HTTP is no concern of the extension's.
            with contextlib.suppress(EOFError, OSError, ValueError, TimeoutError, asyncio.LimitOverrunError):
                if full:
                    await _answer(writer, 503, last=True)
                while not full and await self._exchange(reader, writer):
                    pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether another may follow on this connection."""
        head = _parse(await reader.readuntil(b"\r\n\r\n"))
        if head.headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _body(reader, head.headers)
        except _TooLargeError:
            await _answer(writer, 413, last=True)
            return False
        await _answer(writer, await self._status(head.method, body), last=not head.keeps_alive)
        return head.keeps_alive

    async def _status(self, method: str, body: bytes) -> int:
        if method not in ("POST", "PUT"):
            return 405
        try:
            batch = json.loads(body)
        except ValueError:
            return 400
        if not isinstance(batch, list) or not all(isinstance(event, dict) for event in batch):
            return 400
        try:
            await self._take(batch)
        except Exception:
            return 500
        return 200


def _parse(head: bytes) -> _Head:
    line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, _, version = line.split(" ")
    pairs = (line.partition(":") for line in lines)
    return _Head(method, version, {name.strip().lower(): value.strip() for name, _, value in pairs})


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return await _chunks(reader)
    length = int(headers.get("content-length", 0))
    if length > BODY_BYTES:
        raise _TooLargeError
    return await reader.readexactly(length)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        if len(body) + size > BODY_BYTES:
            raise _TooLargeError
        body += await reader.readexactly(size)
        await reader.readexactly(2)  # the line's end
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass  # trailers
    return bytes(body)


async def _answer(writer: asyncio.StreamWriter, status: int, *, last: bool) -> None:
    close = "Connection: close\r\n" if last else ""
    writer.write(f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Length: 0\r\n{close}\r\n".encode())
    await writer.drain()


async def _addresses(name: str) -> set[str]:
    """The IPv4 addresses of a name; none if nobody knows it in time."""
    try:
        async with asyncio.timeout(LOOK_UP_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(name, None, family=socket.AF_INET)
    except (OSError, TimeoutError):
        return set()
    return {str(address[0]) for *_, address in found}
