"""A pipe that a process writes to and the loop reads."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

CHUNK = 65536


class Pipe:
    """Our end of a pipe, and the number of theirs until the process has it.

    Attributes:
        theirs: the end for the process; whoever starts it closes this copy.

    Raises:
        OSError: no pipe could be made.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._take: Callable[[bytes], bool] | None = None
        self._on_drained: Callable[[Callable[[], None]], None] | None = None
        self._ours, self.theirs = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._ours, False)

    def listen(self, take: Callable[[bytes], bool], on_drained: Callable[[Callable[[], None]], None]) -> None:
        """Read whenever there is something.

        Args:
            take: takes what was read; False asks for a pause.
            on_drained: tells when the pause is over.
        """
        self._take, self._on_drained = take, on_drained
        self._resume()

    def drain(self) -> None:
        """Take in all that has been written by now."""
        while self._ours >= 0 and self._read():
            pass

    def close(self) -> None:
        """Give our end back."""
        if self._ours >= 0:
            self._loop.remove_reader(self._ours)
            os.close(self._ours)
            self._ours = -1

    def _read(self) -> bool:
        """One piece; False when there is nothing more for now."""
        if self._take is None or self._on_drained is None:
            return False
        try:
            data = os.read(self._ours, CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self.close()
            return False
        if not self._take(data):
            self._loop.remove_reader(self._ours)
            self._on_drained(self._resume)
            return False
        return len(data) == CHUNK

    def _resume(self) -> None:
        if self._ours >= 0:
            self._loop.add_reader(self._ours, self._read)
