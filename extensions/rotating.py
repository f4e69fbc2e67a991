"""A file of lines that is rotated by size, and loses no line by it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

MODE = 0o640


class RotatingFile:
    """Appends lines to a file; one that would grow beyond its size becomes `PATH.1`, `PATH.1` becomes `PATH.2`, …

    Only whole lines are in the files, also after a write that failed. A line longer than the size has a file of its
    own. Several processes may append to the same path: an environment's extension may still be finishing while the
    next environment's begins. They take turns by a lock on `PATH.lock`.

    Raises:
        OSError: the file cannot be written, now or in any call.
    """

    def __init__(self, path: Path, size: int, count: int) -> None:
        """`size` is the most bytes of a file, `count` the most files, the one that is written included."""
        self._path = path
        self._size = size
        self._count = count
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
        self._file = self._open()

    def append(self, lines: Iterable[bytes]) -> None:
        """Write lines, each with its line end."""
        with self._turn():
            length = os.fstat(self._file).st_size
            waiting = bytearray()
            for line in lines:
                if length + len(waiting) + len(line) > self._size and length + len(waiting) > 0:
                    self._write(waiting, length)
                    self._rotate()
                    length, waiting = 0, bytearray()
                waiting += line
            self._write(waiting, length)

    def close(self) -> None:
        """Have everything on the disk, and close the files."""
        os.fsync(self._file)
        os.close(self._file)
        os.close(self._lock)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            if not self._current():  # another process has rotated it, or somebody has taken it away
                os.close(self._file)
                self._file = self._open()
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _current(self) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._file))
        except FileNotFoundError:
            return False

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, MODE)

    def _write(self, data: bytearray, length: int) -> None:
        """Write at the end of a file of some length, all or nothing."""
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except OSError:
            with contextlib.suppress(OSError):  # what went wrong first is what counts
                os.ftruncate(self._file, length)  # half a line is no line
            raise

    def _rotate(self) -> None:
        if self._count == 1:
            os.ftruncate(self._file, 0)
            return
        for number in range(self._count - 2, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{self._path}.{number}", f"{self._path}.{number + 1}")
        os.replace(self._path, f"{self._path}.1")
        os.close(self._file)
        self._file = self._open()
