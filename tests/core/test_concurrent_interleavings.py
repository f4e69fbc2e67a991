"""Random interleavings of several invocations at once: every accepted one is answered once, whatever the order."""

from __future__ import annotations

from hypothesis import settings
from hypothesis.stateful import invariant, precondition, rule
from hypothesis.strategies import integers, sampled_from

from rapid.core import effects as do
from rapid.core.effects import RUNTIME_PARTY, Effect
from rapid.core.invocation import Attempt
from rapid.core.phase import Phase
from tests.core.concurrent_steps import LIMIT, ConcurrentSteps
from tests.core.test_interleavings import Interleavings


class ConcurrentInterleavings(Interleavings):
    """The shell's part beside that of the others: a parked poll takes one event, and may be gone at any time."""

    MOST = LIMIT
    RESTORES = False
    steps: ConcurrentSteps

    def __init__(self) -> None:
        super().__init__()
        self.polls = 0
        self.held: list[Attempt] = []

    def make(self, external: tuple[str, ...], _: str) -> ConcurrentSteps:
        return ConcurrentSteps(*external)

    def carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            if effect == do.Launch(RUNTIME_PARTY):  # the polls of the one before went with it
                self.polls = 0
                self.held.clear()
        super().carry_out(effects)

    def delivered(self, attempt: Attempt) -> None:
        assert self.polls, "an event for a worker that has not asked"
        self.polls -= 1
        self.held.append(attempt)

    def asks_for_next(self) -> None:
        before = len(self.steps.history)
        self.polls += 1
        self.attempt("next")
        if len(self.steps.history) == before and self.steps.phase() in (Phase.RESET, Phase.SHUTDOWN):
            self.polls -= 1  # refused, so it is not parked

    @precondition(lambda self: RUNTIME_PARTY in self.processes)
    @rule(call=sampled_from(["respond", "fail"]), back=integers(0, 4))
    def runtime_answers(self, call: str, back: int) -> None:
        self.attempt(call, self.invoked - back)

    @precondition(lambda self: self.polls and self.steps.phase() in (Phase.IDLE, Phase.INVOKE))
    @rule()
    def a_worker_leaves(self) -> None:
        self.polls -= 1
        self.carry_out(self.steps.left())

    @precondition(lambda self: self.held)
    @rule(which=integers(0, LIMIT))
    def a_worker_was_gone(self, which: int) -> None:
        self.carry_out(self.steps.missed(self.held.pop(which % len(self.held))))

    @invariant()
    def capacity_is_that_of_the_workers_who_wait(self) -> None:
        if self.steps.phase() in (Phase.IDLE, Phase.INVOKE):
            assert self.steps.capacity() <= self.polls
        elif self.steps.phase() is not Phase.ABSENT:
            assert not self.steps.capacity()

    @invariant()
    def a_useless_environment_has_a_deadline(self) -> None:
        if self.steps.phase() is Phase.IDLE and not self.polls:
            assert self.armed

    def teardown(self) -> None:
        """Time ends every invocation; then all that holds of one holds of several."""
        while self.armed and self.steps.phase() is Phase.INVOKE:
            self.deadline_passes()
        super().teardown()
        heard = {e.invocation.request_id for e in self.steps.history if isinstance(e, do.Answer | do.Abandon)}
        assert heard == {f"id-{number}" for number in range(1, self.invoked + 1)}


TestConcurrentInterleavings = ConcurrentInterleavings.TestCase
TestConcurrentInterleavings.settings = settings(max_examples=300, stateful_step_count=50, deadline=None)
