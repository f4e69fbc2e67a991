"""One HTTP/1.1 keep-alive connection: whole requests out, whole replies in.

On `_socket`, the C module under `socket`, whose import costs 8 ms. There are no timeouts: to wait for `next` for hours
is the normal state of an execution environment.
"""

from __future__ import annotations

import _socket
from errno import EBADF, ENOTSOCK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_RECEIVE = 65_536
NOW = _socket.MSG_DONTWAIT | _socket.MSG_NOSIGNAL
_JOINED = 65_536


class DisconnectedError(Exception):
    """The peer closed before the first byte of a reply: nothing is known about what became of the request."""


class BrokenReplyError(Exception):
    """What the peer sent is not an HTTP/1.1 reply, or ends in the middle of one."""


class Reply:
    """An HTTP reply; the names of the headers are in lower case."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: dict[str, str], body: bytes | bytearray) -> None:
        self.status = status
        self.headers = headers
        self.body = body


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `host:port`, with an IPv6 address in brackets; the port is 80 if it is left out."""
    if address.startswith("["):
        host, _, port = address[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = address.partition(":")
    if not host or (port and not (port.isascii() and port.isdigit())):
        raise ValueError(f"'{address}' is not an address of the form host:port")
    return host, int(port or 80)


class Connection:
    """Connects when it must send and is not connected. OSError comes out only when that fails."""

    def __init__(self, address: str) -> None:
        self._host, self._port = split_address(address)
        self._socket: _socket.socket | None = None
        self._received = b""

    @property
    def is_open(self) -> bool:
        """Whether a request would go out on a connection that already was there."""
        return self._socket is not None

    @property
    def has_input(self) -> bool:
        """Whether something has been received that has not been read, so that there is no need to wait for it."""
        return bool(self._received)

    def fileno(self) -> int:
        """The descriptor, to wait on; -1 when it is not connected."""
        return -1 if self._socket is None else self._socket.fileno()

    def close(self) -> None:
        """Close, if open; what was received and not read is lost."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._received = None, b""

    def send(self, *parts: bytes) -> None:
        """Send one or more requests. That the peer no longer reads shows when the reply is read, not here."""
        socket = self._socket or self._connect()
        try:
            if len(parts) == 1:
                socket.sendall(parts[0])
            elif sum(map(len, parts)) <= _JOINED:
                socket.sendall(b"".join(parts))
            else:
                for part in parts:
                    socket.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            return  # a peer that answers early (413) has its answer in our buffer
        except OSError as error:
            if error.errno not in (EBADF, ENOTSOCK):
                raise
            # User code has closed all descriptors; by now the number may be that of a file of its own.
            socket.detach()
            self.close()

    def send_some(self, data: memoryview) -> int:
        """Send what the connection takes now; how many bytes that was, which is all when the peer no longer reads."""
        socket = self._socket or self._connect()
        try:
            return socket.send(data, NOW)
        except BlockingIOError:
            return 0
        except (BrokenPipeError, ConnectionResetError):
            return len(data)

    def _connect(self) -> _socket.socket:
        # As bytes: a str would go through the idna codec, which imports half a dozen modules.
        places = _socket.getaddrinfo(self._host.encode(), self._port, 0, _socket.SOCK_STREAM)
        failure = OSError("the name has no address")
        for family, kind, protocol, _name, place in places:
            socket = _socket.socket(family, kind, protocol)
            try:
                socket.settimeout(None)  # user code may have set a default
                socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
                socket.connect(place)
            except OSError as error:
                failure = error
                socket.close()
                continue
            self._socket, self._received = socket, b""
            return socket
        raise failure

    def read(self) -> Reply:
        """Wait for the next reply; raises `DisconnectedError` or `BrokenReplyError`, and is closed then."""
        while True:
            head = self._read_head()
            status, headers = _parse_head(head)
            if status >= 200:
                break
            if not status:
                self._fail("the reply is not HTTP/1.1")
        body = b"" if status in (204, 304) else self._read_body(headers)
        if headers.get("connection", "").lower() == "close" or head.startswith(b"HTTP/1.0"):
            self.close()
        return Reply(status, headers, body)

    def _receive(self) -> bytes:
        if self._socket is None:
            return b""
        try:
            return self._socket.recv(_RECEIVE)
        except (ConnectionResetError, BrokenPipeError):
            return b""

    def _fail(self, sentence: str) -> NoReturn:
        self.close()
        raise BrokenReplyError(sentence)

    def _read_head(self) -> bytes:
        data = self._received or self._receive()
        if not data:
            self.close()
            raise DisconnectedError
        while (end := data.find(b"\r\n\r\n")) < 0:
            more = self._receive()
            if not more:
                self._fail("the connection was closed within the headers of a reply")
            data += more
        self._received = data[end + 4 :]
        return data[:end]

    def _read_body(self, headers: dict[str, str]) -> bytes | bytearray:
        length = headers.get("content-length")
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return self._read_chunks()
        if length is None:
            return self._read_to_end()
        if not (length.isascii() and length.isdigit()):
            self._fail(f"the Content-Length of a reply is '{length}'")
        return self._read_exactly(int(length))

    def _read_exactly(self, size: int) -> bytes | bytearray:
        data = self._received
        if len(data) >= size:
            self._received = data[size:]
            return data[:size]
        body = bytearray(size)
        body[: len(data)] = data
        self._received = b""
        filled = len(data)
        with memoryview(body) as view:
            while filled < size:
                try:
                    got = 0 if self._socket is None else self._socket.recv_into(view[filled:])
                except ConnectionResetError:
                    got = 0
                if not got:
                    self._fail("the connection was closed within the body of a reply")
                filled += got
        return body

    def _read_line(self) -> bytes:
        while (end := self._received.find(b"\r\n")) < 0:
            more = self._receive()
            if not more:
                self._fail("the connection was closed within the body of a reply")
            self._received += more
        line, self._received = self._received[:end], self._received[end + 2 :]
        return line

    def _read_chunks(self) -> bytearray:
        body = bytearray()
        while True:
            size = self._read_line().partition(b";")[0].strip()
            try:
                length = int(size, 16)
            except ValueError:
                self._fail(f"a chunk of a reply begins with {size!r}")
            if not length:
                break
            body += self._read_exactly(length)
            self._read_line()
        while self._read_line():
            pass  # trailers: none that the Runtime API sends
        return body

    def _read_to_end(self) -> bytes:
        pieces = [self._received]
        while piece := self._receive():
            pieces.append(piece)
        self.close()
        return b"".join(pieces)


def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers of a reply, (0, {}) for something else. Header values are UTF-8, else Latin-1."""
    try:
        first, *lines = head.decode().split("\r\n")
    except UnicodeDecodeError:
        first, *lines = head.decode("latin-1").split("\r\n")
    if not first.startswith("HTTP/1.") or not first[9:12].isdigit():
        return 0, {}
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return int(first[9:12]), headers


def reason_of(error: Exception) -> str:
    """What to say of a request that has no reply; anything but a connection's error is raised again."""
    if isinstance(error, DisconnectedError):
        return "the connection was closed without a reply"
    if isinstance(error, (OSError, BrokenReplyError)):
        return str(error)
    raise error
