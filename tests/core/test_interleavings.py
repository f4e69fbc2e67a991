"""Random interleavings: whatever the runtime, the extensions, the clock and the processes do, the promises hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.strategies import booleans, integers, sampled_from

from rapid.core import effects as do
from rapid.core import records
from rapid.core.effects import RUNTIME_PARTY, Effect, Party
from rapid.core.errors import Refused, extension_launch_failed
from rapid.core.initialisation import InitializationType
from rapid.core.invocation import Attempt
from rapid.core.machine import ExtensionInput, ExtensionState, RuntimeState
from rapid.core.phase import Phase
from tests.core.steps import Steps

EXTERNAL = ("first", "second")
NAMES = (*EXTERNAL, "inside")
EVENTS: tuple[tuple[str, ...], ...] = ((), ("INVOKE",), ("SHUTDOWN",), ("INVOKE", "SHUTDOWN"))

FORWARD = {
    Phase.ABSENT: {Phase.INIT, Phase.RESTORE, Phase.SHUTDOWN},
    Phase.INIT: set(Phase) - {Phase.INIT},
    Phase.SNAPSHOT: {Phase.RESTORE, Phase.RESET, Phase.ABSENT, Phase.SHUTDOWN},
    Phase.RESTORE: {Phase.INIT, Phase.IDLE, Phase.INVOKE, Phase.RESET, Phase.ABSENT, Phase.SHUTDOWN},
    Phase.IDLE: {Phase.INVOKE, Phase.RESET, Phase.ABSENT, Phase.INIT, Phase.SHUTDOWN},
    Phase.INVOKE: {Phase.IDLE, Phase.RESET, Phase.ABSENT, Phase.INIT, Phase.SHUTDOWN},
    Phase.RESET: {Phase.INIT, Phase.ABSENT, Phase.SHUTDOWN},
    Phase.SHUTDOWN: set[Phase](),
}
"""To init only from a fresh start (the last process may go in one step, so that no reset is seen between)."""

KINDS: Mapping[str, Callable[..., Steps]] = {
    "on demand": Steps,
    "snap-start": partial(Steps, initialization_type=InitializationType.SNAP_START),
    "restored": partial(Steps, initialization_type=InitializationType.SNAP_START, restored=True),
}


RARELY = sampled_from([True, *[False] * 11])
"""What ends an environment happens in few steps, or else hardly any environment would come to work."""


class Interleavings(RuleBasedStateMachine):
    """Any input at any time; the shell's part (a process exists from Launch to its exit) is played faithfully."""

    MOST = 1
    """Invocations that may be open at once."""

    RESTORES = True
    """Whether there may be a snapshot point."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = Steps()
        self.invoked = 0
        self.processes: set[Party] = set()
        self.killed: set[Party] = set()
        self.parked: set[str] = set()
        self.heard_shutdown: set[str] = set()
        self.armed = False
        self.due = 0.0
        self.stopped = False
        self.restored = False
        self.restore_parked = False
        self.starts = 0
        self.phase = Phase.ABSENT

    # The shell

    def carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case do.Launch(party):
                    assert party not in self.processes, "a second process was started beside the first"
                    self.processes.add(party)
                case do.Kill(party):
                    self.killed |= {party} & self.processes
                case do.SetDeadline(seconds):
                    self.armed, self.due = seconds is not None, self.steps.now + (seconds or 0)
                case do.Deliver(attempt):
                    self.delivered(attempt)
                case do.Restore():
                    self.restored_at_last()
                case do.Notify(identifier, event):
                    self.notified(identifier, event)
                case records.InitStart():
                    self.begun()
                case records.RestoreStart():
                    if self.restored:
                        self.begun()
        self.follow(effects)

    def delivered(self, _: Attempt) -> None:
        assert self.steps.machine.runtime_state is RuntimeState.RUNNING

    def restored_at_last(self) -> None:
        assert self.steps.machine.runtime_state is RuntimeState.RESTORING
        assert self.restore_parked, "a restore of one who has not asked"
        self.restore_parked = False

    def begun(self) -> None:
        assert not (self.restored and self.starts), "a second start of a runtime out of a snapshot"
        self.starts += 1
        self.parked.clear()
        self.heard_shutdown.clear()
        self.restore_parked = False

    def notified(self, identifier: str, event: do.ExtensionEvent) -> None:
        extension = self.steps.machine.extensions.find(identifier)
        assert identifier in self.parked, "an event for one who has not asked"
        self.parked.discard(identifier)
        if isinstance(event, do.InvokeEvent):
            assert extension.wants("INVOKE")
            assert identifier not in self.heard_shutdown
        else:
            assert extension.wants("SHUTDOWN")
            assert extension.external
            assert identifier not in self.heard_shutdown
            self.heard_shutdown.add(identifier)

    def follow(self, effects: list[Effect]) -> None:
        phase = self.steps.phase()
        begun = any(isinstance(effect, records.InitStart | records.RestoreStart) for effect in effects)
        if phase is not self.phase:
            assert phase in FORWARD[self.phase], f"{self.phase} -> {phase}"
            # An extension may register while a runtime out of a snapshot runs its hooks.
            assert begun or phase is not Phase.INIT or self.restored, "an init without its start"
            assert begun or phase is not Phase.RESTORE or self.restored, "a restore without its start"
        self.phase = phase

    def attempt(self, call: str, *arguments: object) -> None:
        before = (self.steps.phase(), self.standing(), len(self.steps.history))
        try:
            effects = getattr(self.steps, call)(*arguments)
        except Refused:
            after = (self.steps.phase(), self.standing(), len(self.steps.history))
            assert after == before, "a refused input changed something"
        else:
            self.carry_out(effects)

    def standing(self) -> list[object]:
        machine = self.steps.machine
        return [machine.runtime_state, *((one.name, one.state, one.events) for one in machine.extensions)]

    # What may happen

    @initialize(eager=booleans(), external=sampled_from([(), ("first",), EXTERNAL]), kind=sampled_from(sorted(KINDS)))
    def begin(self, eager: bool, external: tuple[str, ...], kind: str) -> None:
        self.steps = self.make(external, kind)
        if eager:
            self.carry_out(self.steps.start())

    def make(self, external: tuple[str, ...], kind: str) -> Steps:
        self.restored = kind == "restored"
        return KINDS[kind](*external)

    @rule(seconds=sampled_from([0.001, 0.5, 3.0]))
    def time_passes(self, seconds: float) -> None:
        self.steps.after(seconds)

    @precondition(lambda self: self.steps.machine.capacity)
    @rule()
    def invoke(self) -> None:
        self.invoked += 1
        self.carry_out(self.steps.invoke(self.invoked))

    @precondition(lambda self: RUNTIME_PARTY in self.processes)
    @rule()
    def runtime_asks_for_next(self) -> None:
        self.asks_for_next()

    def asks_for_next(self) -> None:
        self.attempt("next")

    @precondition(lambda self: RUNTIME_PARTY in self.processes and self.RESTORES)
    @rule()
    def runtime_comes_to_the_snapshot_point(self) -> None:
        self.comes_to_the_snapshot_point()

    def comes_to_the_snapshot_point(self) -> None:
        before, self.restore_parked = self.restore_parked, True
        size = len(self.steps.history)
        try:
            effects = self.steps.restore_next()
        except Refused:
            self.restore_parked = before
            assert len(self.steps.history) == size
        else:
            self.carry_out(effects)

    @precondition(lambda self: self.steps.phase() is Phase.SNAPSHOT)
    @rule()
    def restore(self) -> None:
        self.carry_out(self.steps.restore())

    @precondition(lambda self: RUNTIME_PARTY in self.processes)
    @rule(now=RARELY)
    def runtime_fails_to_initialise(self, now: bool) -> None:
        if now:
            self.attempt("init_error")

    @precondition(lambda self: RUNTIME_PARTY in self.processes and self.RESTORES)
    @rule(now=RARELY)
    def runtime_fails_to_restore(self, now: bool) -> None:
        if now:
            self.attempt("restore_error")

    @precondition(lambda self: self.processes)
    @rule(asks_for=sampled_from(["next", "restore_next"]))
    def all_do_what_is_expected(self, asks_for: str) -> None:
        """So that more runs come as far as work, and through it."""
        for one in list(self.steps.machine.extensions):
            if one.state is ExtensionState.STARTED and Party(one.name) in self.processes:
                self.attempt("register", one.name, "INVOKE", "SHUTDOWN")
            elif one.state in (ExtensionState.REGISTERED, ExtensionState.RUNNING):
                self.asks(one.name)
        state = self.steps.machine.runtime_state
        if state is RuntimeState.STARTED and asks_for == "restore_next" and self.RESTORES:
            self.comes_to_the_snapshot_point()
        elif state in (RuntimeState.STARTED, RuntimeState.RESTORING, RuntimeState.RESPONSE_SENT):
            self.asks_for_next()
        elif state is RuntimeState.RUNNING:
            self.attempt("respond", self.invoked)

    @precondition(lambda self: RUNTIME_PARTY in self.processes)
    @rule(call=sampled_from(["respond", "fail"]), back=integers(0, 1))
    def runtime_answers(self, call: str, back: int) -> None:
        self.attempt(call, self.invoked - back)

    @precondition(lambda self: self.processes)
    @rule(name=sampled_from(NAMES), events=sampled_from(EVENTS))
    def extension_registers(self, name: str, events: tuple[str, ...]) -> None:
        self.attempt("register", name, *events)

    @precondition(lambda self: self.processes)
    @rule(name=sampled_from(NAMES))
    def extension_asks_for_next(self, name: str) -> None:
        self.asks(name)

    def asks(self, name: str) -> None:
        parked = self.parked | {f"{name}-id"}
        before, self.parked = self.parked, parked
        size = len(self.steps.history)
        try:
            effects = self.steps.asks(name)
        except Refused:
            self.parked = before
            assert len(self.steps.history) == size
        else:
            self.carry_out(effects)

    @precondition(lambda self: self.processes)
    @rule(
        name=sampled_from(NAMES),
        given=sampled_from([ExtensionInput.INIT_ERROR, ExtensionInput.EXIT_ERROR]),
        now=RARELY,
    )
    def extension_fails(self, name: str, given: ExtensionInput, now: bool) -> None:
        if now:
            self.attempt("reports_error", given, name)

    @precondition(lambda self: self.processes)
    @rule(which=integers(0, 2), status=sampled_from([0, 1, -9]), now=RARELY)
    def a_process_leaves(self, which: int, status: int, now: bool) -> None:
        standing = sorted(self.processes, key=lambda party: party.extension or "")
        if now:
            self.leaves(standing[which % len(standing)], status)

    @precondition(lambda self: self.killed)
    @rule()
    def a_killed_process_is_gone(self) -> None:
        self.leaves(min(self.killed, key=lambda party: party.extension or ""), -9)

    def leaves(self, party: Party, status: int) -> None:
        self.processes.discard(party)
        self.killed.discard(party)
        self.carry_out(self.steps.exited(status, party.extension))

    @precondition(lambda self: self.steps.phase() is Phase.INIT and self.processes)
    @rule(now=RARELY)
    def an_extension_cannot_be_started(self, now: bool) -> None:
        if not now:
            return
        started = {one.name for one in self.steps.machine.extensions if one.state.value == "Started"}
        for party in sorted(self.processes - {RUNTIME_PARTY}, key=lambda party: party.extension or ""):
            if party.extension in started:
                self.processes.discard(party)
                fault = extension_launch_failed("fork/exec: permission denied")
                self.carry_out(self.steps.keep(self.steps.machine.launch_failed(party, fault, self.steps.now)))
                return

    @precondition(lambda self: self.armed)
    @rule()
    def deadline_passes(self) -> None:
        self.armed = False
        self.steps.now = max(self.steps.now, self.due)
        self.carry_out(self.steps.deadline())

    @rule(now=RARELY)
    def memory_runs_out(self, now: bool) -> None:
        if now:
            self.carry_out(self.steps.keep(self.steps.machine.over_memory(self.steps.now)))

    @precondition(lambda self: not self.stopped)
    @rule(now=RARELY)
    def stop(self, now: bool) -> None:
        if now:
            self.stopped = True
            self.carry_out(self.steps.stop())

    # What holds

    @invariant()
    def every_caller_hears_exactly_once(self) -> None:
        heard = [e.invocation.request_id for e in self.steps.history if isinstance(e, do.Answer | do.Abandon)]
        assert len(heard) == len(set(heard))
        reported = [report.invocation.request_id for report in self.steps.reports()]
        assert len(reported) == len(set(reported))
        assert set(reported) <= set(heard), "an invocation was closed that its caller never heard of"
        done = [e.invocation.request_id for e in self.steps.history if isinstance(e, records.InvokeRuntimeDone)]
        assert len(done) == len(set(done))
        assert set(reported) <= set(done)

    @invariant()
    def nobody_waits_without_a_deadline(self) -> None:
        open_ = len([e for e in self.steps.history if isinstance(e, records.InvokeStart)]) - len(self.steps.reports())
        assert 0 <= open_ <= self.MOST
        if self.steps.phase() in (Phase.INIT, Phase.RESTORE, Phase.INVOKE):
            assert self.armed
            assert self.processes
        if self.steps.phase() is Phase.RESET:
            assert self.processes, "a reset of nobody"
            assert self.armed or self.killed == self.processes, "somebody is neither ended nor given a time"

    @invariant()
    def a_shut_down_environment_stays_so(self) -> None:
        if self.stopped:
            assert self.steps.phase() is Phase.SHUTDOWN

    def teardown(self) -> None:
        """Whatever was going on, the end of time ends it: no caller is left without an answer, no process alive."""
        if self.armed:
            self.armed = False
            self.carry_out(self.steps.deadline())
        for _ in range(3):  # the runtime's share, the extensions' rest, the last ones' end
            while self.killed:
                self.leaves(min(self.killed, key=lambda party: party.extension or ""), -9)
            if self.armed and self.steps.phase() in (Phase.RESET, Phase.SHUTDOWN):
                self.armed = False
                self.carry_out(self.steps.deadline())
        assert self.steps.phase() is not Phase.RESET
        if self.stopped:
            assert not self.processes
        begun = [e.invocation.request_id for e in self.steps.history if isinstance(e, records.InvokeStart)]
        heard = {e.invocation.request_id for e in self.steps.history if isinstance(e, do.Answer | do.Abandon)}
        assert set(begun) == heard


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(max_examples=300, stateful_step_count=50, deadline=None)
