"""Where events are delivered: an HTTP or a TCP listener on loopback.

Source: AWS developer guide, "Specifying a destination protocol".
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from rapid.telemetry.subscription import HttpDestination, TcpDestination

if TYPE_CHECKING:
    import httpx

LOOPBACK = "127.0.0.1"

PATIENCE = 5.0
"""Seconds that a listener may take to take a batch."""

ATTEMPTS = 6
"""How often a batch is tried at a listener that refuses connections or answers with an error."""

MOST_ANSWER_BYTES = 64 * 1024
"""How much of an answer is read; with more to come the connection is given up."""

FINAL = frozenset(range(300, 500)) - {404, 408, 425, 429}
"""Answers that would be the same a second time: not the listener's trouble but the batch's."""


class NotDelivered(Exception):
    """A batch has not been taken.

    Attributes:
        cost: how many of the batch's `ATTEMPTS` this one has used up.
    """

    def __init__(self, reason: str, cost: int = 1) -> None:
        super().__init__(reason)
        self.cost = cost


class Destination(Protocol):
    """Takes batches, one at a time."""

    async def send(self, events: Sequence[bytes]) -> None:
        """Deliver encoded events.

        Raises:
            NotDelivered: not, or not wholly, taken.
        """

    async def close(self) -> None:
        """Let go of the connection."""


def connect(destination: HttpDestination | TcpDestination, patience: float = PATIENCE) -> Destination:
    """Whoever delivers to a destination; the connection is made with the first batch."""
    if isinstance(destination, HttpDestination):
        return HttpListener(destination, patience)
    return TcpListener(destination, patience)


def _too_slow(patience: float) -> NotDelivered:
    return NotDelivered(f"no answer in {patience:g} seconds", cost=ATTEMPTS // 2)


class HttpListener:
    """Posts JSON arrays with a Content-Length, for there are listeners that do not know chunks."""

    def __init__(self, destination: HttpDestination, patience: float = PATIENCE) -> None:
        self._destination = destination
        self._patience = patience
        self._client: httpx.AsyncClient | None = None

    async def send(self, events: Sequence[bytes]) -> None:
        """Post one array, and wait for the answer."""
        import httpx  # who has no subscriber need not wait for it at start

        body = b"[" + b",".join(events) + b"]"
        url = f"http://{LOOPBACK}:{self._destination.port}{self._destination.target}"
        client = self._client = self._client or self._open()
        try:
            async with (
                asyncio.timeout(self._patience),
                client.stream(self._destination.method, url, content=body) as it,
            ):
                status = it.status_code
                size = 0
                async for piece in it.aiter_raw():
                    size += len(piece)
                    if size > MOST_ANSWER_BYTES:
                        break
        except TimeoutError:
            raise _too_slow(self._patience) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise NotDelivered(f"{type(error).__name__}: {error}") from None
        if not 200 <= status < 300:
            raise NotDelivered(f"status {status}", cost=ATTEMPTS if status in FINAL else 1)

    async def close(self) -> None:
        """Close the connection."""
        client, self._client = self._client, None
        if client:
            await client.aclose()

    def _open(self) -> httpx.AsyncClient:
        import httpx

        headers = {"Content-Type": "application/json", "Host": self._destination.authority}
        # One connection; listeners close an idle one after five seconds (Node, uvicorn), so not to meet that moment.
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=4.0)
        no_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used; httpx would load every CA of the system
        return httpx.AsyncClient(headers=headers, limits=limits, timeout=None, trust_env=False, verify=no_tls)  # noqa: S113  `send` has one


class TcpListener:
    """Writes a line for each event, over one connection for as long as it holds."""

    def __init__(self, destination: TcpDestination, patience: float = PATIENCE) -> None:
        self._port = destination.port
        self._patience = patience
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, events: Sequence[bytes]) -> None:
        """Write the lines, and wait until the kernel has them: nobody can know more."""
        try:
            async with asyncio.timeout(self._patience):
                writer = await self._writer()
                writer.write(b"\n".join(events) + b"\n")
                await writer.drain()
        except TimeoutError:
            self._abort()
            raise _too_slow(self._patience) from None
        except OSError as error:
            self._abort()
            raise NotDelivered(f"{type(error).__name__}: {error}") from None

    async def close(self) -> None:
        """Close the connection, once all that was written has gone out."""
        streams, self._streams = self._streams, None
        if streams:
            streams[1].close()

    async def _writer(self) -> asyncio.StreamWriter:
        if self._streams and (self._streams[0].at_eof() or self._streams[1].is_closing()):
            self._abort()
        if not self._streams:
            self._streams = await asyncio.open_connection(LOOPBACK, self._port)
            self._streams[1].transport.set_write_buffer_limits(high=0)  # so that `drain` waits for all
        return self._streams[1]

    def _abort(self) -> None:
        """Drop the connection: part of a line may be on it."""
        streams, self._streams = self._streams, None
        if streams:
            streams[1].transport.abort()
