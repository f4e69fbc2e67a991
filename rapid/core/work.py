"""What an environment is at work on: an invocation, from its acceptance to its report."""

from __future__ import annotations

from typing import Protocol

from rapid.core import effects as do
from rapid.core.effects import Effect
from rapid.core.errors import Fault, invalid_invocation_id, invalid_request_id
from rapid.core.invocation import Attempt, Invocation, Outcome
from rapid.core.progress import NOTHING, Owed, Progress
from rapid.core.records import FaultRecord, InvokeReport, InvokeRuntimeDone, InvokeStart


class AnyWork(Protocol):
    """What the end of an environment, and an init inside an invocation, need to know of its work."""

    @property
    def open(self) -> bool:
        """Whether there is an invocation that has not been reported."""

    def started(self) -> list[InvokeStart]:
        """The records of starts that have not been recorded yet: an init inside an invocation comes before its own."""

    def owes(self, owed: Owed) -> None:
        """The next report is to tell of what came ahead of it."""

    def failed(self, status: str, error_type: str, why: Fault | Outcome, now: float) -> list[Effect]:
        """The environment ends in `error` or `timeout`: the fault, the answers that were not given, the reports."""

    def abandoned(self, now: float) -> list[Effect]:
        """The environment is shut down."""


class Work:
    """The work of an environment that takes one invocation at a time.

    Attributes:
        progress: of the present invocation, until it has been reported.
        waits: it has been accepted ahead of an init or a restore that has a time of its own.

    Args:
        timeout: the function's timeout, seconds.
    """

    def __init__(self, timeout: float) -> None:
        self.progress: Progress | None = None
        self.waits = False
        self._timeout = timeout
        self._attempt: Attempt | None = None  # the present one, until the runtime asks for the next
        self._owed = NOTHING
        self._epoch = 0.0  # seconds to add to monotonic ones
        self._started = False  # its start has been recorded

    @property
    def open(self) -> bool:
        """See `AnyWork.open`."""
        return self.progress is not None

    def begin(self, invocation: Invocation, invocation_id: str, now: float, epoch: float, *, waits: bool) -> None:
        """Take an invocation; arguments as for `EnvironmentLifecycle.invoke`, and whether it waits, see above."""
        self._epoch = epoch - now
        self._clock(invocation, invocation_id, now)
        self._started, self.waits = False, waits

    def hand_over(self, now: float) -> Attempt:
        """It is the function's turn; the time of an invocation that has waited begins only now."""
        assert self.progress is not None
        return self._waited(self.progress, now).attempt

    def started(self) -> list[InvokeStart]:
        """See `AnyWork.started`."""
        if self.progress is None or self._started:
            return []
        self._started = True
        return [InvokeStart(self.progress.attempt.invocation)]

    def owes(self, owed: Owed) -> None:
        """See `AnyWork.owes`."""
        self._owed = owed

    def check(self, request_id: str, invocation_id: str | None) -> None:
        """Refuse an answer to another attempt than the present one.

        Raises:
            Refused: `InvalidRequestID` or `InvalidInvocationId`.
        """
        if self._attempt is None or request_id != self._attempt.invocation.request_id:
            raise invalid_request_id()
        if invocation_id is not None and invocation_id != self._attempt.invocation_id:
            raise invalid_invocation_id()

    def answering(self, now: float) -> None:
        """The runtime begins to answer."""
        assert self.progress is not None  # the runtime is RUNNING
        self.progress.answering(now)

    def answered(self, outcome: Outcome, now: float) -> list[Effect]:
        """The runtime has answered."""
        assert self.progress is not None  # the runtime was RUNNING, and nothing has ended it
        self.progress.answer(outcome, now)
        return [do.Answer(self.progress.attempt.invocation, outcome)]

    def runtime_finished(self, now: float) -> InvokeRuntimeDone:
        """The runtime asks for more."""
        assert self.progress is not None  # it has answered
        self._attempt = None
        return self.progress.runtime_finished(now)

    def finished(self, now: float) -> InvokeReport:
        """Everybody is done."""
        assert self.progress is not None
        report = self.progress.finished(now, self._owed)
        self.progress, self._owed = None, NOTHING
        return report

    def failed(self, status: str, error_type: str, why: Fault | Outcome, now: float) -> list[Effect]:
        """See `AnyWork.failed`."""
        if self.progress is None:
            return fault_of_nobody(error_type, why)
        status = "error" if self.waits else status  # its own time has not begun
        return failed(self._closed(self.progress, now), status, error_type, why, now, self._owed)

    def abandoned(self, now: float) -> list[Effect]:
        """See `AnyWork.abandoned`."""
        return abandoned(self._closed(self.progress, now), now, self._owed) if self.progress else []

    def _closed(self, progress: Progress, now: float) -> Progress:
        closed, self.progress = self._waited(progress, now), None  # one that never began has taken no time
        return closed

    def _waited(self, progress: Progress, now: float) -> Progress:
        if not self.waits:
            return progress
        self.waits = False
        return self._clock(progress.attempt.invocation, progress.attempt.invocation_id, now)

    def _clock(self, invocation: Invocation, invocation_id: str, now: float) -> Progress:
        deadline_ms = int((now + self._epoch + self._timeout) * 1000)
        self._attempt = Attempt(invocation, invocation_id, deadline_ms)
        self.progress = Progress(self._attempt, now, self._timeout)
        return self.progress


def fault_of_nobody(error_type: str, why: Fault | Outcome) -> list[Effect]:
    """A failure outside of any invocation."""
    return [FaultRecord(None, error_type, why.reason)] if isinstance(why, Fault) else []


def failed(
    progress: Progress, status: str, error_type: str, why: Fault | Outcome, now: float, owed: Owed
) -> list[Effect]:
    """An invocation fails in `error` or `timeout`: the fault, the answer unless there was one, and the reports."""
    invocation = progress.attempt.invocation
    fault: list[Effect] = []
    if isinstance(why, Fault):
        fault.append(FaultRecord(invocation.request_id, error_type, why.reason))
    told: list[Effect] = [] if progress.answered else [_answer(invocation, error_type, why)]
    status = "timeout" if status == "timeout" else "failure"
    return [*fault, *told, *progress.failed(status, now, error_type, owed)]


def _answer(invocation: Invocation, error_type: str, why: Fault | Outcome) -> do.Answer | do.Abandon:
    if isinstance(why, Outcome):
        return do.Answer(invocation, why)
    if why.exception:
        return do.Abandon(invocation, why.message(invocation.request_id), why.exception)
    return do.Answer(invocation, Outcome(why.document(invocation.request_id), error_type))


def abandoned(progress: Progress, now: float, owed: Owed) -> list[Effect]:
    """The environment is shut down under an invocation."""
    told: list[Effect] = [] if progress.answered else [do.Abandon(progress.attempt.invocation)]
    return [*told, *progress.failed("failure", now, "Sandbox.Failure", owed)]
