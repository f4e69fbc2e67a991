"""What the life of every execution environment has in common, however many invocations it takes at once: the inputs.

Init is eager: the external extensions start and register, then the runtime, and it is over when all have asked for
their next event, or wait at the snapshot point to be restored. When it fails, the next invocation runs an init; on
demand, under the function's timeout (AWS: "suppressed init"). When anything crashes, all are ended and started afresh
at once, so that the next invocation meets a fresh environment.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from rapid.core import effects as do
from rapid.core.course import Course
from rapid.core.effects import RUNTIME_PARTY, Effect, Party
from rapid.core.errors import Fault, Refused, exited, extension_crashed, extension_failed, out_of_memory, timed_out
from rapid.core.invocation import Invocation, Outcome
from rapid.core.machine import ExtensionInput, ExtensionState, RuntimeInput, RuntimeState, invalid_transition, move
from rapid.core.phase import Phase


class EnvironmentLifecycle(Course):
    """One environment.

    Each method is an input (somebody asked, a process left, a deadline passed) and returns the effects to carry out,
    in order. An input that is not legal raises `Refused` and changes nothing. Time comes in as seconds of a monotonic
    clock. An input moves who has to move; what that leads to is the `Course`.
    """

    @property
    @abstractmethod
    def capacity(self) -> int:
        """How many invocations it can take now."""

    # Inputs from the scheduler

    def start(self, now: float) -> list[Effect]:
        """Begin the init phase, or the restore, ahead of any invocation."""
        self._require("start", Phase.ABSENT)
        return self._launch(now)

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
        self._moved(RuntimeInput.INIT_ERROR)
        return self._fail("error", outcome.error_type or "Runtime.Unknown", outcome, now)

    # Inputs from extensions

    def register(self, name: str, events: Sequence[str], identifier: str) -> list[Effect]:
        """An extension registers; when all external ones have, the runtime is started.

        Raises:
            Refused: 403, see `Extensions.register`.
        """
        closed = not self._opening or self._standing.registration_closed
        self.extensions.register(name, events, identifier, closed=closed)
        return self._launch_runtime()

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
        if not self._opening:
            raise closed
        return extension.name

    # Inputs from the shell

    def deadline(self, now: float) -> list[Effect]:
        """The deadline set last has passed."""
        if self._ending:
            return self._ending.deadline(now)
        if self.phase is Phase.ABSENT:
            return []
        fault = self._preparing.timed_out(self.runtime_state) if self._preparing else timed_out(self._timeout)
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

    def _require(self, what: str, *phases: Phase) -> None:
        if self.phase not in phases or self.spent:
            allowed = " or ".join(phase.value for phase in phases)
            raise RuntimeError(f"cannot {what} in phase {self.phase.value}: only in {allowed}, and until it is spent")

    def _moved(self, given: RuntimeInput) -> RuntimeState:
        """Move the runtime, and tell the state before.

        Raises:
            Refused: not in this state; nothing has changed.
        """
        before = self._standing.runtime
        if before is None or self._ending is not None:
            raise invalid_transition("Exited", given)
        self._standing.runtime = move(before, given)
        return before
