"""The processes of one environment: its runtime's and its external extensions'."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from rapid.core.effects import Party
from rapid.environments.memory import MemoryAccount
from rapid.environments.reaper import Exit
from rapid.environments.sink import OutputSink


class Process(Protocol):
    """A started process."""

    pid: int

    def terminate(self) -> None:
        """Ask its process group to end."""

    def kill(self) -> None:
        """End its process group at once."""

    def drain(self) -> None:
        """Take in all output written by now."""

    def close(self) -> None:
        """Let go of it after its exit."""


class Launcher(Protocol):
    """Starts the processes of an environment."""

    def start(self, party: Party, sink: OutputSink, on_exit: Callable[[Exit], None]) -> Process:
        """Start the process of a party, whose output goes to `sink`; `on_exit` is called once.

        Raises:
            LaunchError: it could not be started.
        """

    def clear(self) -> None:
        """Everybody has left: end what they left behind."""


class Parties:
    """Who has a process.

    Attributes:
        gone: set while nobody has.

    Args:
        launcher: starts processes.
        memory: counts theirs.
        on_exit: called when one has left, with its exit status, or minus the signal.
    """

    def __init__(self, launcher: Launcher, memory: MemoryAccount, on_exit: Callable[[Party, int], None]) -> None:
        self.gone = asyncio.Event()
        self.gone.set()
        self._launcher = launcher
        self._on_exit = on_exit
        self._memory = memory
        self._processes: dict[Party, Process] = {}

    def launch(self, party: Party, sink: OutputSink) -> None:
        """Start the process of a party, whose output goes to `sink`.

        Raises:
            LaunchError: it could not be started.
        """
        if not self._processes:
            self._memory.reset()
        process = self._launcher.start(party, sink, lambda exit_: self._exited(party, exit_))
        self._memory.add(process.pid)
        self._processes[party] = process
        self.gone.clear()

    def terminate(self, party: Party) -> None:
        """Ask a party to end; nothing happens to one that has no process."""
        if party in self._processes:
            self._processes[party].terminate()

    def kill(self, party: Party) -> None:
        """End a party; nothing happens to one that has no process."""
        if party in self._processes:
            self._processes[party].kill()

    def drain(self) -> None:
        """Take in all output written by now."""
        for process in self._processes.values():
            process.drain()

    def left(self, party: Party) -> None:
        """A party's process has left: take in its last output."""
        process = self._processes.pop(party, None)
        if process:
            process.close()
        if not self._processes:
            self._launcher.clear()
            self.gone.set()

    def _exited(self, party: Party, exit_: Exit) -> None:
        self._memory.exited(self._processes[party].pid, exit_.peak_kib)
        self._on_exit(party, exit_.status)
