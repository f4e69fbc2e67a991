"""What a function or an extension has written, as log messages.

A chunk is what one read of a pipe gave; a message is a line of it. While nobody asks for messages, chunks are not cut
into any: the console takes them as they are.
"""

from __future__ import annotations

from typing import Any

import msgspec

LIMIT = 256 * 1024
"""Bytes of a message; AWS cuts what is longer ("Quotas": the largest log event is 256 KB)."""

APPLICATION_LOG_LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
"""From the most detailed to the least; each lets its own and what follows pass."""

_ALIASES = {"WARNING": "WARN", "CRITICAL": "FATAL", "NOTSET": "TRACE"}


class Lines:
    """Cuts one stream of bytes into lines. A line that is not ended yet waits for its rest, no more than `LIMIT`."""

    def __init__(self) -> None:
        self._begun = b""

    def feed(self, data: bytes) -> list[str]:
        """The lines that `data` ends, without their newlines; what is not UTF-8 becomes U+FFFD."""
        end = data.rfind(b"\n")
        if end < 0:
            self._begun += data
            return self._overlong() if len(self._begun) > LIMIT else []
        block = self._begun + data[:end]
        self._begun = data[end + 1 :]
        if len(block) <= LIMIT:
            return block.decode("utf-8", "replace").split("\n")
        return [piece.decode("utf-8", "replace") for line in block.split(b"\n") for piece in pieces(line)]

    def flush(self) -> list[str]:
        """What has been begun and will not be ended any more, as a last message if there is any."""
        begun, self._begun = self._begun, b""
        return [piece.decode("utf-8", "replace") for piece in pieces(begun)] if begun else []

    def _overlong(self) -> list[str]:
        *full, self._begun = pieces(self._begun)
        return [piece.decode("utf-8", "replace") for piece in full]


def pieces(data: bytes, limit: int = LIMIT) -> list[bytes]:
    """A message in parts of at most `limit` bytes, at least one; no character of UTF-8 is cut in two."""
    found, start = [], 0
    while len(data) - start > limit:
        end = start + limit
        for back in range(4):  # a character has four bytes at most, all but the first 0b10xxxxxx
            if data[end - back] & 0xC0 != 0x80:
                end -= back
                break
        found.append(data[start:end])
        start = end
    return [*found, data[start:]] if start else [data]


def passes(message: str | bytes, level: str) -> bool:
    """Whether a message of the function passes the application log level, in the JSON format.

    AWS reads the `level` of messages that are JSON objects; one without a valid level, and any other text, is INFO
    (developer guide, "Log-level filtering").

    Args:
        message: one message.
        level: one of `APPLICATION_LOG_LEVELS`.
    """
    return APPLICATION_LOG_LEVELS.index(_level(message)) >= APPLICATION_LOG_LEVELS.index(level)


def _level(message: str | bytes) -> str:
    if message[:1] not in ("{", b"{"):
        return "INFO"
    try:
        found: Any = _levelled.decode(message).level
    except (msgspec.DecodeError, UnicodeError):
        return "INFO"
    told = found.upper() if isinstance(found, str) else ""
    told = _ALIASES.get(told, told)
    return told if told in APPLICATION_LOG_LEVELS else "INFO"


class _Levelled(msgspec.Struct):
    level: Any = None


_levelled = msgspec.json.Decoder(_Levelled)
