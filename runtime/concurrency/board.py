"""What workers let the supervisor know: where each stands, and which invocation each slot holds.

Shared memory, so that it costs no system call and what a process wrote last outlives it, however it ended.
"""

from __future__ import annotations

from ..paths import library_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LOADING, ALONE, TOGETHER, GONE = range(4)
"""Where a worker stands: it loads the handler; serves its slot; serves all slots; has lost the Runtime API."""

_SIZE = 512
_TEXT = 4
_STANDING, _SERVED, _LENGTH = 0, 1, 2


class Board:
    """One record for each slot. A worker stands in the record of its first slot."""

    def __init__(self, slots: int) -> None:
        self._memory: Any = library_module("mmap").mmap(-1, slots * _SIZE)

    def standing(self, slot: int) -> int:
        """Where the worker of that first slot stands: one of the four constants."""
        standing: int = self._memory[slot * _SIZE + _STANDING]
        return standing

    def stand(self, slot: int, standing: int) -> None:
        """Say where it stands."""
        self._memory[slot * _SIZE + _STANDING] = standing

    def has_served(self, slot: int) -> bool:
        """Whether an invocation has been held there since `renew`."""
        return bool(self._memory[slot * _SIZE + _SERVED])

    def hold(self, slot: int, request_id: str, invocation_id: str | None) -> None:
        """An invocation is being served there. With ids longer than any it is not told."""
        text = f"{request_id}\0{invocation_id or ''}".encode()
        start = slot * _SIZE
        self._memory[start + _SERVED] = 1
        if len(text) <= _SIZE - _TEXT:
            self._memory[start + _TEXT : start + _TEXT + len(text)] = text
            # Last, so that whatever interrupts it, the text is whole if there is a length.
            self._memory[start + _LENGTH : start + _TEXT] = len(text).to_bytes(2, "big")

    def clear(self, slot: int) -> None:
        """No invocation is being served there."""
        start = slot * _SIZE
        self._memory[start + _LENGTH : start + _TEXT] = b"\0\0"

    def held(self, slot: int) -> tuple[str, str | None] | None:
        """Request id and invocation id of what is being served there."""
        start = slot * _SIZE
        length = int.from_bytes(self._memory[start + _LENGTH : start + _TEXT], "big")
        if not length:
            return None
        request_id, _, invocation_id = self._memory[start + _TEXT : start + _TEXT + length].decode().partition("\0")
        return request_id, invocation_id or None

    def renew(self, slot: int) -> None:
        """The record of a slot for a new worker."""
        start = slot * _SIZE
        self._memory[start : start + _TEXT] = bytes(_TEXT)


class Slot:
    """One invocation at a time: a record of the board, for the worker that serves it."""

    def __init__(self, board: Board, number: int) -> None:
        self._board = board
        self._number = number

    def hold(self, request_id: str, invocation_id: str | None) -> None:
        """This invocation is being served."""
        self._board.hold(self._number, request_id, invocation_id)

    def clear(self) -> None:
        """None is."""
        self._board.clear(self._number)
