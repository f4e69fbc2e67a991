"""Listening: sockets made as they must be, and uvicorn held to one HTTP parser and to nobody's signals."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Generator

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from rapid.settings import Address, SettingError

BACKLOG = 2048
MAX_HEAD_BYTES = 2 * 1024 * 1024
"""Bytes that a request line and headers (or trailers) may have: twice what runtimes send in an X-Ray cause."""

RUNTIME_KEEP_ALIVE = 24 * 3600
"""Seconds that an idle Runtime API connection lives: no handler is to lose its connection by taking long."""

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


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's httptools protocol with a limit on what is neither body nor answered yet.

    The parser itself would gather a header of any length. httptools is the one back-end that passes request trailers on
    and takes the headers of a megabyte that runtimes send.
    """

    _unparsed = 0

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

    def on_body(self, body: bytes) -> None:
        """A piece of the body: it is counted where it is read."""
        self._unparsed = 0
        super().on_body(body)


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

    async def stop(self) -> None:
        """Accept no more, let answers go out, close."""
        self.should_exit = True
        if self._task:
            await self._task
