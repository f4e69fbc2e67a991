"""One request to the Runtime API whose body is sent while it is being made: chunked, on a connection of its own.

Of its own because AWS asks for the connection to be closed after a streamed response, and so that whatever happens to
it leaves the one alone that the next invocation comes by.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming
"""

from __future__ import annotations

import _socket

from .connection import NOW, Connection
from .paths import library_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .connection import Reply

_JOINED = 65_536
_PATIENCE = 1000
"""Milliseconds until a wait is begun anew, should another thread have closed the connection under it."""


class RefusedError(Exception):
    """The server has answered before the body was at its end, or has gone: it takes no more."""


class Upload(Connection):
    """Nothing is kept back: a piece is on its way when `push` has returned True. Not to be used by two at once.

    OSError comes out only when it cannot connect.
    """

    def __init__(self, address: str, path: str, head: bytes) -> None:
        super().__init__(address)
        self.path = path
        self._unsent: list[bytes | memoryview] = [head]
        self._ended = False

    def put(self, piece: bytes) -> None:
        """Have a piece, which is not empty, go out as one chunk."""
        size = b"%x\r\n" % len(piece)
        if len(piece) > _JOINED:
            self._unsent += [size, piece, b"\r\n"]
        else:
            self._put_bytes(b"%b%b\r\n" % (size, piece))

    def _put_bytes(self, data: bytes) -> None:
        unsent = self._unsent
        if unsent and len(unsent[-1]) + len(data) <= _JOINED:
            unsent[-1] = b"".join((unsent[-1], data))
        else:
            unsent.append(data)

    def push(self) -> bool:
        """Send what the connection takes now; whether that was all. Raises `RefusedError`."""
        socket = self._socket or self._connect()
        self._look_for_answer(socket)
        unsent = self._unsent
        try:
            while unsent:
                sent = socket.send(unsent[0], NOW)
                if sent == len(unsent[0]):
                    del unsent[0]
                else:
                    unsent[0] = memoryview(unsent[0])[sent:]
        except BlockingIOError:
            return False
        except (BrokenPipeError, ConnectionResetError):
            raise RefusedError from None
        return True

    def _look_for_answer(self, socket: _socket.socket) -> None:
        try:
            socket.recv(1, _socket.MSG_PEEK | NOW)
        except BlockingIOError:
            return
        except ConnectionResetError:
            pass
        raise RefusedError

    def wait(self) -> None:
        """Wait until `push` will get on: there is room, an answer, or an end."""
        descriptor = self.fileno()
        if descriptor >= 0:
            select = library_module("select")
            poll = select.poll()
            poll.register(descriptor, select.POLLIN | select.POLLOUT)
            poll.poll(_PATIENCE)

    def end(self, trailers: bytes = b"") -> None:
        """Have the end go out, with `trailers` (lines), unless it has been told already."""
        if not self._ended:
            self._ended = True
            self._put_bytes(b"0\r\n%b\r\n" % trailers)

    def finish(self, trailers: bytes = b"") -> Reply:
        """Send the rest, then `trailers` (lines), and read the reply, which may have come early.

        Raises `DisconnectedError` or `BrokenReplyError` when there is none.
        """
        self.end(trailers)
        try:
            while not self.push():
                self.wait()
        except RefusedError:
            pass
        return self.read()
