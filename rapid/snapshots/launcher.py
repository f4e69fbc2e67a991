"""Starts the processes of an environment whose runtime comes out of a template."""

from __future__ import annotations

import logging
from collections.abc import Callable

from rapid.core.effects import RUNTIME_PARTY, Party
from rapid.environments.parties import Launcher, Process
from rapid.environments.process import LaunchError
from rapid.environments.reaper import Exit
from rapid.environments.sink import OutputSink
from rapid.snapshots.forked import PreparedFork

log = logging.getLogger("rapid")


class ForkLauncher:
    """A `Launcher` that gives a prepared fork its "go" where others start a runtime; extensions are ordinary processes.

    Args:
        prepared: becomes the runtime, once.
        ordinary: starts the extensions.
    """

    def __init__(self, prepared: PreparedFork, ordinary: Launcher) -> None:
        self._prepared = prepared
        self._ordinary = ordinary

    def start(self, party: Party, sink: OutputSink, on_exit: Callable[[Exit], None]) -> Process:
        """See `Launcher.start`."""
        if party != RUNTIME_PARTY:
            return self._ordinary.start(party, sink, on_exit)
        if not self._prepared.usable:
            raise LaunchError("the fork of the template has been used")
        log.info("restore: process %d, a fork of the template", self._prepared.pid)
        return self._prepared.start(sink, on_exit)

    def clear(self) -> None:
        """See `Launcher.clear`."""
        self._ordinary.clear()
