"""Where a runtime waits to be restored: its parked `restore/next`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from rapid.core import effects as do
from rapid.core.effects import Effect
from rapid.core.invocation import Outcome
from rapid.core.lifecycle import Lifecycle
from rapid.environments.polls import Polls, Signal

RestorePoll = asyncio.Future[do.Restore | Signal]


class SnapshotPoint:
    """One environment's.

    Attributes:
        polls: the runtime's.

    Args:
        lifecycle: decides.
        apply: carries out its effects.
        loop: the running one.
    """

    def __init__(
        self, lifecycle: Lifecycle, apply: Callable[[list[Effect]], None], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.polls: Polls[do.Restore] = Polls(loop)
        self._lifecycle = lifecycle
        self._apply = apply

    def restore(self) -> None:
        """Restore ahead of any invocation; only in phase snapshot."""
        self._apply(self._lifecycle.restore(time.monotonic()))

    def next(self) -> RestorePoll:
        """The runtime has come here, and asks to be restored.

        Raises:
            Refused: not in this state.
        """
        effects = self._lifecycle.restore_next(time.monotonic())
        poll = self.polls.park()
        self._apply(effects)
        return poll

    def error(self, outcome: Outcome) -> None:
        """The runtime reports that its restore failed.

        Raises:
            Refused: it is not being restored.
        """
        self._apply(self._lifecycle.restore_error(outcome, time.monotonic()))
