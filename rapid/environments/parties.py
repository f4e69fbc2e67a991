"""The processes of one environment: its runtime's and its external extensions'."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from rapid.core.effects import Party
from rapid.environments.memory import MemoryMeter


class Process(Protocol):
    """A started process."""

    memory: MemoryMeter

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

    def start(self, party: Party, on_exit: Callable[[int], None]) -> Process:
        """Start the process of a party; `on_exit` is called once, with its exit status.

        Raises:
            LaunchError: it could not be started.
        """

    def clear(self) -> None:
        """Everybody has left: end what they left behind."""


class Parties:
    """Who has a process.

    Attributes:
        gone: set while nobody has.
    """

    def __init__(self, launcher: Launcher, on_exit: Callable[[Party, int], None]) -> None:
        self.gone = asyncio.Event()
        self.gone.set()
        self._launcher = launcher
        self._on_exit = on_exit
        self._processes: dict[Party, Process] = {}
        self._peak_kib = 0  # of those who have left

    def launch(self, party: Party) -> None:
        """Start the process of a party.

        Raises:
            LaunchError: it could not be started.
        """
        if not self._processes:
            self._peak_kib = 0
        self._processes[party] = self._launcher.start(party, lambda status: self._on_exit(party, status))
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

    def peak_mb(self) -> int:
        """The most memory that they have used together, MB, rounded up."""
        return -(-(self._peak_kib + sum(process.memory.read() for process in self._processes.values())) // 1024)

    def left(self, party: Party) -> None:
        """A party's process has left: take in its last output."""
        process = self._processes.pop(party, None)
        if process:
            process.close()
            self._peak_kib += process.memory.read()
        if not self._processes:
            self._launcher.clear()
            self.gone.set()
