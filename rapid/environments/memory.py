"""How much memory an environment's processes have used at most, read from /proc."""

from __future__ import annotations

import os
import re
import time

from rapid.environments.proc import children, descendants, read

FRESH = 0.01
"""Seconds for which a reading is good enough."""

_PEAK = re.compile(rb"VmHWM:\s+(\d+) kB")
_THREADS = re.compile(rb"Threads:\s+(\d+)")


class MemoryMeter:
    """Follows the peak of a process and its descendants.

    Every reading adds up the peaks (`VmHWM`) of the processes alive; the highest sum is kept. The first process' files
    stay open, and a reading younger than `FRESH` serves again: each REPORT line needs one, and a peak is not lost by
    being read a little later.
    """

    def __init__(self, pid: int) -> None:
        self._peak_kib = 0
        self._pid = pid
        self._read_at = -FRESH
        self._files: list[int] = []
        try:
            for name in ("status", f"task/{pid}/children"):
                self._files.append(os.open(f"/proc/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC))
        except OSError:  # the process has left already, or there is no such file on this system
            self.close()

    def read(self) -> int:
        """The peak so far, KiB; 0 where /proc does not tell."""
        now = time.monotonic()
        if self._files and now - self._read_at >= FRESH:
            self._read_at = now
            try:
                status, told = (os.pread(file, 65536, 0) for file in self._files)
            except OSError:  # it has just left
                return self._peak_kib
            several = _number(_THREADS, status) > 1  # each thread has children of its own
            below = children(self._pid) if several else [int(child) for child in told.split()]
            self.note(_peak(status) + sum(_tree(child) for child in below))
        return self._peak_kib

    def note(self, kib: int) -> None:
        """Take in a peak that was learnt elsewhere, as from the process' exit."""
        self._peak_kib = max(self._peak_kib, kib)

    def close(self) -> None:
        """Give the open files back; the peak stays."""
        while self._files:
            os.close(self._files.pop())


def _tree(pid: int) -> int:
    return sum(_peak(read(f"/proc/{each}/status")) for each in (pid, *descendants(pid)))


def _peak(status: bytes) -> int:
    return _number(_PEAK, status)


def _number(pattern: re.Pattern[bytes], text: bytes) -> int:
    match = pattern.search(text)
    return int(match[1]) if match else 0
