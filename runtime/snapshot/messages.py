"""One JSON line each way over a unix stream socket, open descriptors beside it."""

from __future__ import annotations

import _socket
import os

from ..paths import library_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LONGEST = 4 << 20
"""Bytes of a line: an environment has room in it."""
_MOST_DESCRIPTORS = 16
_PATIENCE = 5.0
"""Seconds that the rest of a line, or the taking of an answer, may last."""


class RefusedError(Exception):
    """What was asked for cannot be done; the text is one sentence for whoever asked."""


class Request:
    """`fields` of the JSON object; `descriptors` that came with it, to be closed by whoever takes none of them."""

    def __init__(self, fields: dict[str, Any], descriptors: list[int]) -> None:
        self.fields = fields
        self.descriptors = descriptors

    def close(self) -> None:
        """Close the descriptors."""
        while self.descriptors:
            os.close(self.descriptors.pop())


class Channel:
    """One connection. What is sent to a client that has left is lost."""

    def __init__(self, socket: _socket.socket) -> None:
        self._socket = socket
        self._received = b""
        socket.settimeout(_PATIENCE)

    def fileno(self) -> int:
        """The descriptor, to wait on."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close this process' end."""
        self._socket.close()

    def wait_for_ever(self) -> None:
        """From now on `receive` waits for as long as there is somebody at the other end."""
        self._socket.settimeout(None)

    def receive(self) -> Request | None:
        """The next request; None when there will be none. Raises `RefusedError` for what is none."""
        descriptors: list[int] = []
        request = None
        try:
            line = self._read_line(descriptors)
            if line is not None:
                request = Request(_parse(line), descriptors)
            return request
        finally:
            if request is None:
                Request({}, descriptors).close()

    def _read_line(self, descriptors: list[int]) -> bytes | None:
        room = _socket.CMSG_SPACE(_MOST_DESCRIPTORS * 4)
        while b"\n" not in self._received:
            try:
                data, beside, _flags, _peer = self._socket.recvmsg(65_536, room, _socket.MSG_CMSG_CLOEXEC)
            except OSError:  # a time-out is one
                return None
            for level, kind, numbers in beside:
                if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
                    descriptors += memoryview(numbers)[: len(numbers) // 4 * 4].cast("i")
            self._received += data
            if not data:
                return None
            if len(self._received) > _LONGEST:
                raise RefusedError(f"a request is one line of at most {_LONGEST} bytes")
        line, _, self._received = self._received.partition(b"\n")
        return line

    def send(self, answer: dict[str, Any]) -> None:
        """Send an answer."""
        try:
            self._socket.sendall(library_module("json").dumps(answer).encode() + b"\n")
        except OSError:
            return  # it has left


def _parse(line: bytes) -> dict[str, Any]:
    try:
        fields = library_module("json").loads(line)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise RefusedError("a request is a JSON object on one line")
    return fields
