"""Random interleavings: whatever the runtime, the clock and the processes do, the promises hold."""

from __future__ import annotations

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.strategies import booleans, integers, sampled_from

from rapid.core import effects as do
from rapid.core.effects import Effect
from rapid.core.errors import Refused
from rapid.core.machine import RuntimeState
from rapid.core.phase import Phase
from tests.core.steps import Steps


class Interleavings(RuleBasedStateMachine):
    """Any input at any time; the shell's part (a process exists from Launch to its exit) is played faithfully."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = Steps()
        self.invoked = 0
        self.process = False
        self.armed = False
        self.stopped = False

    def carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, do.Launch):
                assert not self.process, "a second runtime was started beside the first"
                self.process = True
            elif isinstance(effect, do.SetDeadline):
                self.armed = effect.seconds is not None
            elif isinstance(effect, do.Deliver):
                assert self.steps.machine.runtime_state is RuntimeState.RUNNING

    def attempt(self, call: str, *arguments: object) -> None:
        before = (self.steps.phase(), self.steps.machine.runtime_state, len(self.steps.history))
        try:
            effects = getattr(self.steps, call)(*arguments)
        except Refused:
            after = (self.steps.phase(), self.steps.machine.runtime_state, len(self.steps.history))
            assert after == before, "a refused input changed something"
        else:
            self.carry_out(effects)

    @initialize(eager=booleans())
    def begin(self, eager: bool) -> None:
        if eager:
            self.carry_out(self.steps.start())

    @rule(seconds=sampled_from([0.001, 0.5, 3.0]))
    def time_passes(self, seconds: float) -> None:
        self.steps.after(seconds)

    @precondition(lambda self: self.steps.phase() in (Phase.IDLE, Phase.ABSENT))
    @rule()
    def invoke(self) -> None:
        self.invoked += 1
        self.carry_out(self.steps.invoke(self.invoked))

    @precondition(lambda self: self.process)
    @rule()
    def runtime_asks_for_next(self) -> None:
        self.attempt("next")

    @precondition(lambda self: self.process)
    @rule(call=sampled_from(["respond", "fail"]), back=integers(0, 1))
    def runtime_answers(self, call: str, back: int) -> None:
        self.attempt(call, self.invoked - back)

    @precondition(lambda self: self.process)
    @rule()
    def runtime_fails_to_initialise(self) -> None:
        self.attempt("init_error")

    @precondition(lambda self: self.process)
    @rule(status=sampled_from([0, 1, -9]))
    def runtime_leaves(self, status: int) -> None:
        self.process = False
        self.carry_out(self.steps.exited(status))

    @precondition(lambda self: self.armed)
    @rule()
    def deadline_passes(self) -> None:
        self.armed = False
        self.carry_out(self.steps.deadline())

    @precondition(lambda self: not self.stopped)
    @rule()
    def stop(self) -> None:
        self.stopped = True
        self.carry_out(self.steps.stop())

    @invariant()
    def every_caller_hears_exactly_once(self) -> None:
        heard = [e.invocation.request_id for e in self.steps.history if isinstance(e, do.Answer | do.Abandon)]
        assert len(heard) == len(set(heard))
        reported = [report.request_id for report in self.steps.reports()]
        assert len(reported) == len(set(reported))
        assert set(reported) <= set(heard), "an invocation was closed that its caller never heard of"

    @invariant()
    def nobody_waits_without_a_deadline(self) -> None:
        open_ = len([e for e in self.steps.history if isinstance(e, do.InvokeStart)]) - len(self.steps.reports())
        assert open_ in (0, 1)
        if self.steps.phase() in (Phase.INIT, Phase.INVOKE):
            assert self.armed
            assert self.process

    @invariant()
    def a_shut_down_environment_stays_so(self) -> None:
        if self.stopped:
            assert self.steps.phase() is Phase.SHUTDOWN

    def teardown(self) -> None:
        """Whatever was going on, the end of time ends it: no caller is left without an answer."""
        if self.armed:
            self.carry_out(self.steps.deadline())
        begun = [e.request_id for e in self.steps.history if isinstance(e, do.InvokeStart)]
        heard = {e.invocation.request_id for e in self.steps.history if isinstance(e, do.Answer | do.Abandon)}
        assert set(begun) == heard


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
