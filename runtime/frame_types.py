"""The first four bytes of a frame of the framed log: what the message is, and its level."""

from __future__ import annotations

_MAGIC = 0xA55A_0000
JSON = 2
TEXT = 3
ERROR = 40
"""The level of errors, as `logging` numbers it."""


def whole_level(number: int) -> int:
    """The level of `logging` at or below `number`: 0, 10 (DEBUG), …, 50 (CRITICAL)."""
    return min(50, max(0, number)) // 10 * 10


def frame_type_of(form: int, level: int = 0) -> bytes:
    """The type of a message that is `TEXT` or `JSON`, of a level of `logging`; 0 says none.

    On the wire, 1 is TRACE, 2 DEBUG, …, 6 FATAL.
    """
    tens = whole_level(level) // 10
    return (_MAGIC | (tens + 1 if tens else 0) << 2 | form).to_bytes(4, "big")
