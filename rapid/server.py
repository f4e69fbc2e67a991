"""Listening: sockets made as they must be, and uvicorn held to one HTTP parser and to nobody's signals."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Generator
from typing import cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from rapid.reading import Address, SettingError

BACKLOG = 2048
MAX_HEAD_BYTES = 2 * 1024 * 1024
"""Bytes that a request line and headers (or trailers) may have: twice what runtimes send in an X-Ray cause."""

RUNTIME_KEEP_ALIVE = 24 * 3600
"""Seconds that an idle Runtime API connection lives: no handler is to lose its connection by taking long."""

MAX_HOLD = 0.005
"""Seconds that an answer waits for the next one on its connection, when the client has asked for that one already."""

MAX_TAKEN = 256 * 1024
"""Bytes of a body that are read in one turn of the loop before reading stops at once, if it is to stop."""

CLOSE = (b"connection", b"close")

INVOKE_KEEP_ALIVE = 75
"""Seconds that an idle caller's connection lives, longer than the load balancers' usual 60."""


def listen(address: Address) -> socket.socket:
    """A listening socket.

    Raises:
        SettingError: the name does not resolve, or the address cannot be had.
    """
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, where = min(found, key=lambda entry: entry[0] != socket.AF_INET)
        # The protocol is named because asyncio sets TCP_NODELAY on no others: 44 ms a call instead of half a one.
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        with contextlib.ExitStack() as undo:
            undo.callback(sock.close)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(where)
            sock.listen(BACKLOG)
            sock.setblocking(False)
            undo.pop_all()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SettingError(f"cannot listen on {address} ({address.asked_by}): {reason}") from None
    return sock


def check_loopback(address: Address) -> None:
    """The Runtime API hands out events and takes answers without asking who calls, so it stays on this host.

    Raises:
        SettingError: the address can be reached from elsewhere.
    """
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise SettingError(f"{address.asked_by} is {str(address)!r}: {error.strerror}") from None
    if not all(ipaddress.ip_address(entry[4][0]).is_loopback for entry in found):
        raise SettingError(f"{address.asked_by} is {str(address)!r}: expected a loopback address such as 127.0.0.1")


def bound(sock: socket.socket) -> str:
    """`host:port` that a socket really has."""
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if sock.family == socket.AF_INET6 else f"{host}:{port}"


class CoalescingTransport(asyncio.Transport):
    """A transport that writes what belongs together at once, and starts or stops reading at most once per turn.

    uvicorn writes head and body separately, and stops reading whenever a client sends its next request along with the
    last (as our runtime does): five system calls, and two packets, where one will do.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._pieces: list[bytes | bytearray | memoryview] = []
        self._scheduled = False
        self._held = False
        self._timer: asyncio.TimerHandle | None = None
        self._reading = self._wants_to_read = True
        self._taken = 0

    def get_extra_info(self, name: str, default: object = None) -> object:
        """What the transport knows of its socket."""
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        """Whether the connection is going away."""
        return self._transport.is_closing()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send with whatever else is written in this turn of the loop."""
        self._pieces.append(data)
        self._schedule()

    def hold(self) -> None:
        """Send what is written together with what follows, if that is not long in coming."""
        self._held = True
        if self._timer is None:
            self._timer = self._loop.call_later(MAX_HOLD, self._held_long_enough)

    def flush(self) -> None:
        """Send what is written."""
        self._held = False
        if self._pieces:
            pieces, self._pieces = self._pieces, []
            if not self._transport.is_closing():
                self._transport.write(b"".join(pieces))

    def pause_reading(self) -> None:
        """Read no more, unless reading is asked for again in this turn."""
        self._wants_to_read = False
        self._schedule()

    def took(self, count: int) -> None:
        """So many bytes of a body have been read: in one turn the loop would read many times as many."""
        self._taken += count
        if self._taken > MAX_TAKEN and not self._wants_to_read:
            self._apply_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._wants_to_read = True
        self._schedule()

    def close(self) -> None:
        """Send what waits, then close."""
        self.flush()
        self._transport.close()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._end_of_turn)

    def _end_of_turn(self) -> None:
        self._scheduled = False
        self._taken = 0
        if not self._held:
            self.flush()
        self._apply_reading()

    def _apply_reading(self) -> None:
        if self._wants_to_read is not self._reading and not self._transport.is_closing():
            self._reading = self._wants_to_read
            (self._transport.resume_reading if self._reading else self._transport.pause_reading)()

    def _held_long_enough(self) -> None:
        self._timer = None
        self.flush()


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's httptools protocol with a limit on what is neither body nor answered yet.

    The parser itself would gather a header of any length. httptools is the one back-end that passes request trailers on
    and takes the headers of a megabyte that runtimes send.
    """

    _unparsed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        stream = cast(asyncio.Transport, transport)  # uvloop's are, without being declared so
        self._coalescing = CoalescingTransport(stream, self.loop)
        super().connection_made(self._coalescing)

    def data_received(self, data: bytes) -> None:
        """Parse, unless a head outgrows its limit."""
        self._unparsed += len(data)
        if self._unparsed > MAX_HEAD_BYTES:
            self.send_400_response("Request header section is too large.")
            return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._unparsed = 0
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """An answer is written: out with it, unless the client has sent its next request and waits for both."""
        more = bool(self.pipeline)
        super().on_response_complete()
        if more:
            self._coalescing.hold()
        else:
            self._coalescing.flush()

    def part(self) -> None:
        """Close once all that has been asked here is answered; an idle connection may still bring a request."""
        if self.pipeline:
            self.pipeline[0][0].keep_alive = False  # the last, for new ones are put on the left
        elif self.cycle is not None:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """A piece of the body: it is counted where it is read."""
        self._unparsed = 0
        super().on_body(body)
        self._coalescing.took(len(body))


class Listener(uvicorn.Server):
    """One application on one socket, served beside others in the running loop."""

    def __init__(self, app: ASGIApp, sock: socket.socket, keep_alive: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=BoundedProtocol,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=keep_alive,
                timeout_graceful_shutdown=1,
            )
        )
        self._sock = sock
        self._up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to `app`: several servers run in this process."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start serving."""
        await super().startup(sockets)
        self._up.set()

    async def start(self) -> None:
        """Serve; returns once connections are accepted."""
        self._task = asyncio.create_task(self.serve([self._sock]))
        await self._up.wait()

    def part(self) -> None:
        """From now on answers tell their connections to close: whoever has kept one open looks for another server."""
        self.config.encoded_headers = [*self.config.encoded_headers, CLOSE]
        self.server_state.default_headers = [*self.server_state.default_headers, CLOSE]
        for connection in self.server_state.connections:
            cast(BoundedProtocol, connection).part()

    async def stop(self) -> None:
        """Accept no more, let answers go out, close."""
        self.should_exit = True
        if self._task:
            await self._task
