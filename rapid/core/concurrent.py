"""The life of an environment that takes several invocations at once, as a pure machine.

Its runtime asks for events from several workers (processes, threads, tasks: the runtime's affair). Init is over when
the extensions are ready and one worker has asked. Each invocation has a time of its own: one that times out fails to
its caller and to nobody else, and its code goes on. Extensions hear of no invocation.

An environment in which nobody works and nobody asks is of no use any more: its workers have all left, or hang. It has
the function's timeout to show a worker, then it is ended and started afresh.

Source: AWS developer guide, "Understanding the Lambda Managed Instances execution environment".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from rapid.core import effects as do
from rapid.core.effects import Effect
from rapid.core.environment import EnvironmentLifecycle
from rapid.core.errors import nobody_asks
from rapid.core.initialisation import Initialisation, InitializationType
from rapid.core.invocation import Attempt, Invocation, Outcome
from rapid.core.machine import RuntimeInput, RuntimeState
from rapid.core.phase import Phase
from rapid.core.standing import Standing
from rapid.core.works import Works

MAX_CONCURRENCY = 1600
"""Invocations that one environment may take at once (AWS API reference, `PerExecutionEnvironmentMaxConcurrency`)."""


class ConcurrentLifecycle(EnvironmentLifecycle):
    """One environment and its present invocations.

    Args:
        limit: how many it takes at once.
        timeout: the function's timeout, seconds.
        external: names of the external extensions, in the order of their start.
    """

    _work: Works

    def __init__(self, limit: int, timeout: float, external: Sequence[str] = ()) -> None:
        standing = Standing(told_of_invocations=False)
        super().__init__(Works(timeout), standing, timeout, external, InitializationType.MANAGED)
        self._limit = limit
        self._workers = 0  # that have asked, and hold no event
        self._waiting: deque[Attempt] = deque()  # taken, and no worker has it yet

    @property
    def phase(self) -> Phase:
        """The present phase: `INVOKE` while there is an invocation that has not been reported."""
        phase = super().phase
        return Phase.INVOKE if phase is Phase.IDLE and self._work.open else phase

    @property
    def capacity(self) -> int:
        """See `EnvironmentLifecycle.capacity`: as many as workers wait, up to the limit."""
        phase = self.phase
        if phase is Phase.ABSENT:
            return 1
        if phase not in (Phase.IDLE, Phase.INVOKE):
            return 0
        return max(0, min(self._workers - len(self._waiting), self._limit - self._work.count))

    # Inputs from the scheduler

    def invoke(self, invocation: Invocation, invocation_id: str, now: float, epoch: float) -> list[Effect]:
        """Take an invocation, as there is capacity; see `EnvironmentLifecycle.invoke`.

        Where there is no process, it waits for an init, which has its own limit; its time begins behind it.
        """
        if not self.capacity:
            raise RuntimeError(f"cannot invoke in phase {self.phase.value}: there is no capacity")
        absent, alone = self.phase is Phase.ABSENT, not self._work.open
        self._waiting.append(self._work.begin(invocation, invocation_id, now, epoch, waits=absent))
        if absent:
            return self._launch(now)
        deadline: list[Effect] = [do.SetDeadline(self._timeout)] if alone else []  # else that of an earlier one is set
        return [*deadline, *self._hand_over()]

    # Inputs from the runtime

    def next(self, now: float) -> list[Effect]:
        """A worker asks for its next event; the first that does ends the runtime's init."""
        before = self._moved(RuntimeInput.NEXT)
        self._workers += 1
        if before is RuntimeState.STARTED and self._preparing:
            return [self._preparing.runtime_done(), *self._settle(now)]
        return [] if self._preparing else [*self._hand_over(), *self._rest()]

    def left(self) -> list[Effect]:
        """A worker that has asked is gone, and was given nothing."""
        if not self._workers:
            return []
        self._workers -= 1
        return [] if self._preparing else self._rest()

    def missed(self, attempt: Attempt) -> list[Effect]:
        """A worker was gone when it was given an event: the next one has it."""
        if not self._work.missed(attempt):
            return []
        self._waiting.appendleft(attempt)
        return self._hand_over()

    def answering(self, given: RuntimeInput, request_id: str, invocation_id: str | None, now: float) -> None:
        """See `EnvironmentLifecycle.answering`; `InvokeTimeout` after its timeout."""
        self._work.answering(given, request_id, invocation_id, now)

    def answered(self, request_id: str, outcome: Outcome, now: float) -> list[Effect]:
        """See `EnvironmentLifecycle.answered`; refused also after its timeout."""
        return [*self._work.answered(request_id, outcome, now), *self._rest()]

    # Inputs from the shell

    def deadline(self, now: float) -> list[Effect]:
        """See `EnvironmentLifecycle.deadline`. One set for an invocation that is over by now is set for the next."""
        if self._ending or self._preparing or self.phase is Phase.ABSENT:
            return super().deadline(now)
        if not self._work.open:
            fault = nobody_asks(self._timeout)
            return self._fail("timeout", fault.error_type, fault, now, reason="timeout")
        done = self._work.overdue(now)
        self._waiting = deque(attempt for attempt in self._waiting if self._work.has(attempt))
        due = self._work.due
        return [*done, *self._rest()] if due is None else [*done, do.SetDeadline(due - now)]

    # How the inputs are carried out

    def _hand_over(self) -> list[Effect]:
        done: list[Effect] = []
        while self._waiting and self._workers:
            attempt = self._waiting.popleft()
            self._workers -= 1
            self._invoked = True
            done += [do.Deliver(attempt), *self._work.start(attempt)]
        return done

    def _beginning(self, now: float) -> Initialisation:
        return Initialisation(now, InitializationType.MANAGED, self._timeout, inside_invocation=False)

    def _prepared(self, now: float) -> list[Effect]:
        self._waiting = deque(self._work.waited(now))
        deadline: list[Effect] = [do.SetDeadline(self._timeout)] if self._waiting else []
        return [*deadline, *self._hand_over(), *self._rest()]

    def _rested(self, _: float) -> list[Effect]:
        return []  # an invocation is over when it is answered

    def _rest(self) -> list[Effect]:
        """The deadline while nobody works: that somebody asks."""
        if self._work.open:
            return []
        return [do.SetDeadline(None if self._workers else self._timeout)]

    def _end(self, reason: str, phase: Phase, now: float) -> list[Effect]:
        self._workers = 0
        self._waiting.clear()
        return super()._end(reason, phase, now)
