"""What the life of every execution environment has in common, however many invocations it takes at once.

Init is eager: the external extensions start and register, then the runtime, and it is over when all have asked for
their next event. When it fails, the next invocation runs an init of its own under the function's timeout (AWS:
"suppressed init"). When anything crashes, all are ended and started afresh at once, so that the next invocation meets a
fresh environment.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from rapid.core import effects as do
from rapid.core.effects import RUNTIME_PARTY, Effect, Party
from rapid.core.ending import Ending
from rapid.core.errors import (
    Fault,
    Refused,
    exited,
    extension_crashed,
    extension_failed,
    init_timed_out,
    out_of_memory,
    timed_out,
)
from rapid.core.extensions import MAX_EXTENSIONS, Extensions, too_many
from rapid.core.initialisation import Initialisation
from rapid.core.invocation import Invocation, Outcome
from rapid.core.machine import ExtensionInput, ExtensionState, RuntimeInput, RuntimeState, invalid_transition, move
from rapid.core.phase import Phase
from rapid.core.standing import Standing
from rapid.core.work import AnyWork


class EnvironmentLifecycle(ABC):
    """One environment: where its runtime and extensions stand, what it is at work on, how it is ending, if it is.

    Each method is an input (somebody asked, a process left, a deadline passed) and returns the effects to carry out,
    in order. An input that is not legal raises `Refused` and changes nothing. Time comes in as seconds of a monotonic
    clock.

    Args:
        work: what it is at work on.
        standing: where everybody stands.
        timeout: the function's timeout, seconds; runtime and extensions together.
        init_limit: the longest that an init outside an invocation may take, seconds.
        external: names of the external extensions, in the order of their start.
    """

    def __init__(
        self, work: AnyWork, standing: Standing, timeout: float, init_limit: float, external: Sequence[str]
    ) -> None:
        self._timeout = timeout
        self._init_limit = init_limit
        self._external = external
        self._standing = standing
        self._ending: Ending | None = None
        self._work = work
        self._init: Initialisation | None = None  # while one is going on
        self._invoked = False  # came through its init and was given an invocation

    @property
    def phase(self) -> Phase:
        """The present phase, by the joint rule."""
        if self._ending is not None:
            return self._ending.phase
        return self._standing.phase

    @property
    def runtime_state(self) -> RuntimeState | None:
        """The runtime's state; None before it has been started."""
        return self._standing.runtime

    @property
    def extensions(self) -> Extensions:
        """The extensions as they stand."""
        return self._standing.extensions

    @property
    @abstractmethod
    def capacity(self) -> int:
        """How many invocations it can take now."""

    # Inputs from the scheduler

    def start(self, now: float) -> list[Effect]:
        """Begin the init phase ahead of any invocation."""
        self._require(Phase.ABSENT, "start")
        return self._launch(now, self._init_limit)

    @abstractmethod
    def invoke(self, invocation: Invocation, invocation_id: str, now: float, epoch: float) -> list[Effect]:
        """Take an invocation, as there is capacity: after an init of its own when there is no process.

        Args:
            invocation: what to run.
            invocation_id: unique id of this attempt.
            now: monotonic seconds.
            epoch: seconds since the epoch, for the deadline that the runtime is told.
        """

    def stop(self, now: float) -> list[Effect]:
        """Shut down for good: everybody is ended, an unanswered caller is told."""
        if self._ending:
            self._ending.phase = Phase.SHUTDOWN
            return []
        work = [*self._work.started(), *self._work.abandoned(now)]
        return [do.SetDeadline(None), *work, *self._end("spindown", Phase.SHUTDOWN, now)]

    # Inputs from the runtime

    @abstractmethod
    def next(self, now: float) -> list[Effect]:
        """The runtime asks for its next event."""

    @abstractmethod
    def answering(self, given: RuntimeInput, request_id: str, invocation_id: str | None, now: float) -> None:
        """The runtime begins to answer an invocation, which has no effect by itself.

        Args:
            given: RESPOND or FAIL.
            request_id: of the invocation that it answers.
            invocation_id: of the attempt, if it tells that.
            now: monotonic seconds.

        Raises:
            Refused: by id first (`InvalidRequestID`, `InvalidInvocationId`), then by state.
        """

    @abstractmethod
    def answered(self, request_id: str, outcome: Outcome, now: float) -> list[Effect]:
        """The answer that was begun is whole, or will never be: `outcome` is for the caller.

        Raises:
            Refused: it is too late for it.
        """

    def init_error(self, outcome: Outcome, now: float) -> list[Effect]:
        """The runtime says that its init failed; `outcome` goes to the caller that waits for it, if one does."""
        self._standing.runtime = move(self._present(RuntimeInput.INIT_ERROR), RuntimeInput.INIT_ERROR)
        return self._fail("error", outcome.error_type or "Runtime.Unknown", outcome, now)

    # Inputs from extensions

    def register(self, name: str, events: Sequence[str], identifier: str) -> list[Effect]:
        """An extension registers; when all external ones have, the runtime is started.

        Raises:
            Refused: 403, see `Extensions.register`.
        """
        closed = self._init is None or self._standing.registration_closed
        self.extensions.register(name, events, identifier, closed=closed)
        return self._standing.launch_runtime()

    def extension_next(self, identifier: str, now: float) -> list[Effect]:
        """An extension asks for its next event; this ends its init, or its part in the invocation before.

        Raises:
            Refused: unknown, or not in this state.
        """
        extension = self.extensions.find(identifier)
        before = extension.move(ExtensionInput.NEXT)
        if self._ending:
            return self._ending.asked(extension)
        if before is ExtensionState.REGISTERED:
            return [extension.status(), *self._settle(now)]
        return self._settle(now) if before is ExtensionState.RUNNING else []

    def extension_error(self, given: ExtensionInput, identifier: str, error_type: str, now: float) -> list[Effect]:
        """An extension says that it cannot start (`INIT_ERROR`) or go on (`EXIT_ERROR`): the environment is ended.

        Raises:
            Refused: unknown, or not in this state.
        """
        extension = self.extensions.find(identifier)
        extension.move(given)
        if self._ending:
            return []
        extension.error_type = error_type
        kind = "Extension.InitError" if given is ExtensionInput.INIT_ERROR else "Extension.ExitError"
        fault = extension_failed(kind, extension.name, error_type)
        return [*self._told(extension.name), *self._fail("error", kind, fault, now)]

    def subscribe(self, identifier: str, closed: Refused) -> str:
        """An extension subscribes to telemetry: its name.

        Args:
            identifier: the extension's.
            closed: the refusal of its API, once the init is over.

        Raises:
            Refused: unknown, or `closed`.
        """
        extension = self.extensions.find(identifier)
        if self._init is None:
            raise closed
        return extension.name

    # Inputs from the shell

    def deadline(self, now: float) -> list[Effect]:
        """The deadline set last has passed."""
        if self._ending:
            return self._ending.deadline(now)
        if self.phase is Phase.ABSENT:
            return []
        fault = timed_out(self._timeout) if self._work.open else init_timed_out(self._init_limit)
        return self._fail("timeout", fault.error_type, fault, now, reason="timeout")

    def exited(self, party: Party, status: int, now: float, *, oom_killed: bool = False) -> list[Effect]:
        """A process is gone.

        Args:
            party: whose.
            status: its exit code, or minus the signal.
            now: when.
            oom_killed: the kernel ended it because the environment used more than its memory.
        """
        if party.extension is None:
            fault = exited(status)
        else:
            fault = extension_crashed(status)
            self.extensions.named(party.extension).move(ExtensionInput.EXIT)
        return self._gone(party, out_of_memory() if oom_killed else fault, now)

    def launch_failed(self, party: Party, fault: Fault, now: float) -> list[Effect]:
        """A process could not be started."""
        if party.extension is not None:
            self.extensions.named(party.extension).move(ExtensionInput.LAUNCH_FAIL)
        return self._gone(party, fault, now)

    def over_memory(self, now: float) -> list[Effect]:
        """The environment uses more than its memory; once it is ending already, nobody gets more time."""
        if self._ending:
            return self._ending.hurry()
        if self.phase is Phase.ABSENT:
            return []
        fault = out_of_memory()
        return [do.Kill(RUNTIME_PARTY), *self._fail("error", fault.error_type, fault, now)]

    # How the inputs are carried out

    def _require(self, phase: Phase, what: str) -> None:
        if self.phase is not phase:
            raise RuntimeError(f"cannot {what} in phase {self.phase.value}: only in phase {phase.value}")

    def _present(self, given: RuntimeInput) -> RuntimeState:
        if self._standing.runtime is None or self._ending is not None:
            raise invalid_transition("Exited", given)
        return self._standing.runtime

    def _launch(self, now: float, limit: float) -> list[Effect]:
        self._init = Initialisation(now, inside_invocation=self._work.open)
        self._work.owes(None)
        self._invoked = False
        begin: list[Effect] = [self._init.start()]
        if len(self._external) > MAX_EXTENSIONS:
            refused = too_many()
            return begin + self._fail("error", refused.error_type, Fault(refused.error_type, refused.message), now)
        return [*begin, do.SetDeadline(limit), *self._standing.launch(self._external)]

    def _settle(self, now: float) -> list[Effect]:
        """What follows when everybody has asked for the next event."""
        if self._standing.phase is not Phase.IDLE:
            return []
        if self._init is None:
            return self._rested(now)
        report, self._init = self._init.done(now), None
        if not self._work.open:
            self._work.owes(report.duration_ms)
        return [report, *self._initialised()]

    @abstractmethod
    def _initialised(self) -> list[Effect]:
        """What follows when the init is over; an invocation that it ran inside of has its deadline already."""

    @abstractmethod
    def _rested(self, now: float) -> list[Effect]:
        """What follows when everybody has asked for the next event behind an invocation."""

    def _gone(self, party: Party, fault: Fault, now: float) -> list[Effect]:
        self._standing.alive.discard(party)
        done: list[Effect] = []
        if self._ending is None:
            if party.extension is not None:
                self.extensions.named(party.extension).error_type = fault.error_type
                done += self._told(party.extension)
            done += self._fail("error", fault.error_type, fault, now)
        else:
            done += self._ending.exited(party, now)
        if self._ending is not None and self._ending.over:
            done += self._ended(now)
        return done

    def _told(self, name: str) -> list[Effect]:
        """The record of an extension that is the reason for what follows."""
        return [self.extensions.named(name).status()]

    def _fail(
        self, status: str, error_type: str, why: Fault | Outcome, now: float, reason: str = "failure"
    ) -> list[Effect]:
        """Everything that a failure leads to: the records, the answer to a caller that has none yet, the ending."""
        done: list[Effect] = [do.SetDeadline(None)]
        if self._init:
            done += [*self._init.failed(status, error_type, self.runtime_state, now), *self._work.started()]
        return [*done, *self._work.failed(status, error_type, why, now), *self._end(reason, Phase.RESET, now)]

    def _end(self, reason: str, phase: Phase, now: float) -> list[Effect]:
        self._init = None
        self._ending = Ending(reason, phase, self.extensions, self._standing.alive)
        if self._ending.over:
            return self._ended(now)
        return self._ending.begin(now)

    def _ended(self, now: float) -> list[Effect]:
        """Nobody is left. Who never got as far as an invocation would only fail again: the next one will try it."""
        assert self._ending is not None
        again = self._invoked and self._ending.phase is Phase.RESET
        self._standing.clear()
        if self._ending.phase is Phase.RESET:
            self._ending = None
        return self._launch(now, self._init_limit) if again else []
