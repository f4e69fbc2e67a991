"""How much memory an environment uses: one account of all its processes, and the watch that ends it at its limit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

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
