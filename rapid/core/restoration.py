"""One restore phase: its limit, its clock and its records."""

from __future__ import annotations

from rapid.core.errors import Fault, init_timed_out, restore_timed_out
from rapid.core.machine import RuntimeState
from rapid.core.progress import Owed
from rapid.core.records import RestoreReport, RestoreRuntimeDone, RestoreStart

RESTORE_LIMIT = 10.0
"""Seconds that a restore may take (AWS developer guide, "Lambda SnapStart runtime hooks")."""


class Restoration:
    """A restore phase that is going on.

    Attributes:
        limit: seconds that it may take.
        opening: extensions may register and subscribe in it.

    Args:
        began: monotonic seconds.
        opening: it is the environment's beginning: its runtime comes out of a snapshot, its extensions are started.
    """

    def __init__(self, began: float, *, opening: bool) -> None:
        self.limit = RESTORE_LIMIT
        self.opening = opening
        self._began = began

    def start(self) -> RestoreStart:
        """The record of its start."""
        return RestoreStart()

    def runtime_done(self) -> RestoreRuntimeDone:
        """The runtime has run its hooks, and asked for its first event."""
        return RestoreRuntimeDone("success")

    def done(self, now: float) -> RestoreReport:
        """Everybody has."""
        return RestoreReport("success", self._elapsed_ms(now))

    def owed(self, now: float) -> Owed:
        """What the first invocation pays for."""
        return Owed(restore_ms=self._elapsed_ms(now))

    def failed(
        self, status: str, error_type: str | None, runtime: RuntimeState | None, now: float
    ) -> list[RestoreRuntimeDone | RestoreReport]:
        """It ends in `error` or `timeout`; a runtime that is not done is reported as well."""
        done: list[RestoreRuntimeDone | RestoreReport] = []
        if runtime in (RuntimeState.RESTORING, RuntimeState.RESTORE_ERROR):
            done.append(RestoreRuntimeDone(status, error_type))
        return [*done, RestoreReport(status, self._elapsed_ms(now), error_type)]

    def timed_out(self, runtime: RuntimeState | None) -> Fault:
        """It has taken longer than its limit: the runtime's hooks, or else an extension that starts along with it."""
        return restore_timed_out(self.limit) if runtime is RuntimeState.RESTORING else init_timed_out(self.limit)

    def _elapsed_ms(self, now: float) -> float:
        return (now - self._began) * 1000
