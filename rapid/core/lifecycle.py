"""The life of an environment that takes one invocation at a time, as a pure machine.

Everybody's part in an invocation ends with the question for the next one. When it times out, all are ended and started
afresh at once, as after a crash.
"""

from __future__ import annotations

from collections.abc import Sequence

from rapid.core import effects as do
from rapid.core.effects import Effect
from rapid.core.environment import EnvironmentLifecycle
from rapid.core.invocation import Attempt, Invocation, Outcome
from rapid.core.machine import RuntimeInput, RuntimeState, move
from rapid.core.phase import Phase
from rapid.core.standing import Standing
from rapid.core.work import Work

INIT_LIMIT = 10.0
"""Seconds that an on-demand init may take (AWS developer guide, "Lambda execution environment lifecycle")."""


class Lifecycle(EnvironmentLifecycle):
    """One environment and its present invocation.

    Args:
        timeout: the function's timeout, seconds; runtime and extensions together.
        init_limit: the longest that an init outside an invocation may take, seconds.
        external: names of the external extensions, in the order of their start.
    """

    _work: Work

    def __init__(self, timeout: float, init_limit: float = INIT_LIMIT, external: Sequence[str] = ()) -> None:
        super().__init__(Work(timeout), Standing(), timeout, init_limit, external)

    @property
    def capacity(self) -> int:
        """See `EnvironmentLifecycle.capacity`."""
        return 1 if self.phase in (Phase.IDLE, Phase.ABSENT) else 0

    def invoke(self, invocation: Invocation, invocation_id: str, now: float, epoch: float) -> list[Effect]:
        """Take an invocation, in phase idle or absent; see `EnvironmentLifecycle.invoke`."""
        idle = self.phase is Phase.IDLE
        if not idle:
            self._require(Phase.ABSENT, "invoke")
        attempt = self._work.begin(invocation, invocation_id, now, epoch)
        if not idle:
            return self._launch(now, self._timeout)
        return [do.SetDeadline(self._timeout), *self._hand_over(attempt)]

    def next(self, now: float) -> list[Effect]:
        """The runtime asks for its next event; this ends its init, and its part in the invocation before."""
        before = self._present(RuntimeInput.NEXT)
        self._standing.runtime = move(before, RuntimeInput.NEXT)
        if before is RuntimeState.STARTED and self._init:
            return [self._init.runtime_done(), *self._settle(now)]
        if before is RuntimeState.RESPONSE_SENT:
            return [self._work.runtime_finished(now), *self._settle(now)]
        if before is RuntimeState.RUNNING and self._work.progress:
            return [do.Deliver(self._work.progress.attempt)]
        return []

    def answering(self, given: RuntimeInput, request_id: str, invocation_id: str | None, now: float) -> None:
        """See `EnvironmentLifecycle.answering`."""
        self._work.check(request_id, invocation_id)
        self._standing.runtime = move(self._present(given), given)
        self._work.answering(now)

    def answered(self, request_id: str, outcome: Outcome, now: float) -> list[Effect]:
        """See `EnvironmentLifecycle.answered`; refused when the environment has ended in the meantime."""
        self._work.check(request_id, None)
        self._standing.runtime = move(self._present(RuntimeInput.SENT), RuntimeInput.SENT)
        return self._work.answered(outcome, now)

    def _hand_over(self, attempt: Attempt) -> list[Effect]:
        self._invoked = True
        return [*self._standing.hand_over(attempt), *self._work.started()]

    def _initialised(self) -> list[Effect]:
        return self._hand_over(self._work.progress.attempt) if self._work.progress else [do.SetDeadline(None)]

    def _rested(self, now: float) -> list[Effect]:
        return [do.SetDeadline(None), self._work.finished(now)] if self._work.progress else []
