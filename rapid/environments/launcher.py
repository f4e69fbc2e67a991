"""Starts the processes of one environment."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from rapid.core.effects import RUNTIME_PARTY, Party
from rapid.environments.process import ChildProcess, Command
from rapid.environments.reaper import Exit, Reaper
from rapid.environments.sink import OutputSink

log = logging.getLogger("rapid")


class ProcessLauncher:
    """The `Launcher` of real processes.

    Args:
        commands: what to start for each party.
        reaper: tells of their exits.
        end_orphans: ends what they have left behind.
    """

    def __init__(self, commands: Mapping[Party, Command], reaper: Reaper, end_orphans: Callable[[], None]) -> None:
        self._commands = commands
        self._reaper = reaper
        self._end_orphans = end_orphans

    def start(self, party: Party, sink: OutputSink, on_exit: Callable[[Exit], None]) -> ChildProcess:
        """See `Launcher.start`."""
        command = self._commands[party]
        what = "exec" if party == RUNTIME_PARTY else f"extension {party.extension}: exec"
        log.info("%s '%s' (cwd=%s)", what, command.words[0], command.cwd)
        return ChildProcess(command, sink, self._reaper, on_exit)

    def clear(self) -> None:
        """See `Launcher.clear`."""
        self._end_orphans()
