"""Whether invocations are welcome, from how the environments stand and whether rapid is on its way out."""

from __future__ import annotations

import time
from collections.abc import Callable

from rapid.core.tally import INIT_FAILED, Counted, unready

FIRST_PAUSE = 10.0
LONGEST_PAUSE = 300.0
"""Seconds between attempts of an init that has failed: twice as long each time, as Kubernetes restarts containers."""


class Ready:
    """The server's readiness.

    While it is not ready because an init has failed, no invocation comes that would try the init again. So whoever asks
    has it tried, at growing intervals; where nobody asks, invocations come.

    Args:
        environments: who serves.
        leaving: whether the shutdown has begun.
        ready_at_capacity: ready also while no environment is free.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        environments: Counted,
        leaving: Callable[[], bool],
        *,
        ready_at_capacity: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._environments = environments
        self._leaving = leaving
        self._ready_at_capacity = ready_at_capacity
        self._clock = clock
        self._pause = FIRST_PAUSE
        self._again: float | None = None  # when the init may be tried again; None unless it has failed

    def unready(self) -> str | None:
        """See `rapid.frontends.probes.Readiness`."""
        if self._leaving():
            return "draining"
        reason = unready(self._environments.tally(), ready_at_capacity=self._ready_at_capacity)
        if reason == INIT_FAILED:
            self._failed(self._clock())
        elif reason is None:
            self._pause, self._again = FIRST_PAUSE, None
        return reason

    def _failed(self, now: float) -> None:
        if self._again is None:
            self._again = now + self._pause
        elif now >= self._again:
            self._pause, self._again = min(2 * self._pause, LONGEST_PAUSE), None
            self._environments.initialise()
