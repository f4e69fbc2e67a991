"""Descriptors of the runtime's own, in a process whose user code may close any of them, or use all of them up."""

from __future__ import annotations

import os


def identity(descriptor: int) -> tuple[int, int]:
    """What tells an open file from all others: a descriptor that user code has closed may by now be a file of its own.

    OSError: it is not open.
    """
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


class Spare:
    """A descriptor that can be given up when the function has used up all others."""

    _descriptor = -1
    _file: tuple[int, int] | None = None

    def take(self) -> None:
        """Have one, if there is one left."""
        if self._descriptor < 0:
            try:
                self._descriptor = os.open(os.devnull, os.O_RDONLY)
                self._file = identity(self._descriptor)
            except OSError:
                return

    def give_up(self) -> None:
        """Close it, unless user code has: the number may be that of a file of its own."""
        try:
            if self._file is not None and identity(self._descriptor) == self._file:
                os.close(self._descriptor)
        except OSError:
            pass
        self._descriptor, self._file = -1, None


spare = Spare()
