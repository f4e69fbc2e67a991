"""The framed log of runtimes: what arrives on the descriptor that `_LAMBDA_TELEMETRY_LOG_FD` names.

A frame is a type (4 bytes), the message's length (4 bytes), microseconds since the epoch (8 bytes) and the message, all
numbers big-endian. The type says whether the message is text or JSON and which level it has; an older one comes without
a time. Whatever is no frame is passed on as text: a function may write to the descriptor what it likes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from rapid.telemetry.messages import LIMIT, pieces

LONGEST = 64 * 1024 * 1024
"""Bytes of a message; a length above it is no length but a sign that the stream is out of step."""

MAGIC = b"\xa5\x5a\x00"
_UNTIMED, _JSON, _TEXT = 1, 2, 3
_LEVELS = (None, "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", None)
_HEAD = struct.Struct(">3sBI")
_TIME = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class Frame:
    """One message, or a part of one that is longer than AWS keeps together.

    Attributes:
        level: `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR`, `FATAL`, or None where the type does not say.
        json: whether the message is a JSON object; a part of one is text.
        epoch: seconds since the epoch: the frame's own time, or when it was read.
        data: the message, as written.
    """

    level: str | None
    json: bool
    epoch: float
    data: bytes

    @property
    def text(self) -> str:
        """The message without the newline at its end; what is not UTF-8 becomes U+FFFD."""
        return self.data.removesuffix(b"\n").decode("utf-8", "replace")

    @property
    def lines(self) -> bytes:
        """The message as it goes to the console: ended by a newline."""
        return self.data if self.data.endswith(b"\n") else self.data + b"\n"


@dataclass(slots=True)
class _Open:
    """A frame whose head has been read."""

    level: str | None
    json: bool
    epoch: float
    left: int
    whole: bool = True


class Decoder:
    """Takes the stream in pieces of any size; holds back no more than one part of a message."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._open: _Open | None = None

    def feed(self, data: bytes, now: float) -> list[Frame]:
        """The messages that `data` completes.

        Args:
            data: the next bytes of the stream.
            now: seconds since the epoch, for messages that carry no time.
        """
        self._data += data
        found: list[Frame] = []
        while self._data:
            frame = self._body(self._open) if self._open else self._head(now)
            if frame is None:
                break
            found.append(frame)
        return found

    def flush(self, now: float) -> list[Frame]:
        """What has been begun and will not be ended: the stream is over."""
        rest, begun = bytes(self._data), self._open
        self._data.clear()
        self._open = None
        if not rest:
            return []
        return [Frame(begun.level if begun else None, False, begun.epoch if begun else now, rest)]

    def _head(self, now: float) -> Frame | None:
        """Read a head into `_open`; a frame of what stands before the next head; None to wait for more."""
        if not MAGIC.startswith(bytes(self._data[: len(MAGIC)])):
            return self._stray(now)
        if len(self._data) < _HEAD.size:
            return None
        _, kind, length = _HEAD.unpack_from(self._data)
        form, level = kind & 3, _LEVELS[kind >> 2 & 7]
        if kind > 0x1B or form not in (_UNTIMED, _JSON, _TEXT) or length > LONGEST:
            return self._stray(now)
        size = _HEAD.size
        if form != _UNTIMED:
            size += _TIME.size
            if len(self._data) < size:
                return None
            now = _TIME.unpack_from(self._data, _HEAD.size)[0] / 1e6
        del self._data[:size]
        self._open = _Open(level, form == _JSON, now, length)
        return self._body(self._open)

    def _body(self, begun: _Open) -> Frame | None:
        """The open frame's message, or its next part; None to wait for more."""
        wanted = min(begun.left, LIMIT + 1)  # one more than a part, to see where a character ends
        if len(self._data) < wanted:
            return None
        part = pieces(bytes(self._data[:wanted]))[0]
        del self._data[: len(part)]
        begun.left -= len(part)
        begun.whole = begun.whole and begun.left == 0
        if begun.left == 0:
            self._open = None
        return Frame(begun.level, begun.json and begun.whole, begun.epoch, part)

    def _stray(self, now: float) -> Frame:
        """What is no frame, up to what may be the next one's first byte."""
        end = self._data.find(MAGIC, 1)
        if end < 0:
            tail = next((size for size in (2, 1) if self._data.endswith(MAGIC[:size]) and len(self._data) > size), 0)
            end = len(self._data) - tail
        part = pieces(bytes(self._data[: min(end, LIMIT + 1)]))[0]
        del self._data[: len(part)]
        return Frame(None, False, now, part)
