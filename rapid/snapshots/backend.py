"""What a pool asks for the processes of new environments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from rapid.snapshots.forked import PreparedFork


class SnapshotBackend(Protocol):
    """Gives processes that are initialised already."""

    def begin(self) -> None:
        """Make ready what they come from; returns at once."""

    async def prepare(self, environ: Mapping[str, str], cwd: str, *, framed_log: bool) -> PreparedFork | None:
        """A process for a new environment; None: it has to be initialised ordinarily.

        Takes a few milliseconds, but while the first template is being initialised: then as long as that takes.

        Args:
            environ: the variables that an ordinary runtime would be given, all of them.
            cwd: its working directory.
            framed_log: it is to have a framed log, see `Command`.
        """

    async def stop(self) -> None:
        """End what processes come from; nothing can be prepared any more, and nobody waits for it. Forks live on."""


class NoSnapshots:
    """The backend `none`."""

    def begin(self) -> None:
        """See `SnapshotBackend.begin`."""

    async def prepare(self, environ: Mapping[str, str], cwd: str, *, framed_log: bool) -> PreparedFork | None:  # noqa: ARG002
        """See `SnapshotBackend.prepare`."""
        return None

    async def stop(self) -> None:
        """See `SnapshotBackend.stop`."""
