"""How much memory an environment uses: one account of all its processes, and the watch that ends it at its limit."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Callable
from typing import Protocol

from rapid.environments.proc import children, descendants, read

PERIOD = 0.05
"""Seconds between two looks at an environment that is at work."""

CLOSE_PERIOD = 0.01
"""The same, once it uses more than `CLOSE` of its memory."""

CLOSE = 0.75


class MemoryAccount(Protocol):
    """The memory of one environment: of the runtime, the extensions, and all that descends from them."""

    def add(self, pid: int) -> None:
        """Count a process that has just been started, and all that it will start."""

    def exited(self, pid: int, peak_kib: int) -> None:
        """A process that was added has left.

        Args:
            pid: which.
            peak_kib: the most that it, or a child that it waited for, had resident, KiB; 0 where that is not known.
        """

    def sample(self) -> float:
        """Look now, unless the last look was too costly for that.

        Returns:
            How much of the limit is in use; more than 1 when the environment has to end.
        """

    def peak_kib(self) -> int:
        """The most that was used together since the start or `reset`, KiB; the limit when memory ran out."""

    def out_of_memory(self) -> bool:
        """Whether a process was ended because memory ran out, or has to be."""

    def reset(self) -> None:
        """Begin anew: the environment is initialised again, all its processes have left."""

    def close(self) -> None:
        """Give back what the account holds of the system."""


class MemoryWatch:
    """Looks at an account at intervals while its environment is at work, and at nothing while it is not.

    Args:
        account: what to look at.
        on_exceeded: called once after each `start` when the limit is passed; is to end the environment's processes.
        period: seconds between two looks.
    """

    def __init__(self, account: MemoryAccount, on_exceeded: Callable[[], None], period: float = PERIOD) -> None:
        self._loop = asyncio.get_running_loop()
        self._account = account
        self._on_exceeded = on_exceeded
        self._period = period
        self._active = False
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """An init or an invocation begins."""
        self._active = True
        if self._timer is None:  # else one is left of the last invocation: many short ones share it
            self._timer = self._loop.call_later(self._period, self._look)

    def stop(self) -> None:
        """It is over."""
        self._active = False

    def close(self) -> None:
        """The environment is gone."""
        self._active = False
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if not self._active:
            return
        used = self._account.sample()
        if used > 1:
            self._active = False
            self._on_exceeded()
            return
        pause = min(self._period, CLOSE_PERIOD) if used > CLOSE else self._period
        self._timer = self._loop.call_later(pause, self._look)


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
