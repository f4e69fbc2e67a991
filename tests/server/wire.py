"""Bytes on a socket, for requests that no HTTP client would send."""

from __future__ import annotations

import http.client
import select
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.support.program import PATIENCE, Reply

NO_HEADERS: Mapping[str, str] = {}


class Connection:
    """One TCP connection: bytes out, HTTP answers in."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._stream = sock.makefile("rb", buffering=65536)

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.sock.sendall(data)

    def finish(self) -> None:
        """Send no more."""
        self.sock.shutdown(socket.SHUT_WR)

    def reply(self, method: str = "POST") -> Reply:
        """The next answer; `method` tells whether it has a body."""
        status = self.line().split()
        assert status, "the connection was closed without an answer"
        headers = {name.lower(): value for name, value in http.client.parse_headers(self._stream).items()}
        length = 0 if method == "HEAD" else int(headers.get("content-length", "0"))
        return Reply(int(status[1]), headers, self._stream.read(length))

    def is_quiet(self) -> bool:
        """Whether nothing has been said, nor the connection closed, by now."""
        poll = select.poll()  # `select` knows no descriptor above 1023
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)

    def ends(self) -> bool:
        """Wait for the other side to close; False when it says something first."""
        try:
            return not self._stream.read(1)
        except ConnectionResetError:
            return True

    def line(self) -> bytes:
        """The next line."""
        return self._stream.readline()

    def close(self) -> None:
        """Close both ways."""
        self._stream.close()
        self.sock.close()


@contextmanager
def connected(address: str) -> Iterator[Connection]:
    """A connection, closed at the end of the block."""
    host, _, port = address.rpartition(":")
    connection = Connection(socket.create_connection((host, int(port)), timeout=PATIENCE))
    try:
        yield connection
    finally:
        connection.close()


def head(method: str, path: str, headers: Mapping[str, str] = NO_HEADERS) -> bytes:
    """Request line and headers."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def request(method: str, path: str, body: bytes = b"", headers: Mapping[str, str] = NO_HEADERS) -> bytes:
    """A whole request with its Content-Length."""
    return head(method, path, {**headers, "Content-Length": str(len(body))}) + body


def chunked(*pieces: bytes, trailers: Mapping[str, str] = NO_HEADERS) -> bytes:
    """A chunked body with its trailers."""
    sent = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return sent + b"0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in trailers.items()).encode() + b"\r\n"
