"""The life of one execution environment, as a pure machine.

Each method is an input (somebody asked, a process left, a deadline passed) and returns the effects to carry out, in
order. An input that is not legal raises `Refused` and changes nothing. Time comes in as seconds of a monotonic clock.

Init is eager and limited to 10 s; when it fails, the next invocation runs an init of its own under the function's
timeout (AWS: "suppressed init"). A runtime that crashes or times out is replaced at once, so that the next invocation
meets a fresh environment.
"""

from __future__ import annotations

from rapid.core import effects as do
from rapid.core.effects import Effect
from rapid.core.errors import (
    Fault,
    exited,
    init_timed_out,
    invalid_invocation_id,
    invalid_request_id,
    timed_out,
)
from rapid.core.invocation import Attempt, Invocation, Outcome
from rapid.core.machine import RuntimeInput, RuntimeState, invalid_transition, move
from rapid.core.phase import RUNTIME_PHASE, Phase, joint_phase

INIT_LIMIT = 10.0
"""Seconds that an on-demand init may take (AWS developer guide, "Lambda execution environment lifecycle")."""


class Lifecycle:
    """One environment: its runtime's state, its present invocation, and how it is ending, if it is.

    Args:
        timeout: the function's timeout, seconds.
        init_limit: the longest that an init outside an invocation may take, seconds.
    """

    def __init__(self, timeout: float, init_limit: float = INIT_LIMIT) -> None:
        self._timeout = timeout
        self._init_limit = init_limit
        self._runtime: RuntimeState | None = None
        self._ending: Phase | None = None
        self._attempt: Attempt | None = None
        self._in_progress = False  # the present attempt has not been reported yet
        self._answered = False
        self._outcome_status = "success"
        self._began = 0.0
        self._init_began = 0.0
        self._init_ms: float | None = None
        self._invoked = False  # this process came through its init and was given an invocation

    @property
    def phase(self) -> Phase:
        """The present phase, by the joint rule."""
        if self._ending is not None:
            return self._ending
        return joint_phase([RUNTIME_PHASE[self._runtime]] if self._runtime else [])

    @property
    def runtime_state(self) -> RuntimeState | None:
        """The runtime's state; None without a process."""
        return self._runtime

    # Inputs from the scheduler

    def start(self, now: float) -> list[Effect]:
        """Begin the init phase ahead of any invocation."""
        self._require(Phase.ABSENT, "start")
        return self._launch(now, self._init_limit)

    def invoke(self, invocation: Invocation, invocation_id: str, now: float, epoch: float) -> list[Effect]:
        """Take an invocation: at once when idle, after an init of its own when there is no process.

        Args:
            invocation: what to run.
            invocation_id: unique id of this attempt.
            now: monotonic seconds.
            epoch: seconds since the epoch, for the deadline that the runtime is told.
        """
        if self.phase is Phase.IDLE:
            self._runtime = move(RuntimeState.READY, RuntimeInput.INVOKE)
            self._invoked = True
        else:
            self._require(Phase.ABSENT, "invoke")
        attempt = Attempt(invocation, invocation_id, int((epoch + self._timeout) * 1000))
        self._attempt, self._in_progress, self._answered, self._began = attempt, True, False, now
        begin: list[Effect] = [do.InvokeStart(invocation.request_id)]
        if self._runtime is None:
            return begin + self._launch(now, self._timeout)
        return [do.SetDeadline(self._timeout), do.Deliver(attempt), *begin]

    def stop(self, now: float) -> list[Effect]:
        """Shut down for good: the runtime is ended, an unanswered caller is told."""
        done: list[Effect] = [do.SetDeadline(None)]
        if self._attempt and self._in_progress:
            if not self._answered:
                done.append(do.Abandon(self._attempt.invocation))
            done.append(self._report("failure", now, "Sandbox.Failure"))
        if self._runtime is not None and self._ending is None:
            done.append(do.Kill())
        self._ending = Phase.SHUTDOWN
        return done

    # Inputs from the runtime

    def next(self, now: float) -> list[Effect]:
        """The runtime asks for its next event; this ends its init, and the invocation before."""
        before = self._present(RuntimeInput.NEXT)
        self._runtime = move(before, RuntimeInput.NEXT)
        if before is RuntimeState.STARTED:
            return self._init_done(now)
        if before is RuntimeState.RESPONSE_SENT:
            return [do.SetDeadline(None), self._report(self._outcome_status, now)]
        if before is RuntimeState.RUNNING and self._attempt:
            return [do.Deliver(self._attempt)]
        return []

    def check(self, given: RuntimeInput, request_id: str, invocation_id: str | None) -> None:
        """Refuse an answer that is not legal now, in AWS's order: id first, then state.

        Raises:
            Refused: `InvalidRequestID`, `InvalidInvocationId` or `InvalidStateTransition`.
        """
        if self._attempt is None or request_id != self._attempt.invocation.request_id:
            raise invalid_request_id()
        if invocation_id is not None and invocation_id != self._attempt.invocation_id:
            raise invalid_invocation_id()
        move(self._present(given), given)

    def answer(self, given: RuntimeInput, request_id: str, invocation_id: str | None, outcome: Outcome) -> list[Effect]:
        """The runtime answers its invocation (`given` is RESPOND or FAIL)."""
        self.check(given, request_id, invocation_id)
        attempt = self._attempt
        assert attempt is not None  # check() has seen to it
        self._runtime = move(move(RuntimeState.RUNNING, given), RuntimeInput.SENT)
        self._answered = True
        self._outcome_status = "success" if outcome.error_type is None else "error"
        return [do.Answer(attempt.invocation, outcome)]

    def init_error(self, outcome: Outcome, now: float) -> list[Effect]:
        """The runtime says that its init failed; `outcome` goes to the caller that waits for it, if one does."""
        self._runtime = move(self._present(RuntimeInput.INIT_ERROR), RuntimeInput.INIT_ERROR)
        error_type = outcome.error_type or "Runtime.Unknown"
        return [*self._fail(now, "error", error_type, outcome), do.Kill()]

    # Inputs from the shell

    def deadline(self, now: float) -> list[Effect]:
        """The deadline set last has passed."""
        if self._runtime is None or self._ending is not None:
            return []
        fault = timed_out(self._timeout) if self._in_progress else init_timed_out(self._init_limit)
        return [*self._fail(now, "timeout", fault.error_type, fault), do.Kill()]

    def exited(self, status: int, now: float) -> list[Effect]:
        """The runtime process is gone; `status` is its exit code or minus the signal."""
        return self._gone(exited(status), now)

    def launch_failed(self, fault: Fault, now: float) -> list[Effect]:
        """The runtime process could not be started."""
        return self._gone(fault, now)

    # How the inputs are carried out

    def _require(self, phase: Phase, what: str) -> None:
        if self.phase is not phase:
            raise RuntimeError(f"cannot {what} in phase {self.phase.value}: only in phase {phase.value}")

    def _present(self, given: RuntimeInput) -> RuntimeState:
        if self._runtime is None or self._ending is not None:
            raise invalid_transition("Exited", given)
        return self._runtime

    def _launch(self, now: float, limit: float) -> list[Effect]:
        self._runtime = RuntimeState.STARTED
        self._init_began, self._init_ms, self._invoked = now, None, False
        return [do.SetDeadline(limit), do.Launch()]

    def _init_done(self, now: float) -> list[Effect]:
        duration = (now - self._init_began) * 1000
        report = do.InitReport(self._init_phase, "success", duration)
        if self._attempt and self._in_progress:  # the init ran inside the invocation, whose deadline goes on
            self._runtime = move(RuntimeState.READY, RuntimeInput.INVOKE)
            self._invoked = True
            return [report, do.Deliver(self._attempt)]
        self._init_ms = duration
        return [report, do.SetDeadline(None)]

    @property
    def _init_phase(self) -> str:
        return "invoke" if self._in_progress else "init"

    def _fail(self, now: float, status: str, error_type: str, why: Fault | Outcome) -> list[Effect]:
        """Everything but the process' end: the records, and the answer to a caller that has none yet."""
        invocation = self._attempt.invocation if self._attempt and self._in_progress else None
        request_id = invocation.request_id if invocation else None
        done: list[Effect] = [do.SetDeadline(None)]
        if isinstance(why, Fault):
            done.append(do.FaultRecord(request_id, error_type, why.reason))
        if self._runtime in (RuntimeState.STARTED, RuntimeState.INIT_ERROR):
            done.append(do.InitReport(self._init_phase, status, (now - self._init_began) * 1000, error_type))
        if invocation:
            if not self._answered:
                outcome = why if isinstance(why, Outcome) else Outcome(why.document(request_id), error_type)
                done.append(do.Answer(invocation, outcome))
            done.append(self._report("timeout" if status == "timeout" else "failure", now, error_type))
        self._ending = self._ending or Phase.RESET
        return done

    def _gone(self, fault: Fault, now: float) -> list[Effect]:
        done = [] if self._ending else self._fail(now, "error", fault.error_type, fault)
        again = self._invoked and self._ending is Phase.RESET
        self._runtime = None
        if self._ending is not Phase.SHUTDOWN:
            self._ending = None
        # A process that never got as far as an invocation would only fail again: the next invocation will try it.
        return done + self._launch(now, self._init_limit) if again else done

    def _report(self, status: str, now: float, error_type: str | None = None) -> do.InvokeReport:
        assert self._attempt is not None
        init_ms, self._init_ms, self._in_progress = self._init_ms, None, False
        # A timer may be early by a fraction of a millisecond: what timed out has taken its whole timeout.
        duration = (self._timeout if status == "timeout" else min(now - self._began, self._timeout)) * 1000
        return do.InvokeReport(self._attempt.invocation.request_id, status, duration, init_ms, error_type)
