"""HTTP over TCP without a client's opinions: requests as they are written, answers as they come."""

from __future__ import annotations

import asyncio
import re

import httptools

from tests.conformance.player import Request
from tests.server.wire import chunked
from tests.support.program import Reply

PIECE = 65536


class Answer:
    """Takes in one HTTP answer."""

    def __init__(self) -> None:
        self.whole = False
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Take bytes; none for the end of the connection, which ends an answer without a length."""
        if data:
            self._parser.feed_data(data)
        else:
            self.whole = bool(self._headers)
            assert self.whole, "the connection was closed without an answer"

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self.whole = True

    def reply(self) -> Reply:
        """The whole answer."""
        return Reply(self._parser.get_status_code(), self._headers, bytes(self._body))


def encoded(request: Request) -> bytes:
    """A request in bytes. Without a body there is a Content-Length only for methods that have one."""
    headers: list[tuple[str, str]] = [("Host", "localhost"), ("Connection", "close"), *request.headers]
    body = request.body or b""
    if request.chunked:
        headers.append(("Transfer-Encoding", "chunked"))
        if request.trailers:
            headers.append(("Trailer", ", ".join(request.trailers)))
        step = max(1, -(-len(body) // 3))
        body = chunked(*re.findall(rb"(?s).{1,%d}" % step, body), trailers=request.trailers)
        body = body[: len(body) - request.cut]
    elif request.body is not None or request.method not in ("GET", "HEAD"):
        headers.append(("Content-Length", str(len(body) + request.cut)))
    head = f"{request.method} {request.path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers)
    return head.encode() + b"\r\n" + body


async def send(address: str, request: Request) -> Reply | None:
    """One request on a connection of its own; None when it was cut, and so cannot be answered."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(encoded(request))
        if request.cut:
            await writer.drain()
            return None
        answer = Answer()
        while not answer.whole:
            answer.feed(await reader.read(PIECE))
        return answer.reply()
    finally:
        writer.close()
