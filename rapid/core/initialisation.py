"""One init phase: its limit, its clock and its records."""

from __future__ import annotations

from enum import Enum

from rapid.core.errors import Fault, init_timed_out, timed_out
from rapid.core.machine import RuntimeState
from rapid.core.progress import NOTHING, Owed
from rapid.core.records import InitReport, InitRuntimeDone, InitStart

INIT_LIMIT = 10.0
"""Seconds that an on-demand init may take (AWS developer guide, "Lambda execution environment lifecycle")."""

LONG_INIT_LIMIT = 130.0
"""Seconds that any other init may take at least; more, when the function's timeout is longer (same page)."""

LONGEST_INIT_LIMIT = 900.0
"""Seconds that none may take (same page)."""


class InitializationType(Enum):
    """Why an environment is initialised; the value is that of `AWS_LAMBDA_INITIALIZATION_TYPE`."""

    ON_DEMAND = "on-demand"
    PROVISIONED = "provisioned-concurrency"
    SNAP_START = "snap-start"
    MANAGED = "lambda-managed-instances"

    def init_limit(self, timeout: float) -> float:
        """Seconds that an init may take, for a function of that timeout."""
        if self is InitializationType.ON_DEMAND:
            return INIT_LIMIT
        return min(max(timeout, LONG_INIT_LIMIT), LONGEST_INIT_LIMIT)


class Initialisation:
    """An init phase that is going on.

    Attributes:
        limit: seconds that it may take.
        opening: extensions may register and subscribe in it.

    Args:
        began: monotonic seconds.
        kind: why there is one.
        timeout: the function's, seconds.
        inside_invocation: it runs inside an invocation, in the invocation's time (AWS: "suppressed init").
    """

    opening = True

    def __init__(self, began: float, kind: InitializationType, timeout: float, *, inside_invocation: bool) -> None:
        self.limit = timeout if inside_invocation else kind.init_limit(timeout)
        self._began = began
        self._inside = inside_invocation
        self._paid = kind is InitializationType.ON_DEMAND and not inside_invocation
        self._phase = "invoke" if inside_invocation else "init"

    def start(self) -> InitStart:
        """The record of its start."""
        return InitStart(self._phase)

    def runtime_done(self) -> InitRuntimeDone:
        """The runtime has asked for its first event, or to be restored."""
        return InitRuntimeDone(self._phase, "success")

    def done(self, now: float) -> InitReport:
        """Everybody has."""
        return InitReport(self._phase, "success", self._elapsed_ms(now))

    def owed(self, now: float) -> Owed:
        """What the first invocation pays for; an init that was not for an invocation has its own report."""
        return Owed(init_ms=self._elapsed_ms(now)) if self._paid else NOTHING

    def failed(
        self, status: str, error_type: str | None, runtime: RuntimeState | None, now: float
    ) -> list[InitRuntimeDone | InitReport]:
        """It ends in `error` or `timeout`; a runtime that was started and is not done is reported as well."""
        error_type = None if status == "timeout" else error_type
        done: list[InitRuntimeDone | InitReport] = []
        if runtime in (RuntimeState.STARTED, RuntimeState.INIT_ERROR):
            done.append(InitRuntimeDone(self._phase, status, error_type))
        return [*done, InitReport(self._phase, status, self._elapsed_ms(now), error_type)]

    def timed_out(self, _: RuntimeState | None) -> Fault:
        """It has taken longer than its limit."""
        return timed_out(self.limit) if self._inside else init_timed_out(self.limit)

    def _elapsed_ms(self, now: float) -> float:
        return (now - self._began) * 1000
