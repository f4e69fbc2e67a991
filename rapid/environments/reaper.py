"""The one place that waits for processes.

rapid inherits every orphan below it, as PID 1 of a container or as a "subreaper" elsewhere. A single `waitpid(-1)`
loop, run when SIGCHLD arrives, serves both them and the processes of environments: a status is handed to whoever
watches that process, and an orphan's is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType

from rapid.environments.proc import children


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process left.

    Attributes:
        status: exit code, or minus the number of the signal that ended it.
        peak_kib: the most memory that it ever had resident, KiB; 0 where that is not known.
    """

    status: int
    peak_kib: int


class Reaper:
    """Collects the exits of all child processes of this process."""

    def __init__(self) -> None:
        self._watched: dict[int, Callable[[Exit], None]] = {}
        self._expecting = 0
        self._strangers: dict[int, Exit] = {}  # who left while somebody was expected

    def install(self, loop: asyncio.AbstractEventLoop) -> None:
        """Collect on every SIGCHLD that arrives while `loop` runs.

        Not with `loop.add_signal_handler`: uvloop keeps SIGCHLD for processes of its own, of which there are none.
        """

        def record(_: int, __: FrameType | None) -> None:
            loop.call_soon_threadsafe(self.collect)

        signal.signal(signal.SIGCHLD, record)
        _adopt_orphans()

    def remove(self) -> None:
        """Stop collecting."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def watch(self, pid: int, on_exit: Callable[[Exit], None]) -> None:
        """Call `on_exit` once when process `pid` has left.

        To be called before the loop runs again after its start, or while somebody is expected: then also of one who has
        left by now.
        """
        left = self._strangers.pop(pid, None)
        if left is None:
            self._watched[pid] = on_exit
        else:
            asyncio.get_running_loop().call_soon(on_exit, left)

    @contextlib.contextmanager
    def expecting(self) -> Iterator[None]:
        """Keep, for the time of the block, the exits of processes that nobody watches yet.

        For a process that this one has not started: its number becomes known only when it may have left already.
        """
        self._expecting += 1
        try:
            yield
        finally:
            self._expecting -= 1
            if not self._expecting:
                self._strangers.clear()

    def orphans(self) -> list[int]:
        """What functions have left behind: this process is the parent of all below it who have lost theirs."""
        return [pid for pid in children(os.getpid()) if pid not in self._watched]

    def collect(self) -> None:
        """Take in every child that has left by now."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            left = Exit(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
            on_exit = self._watched.pop(pid, None)
            if on_exit:
                on_exit(left)
            elif self._expecting:
                self._strangers[pid] = left


PR_SET_CHILD_SUBREAPER = 36


def _adopt_orphans() -> None:
    """Become the parent of orphans below this process even where it is not PID 1 (Linux 3.4)."""
    if os.getpid() != 1:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
