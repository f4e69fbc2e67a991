"""What the HTTP faces share: routes, reading a bounded body, sending a whole response."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

ErrorHandler = Callable[[Request, Exception], Awaitable[Response]]
"""Turns an exception of a face into its answer."""

Face = tuple[str, str, ASGIApp]
"""Method, path, and who serves it."""

JSON_TYPE = (b"content-type", b"application/json")


class ClientGone(Exception):
    """The connection went away before the request was whole."""


class BodyTooLarge(Exception):
    """The body is over the limit; `size` is the bytes counted."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} bytes")
        self.size = size


def _uncounted(_: int) -> None:
    """Nobody counts the bytes."""


async def read_body(
    receive: Receive, limit: int, *, count_all: bool = False, took: Callable[[int], None] = _uncounted
) -> bytes:
    """The whole body; never more than `limit` bytes are kept.

    Args:
        receive: ASGI receive.
        limit: bytes.
        count_all: read on past the limit to tell the true size; else stop there.
        took: told of the bytes of each piece as it comes; what it raises ends the reading.

    Raises:
        BodyTooLarge: over the limit.
        ClientGone: the client left first.
    """
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        piece: bytes = message.get("body", b"")
        size += len(piece)
        took(len(piece))
        more: bool = message.get("more_body", False)
        if size > limit:
            pieces.clear()
            if not more or not count_all:
                raise BodyTooLarge(size)
        elif not more and not pieces:
            return piece
        else:
            pieces.append(piece)
        if not more:
            return b"".join(pieces)


async def body_pieces(receive: Receive) -> AsyncIterator[bytes]:
    """The body in the pieces in which it arrives.

    Raises:
        ClientGone: the client left before the end.
    """
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        yield message.get("body", b"")
        more = message.get("more_body", False)


async def before_disconnect(awaited: asyncio.Future[Any], receive: Receive) -> bool:
    """Wait for `awaited`; False when the client of the request leaves first."""

    async def left() -> None:
        while (await receive())["type"] != "http.disconnect":  # a request without a body begins with its empty body
            pass

    gone = asyncio.ensure_future(left())
    both: set[asyncio.Future[Any]] = {awaited, gone}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
    return awaited.done()


class _Server:
    """An ASGI callable that may be a method: Starlette would take a bare method for a request handler."""

    def __init__(self, serve: ASGIApp) -> None:
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._serve(scope, receive, send)


def router(faces: Sequence[Face], handlers: Mapping[int | type[Exception], ErrorHandler]) -> ASGIApp:
    """A Starlette application with exactly these methods of these paths, and these answers to errors.

    Args:
        faces: method, path, and who serves it.
        handlers: by HTTP status or class of exception.
    """
    routes = []
    for method, path, serve in faces:
        route = Route(path, _Server(serve))
        route.methods = {method}  # Starlette would add HEAD to GET
        routes.append(route)
    app = Starlette(routes=routes, exception_handlers=dict(handlers))
    app.router.redirect_slashes = False  # a path that is not there is not found
    return app


async def respond(send: Send, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
    """Send a whole response with its Content-Length."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


def header(scope: Scope, name: bytes) -> str | None:
    """A request header's value (the first, if it is repeated), as text; None without it.

    The raw list is read on purpose: request trailers are added to that very list, and a copy would not have them.
    """
    value = next((value for key, value in scope["headers"] if key == name), None)
    return None if value is None else value.decode("utf-8", "replace")


def json_line(document: dict[str, str]) -> bytes:
    """Compact JSON and a newline, as the Runtime API writes it."""
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"
