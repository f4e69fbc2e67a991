"""The present invocation of an environment, from its acceptance to its report."""

from __future__ import annotations

from rapid.core import effects as do
from rapid.core.effects import Effect
from rapid.core.errors import Fault, invalid_invocation_id, invalid_request_id
from rapid.core.invocation import Attempt, Invocation, Outcome
from rapid.core.progress import Progress
from rapid.core.records import InvokeReport, InvokeRuntimeDone, InvokeStart


class Work:
    """What the environment is at work on, if anything.

    Attributes:
        progress: of the present invocation, until it has been reported.

    Args:
        timeout: the function's timeout, seconds.
    """

    def __init__(self, timeout: float) -> None:
        self.progress: Progress | None = None
        self._timeout = timeout
        self._attempt: Attempt | None = None  # the present one, until the runtime asks for the next
        self._init_ms: float | None = None
        self._started = False  # its start has been recorded

    @property
    def request_id(self) -> str | None:
        """Of the present invocation."""
        return self.progress.attempt.invocation.request_id if self.progress else None

    def begin(self, invocation: Invocation, invocation_id: str, now: float, epoch: float) -> Attempt:
        """Take an invocation; arguments as for `Lifecycle.invoke`."""
        self._attempt = Attempt(invocation, invocation_id, int((epoch + self._timeout) * 1000))
        self.progress = Progress(self._attempt, now, self._timeout)
        self._started = False
        return self._attempt

    def started(self) -> list[InvokeStart]:
        """The record of its start, the first time: an init inside of it is recorded before it."""
        if self.progress is None or self._started:
            return []
        self._started = True
        return [InvokeStart(self.progress.attempt.invocation)]

    def owes(self, init_ms: float | None) -> None:
        """The next report is to tell of an init ahead of it, in milliseconds; None when there was none."""
        self._init_ms = init_ms

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
        report = self.progress.finished(now, self._init_ms)
        self.progress = self._init_ms = None
        return report

    def failed(self, status: str, error_type: str, why: Fault | Outcome, now: float) -> list[Effect]:
        """The environment ends under it in `error` or `timeout`: the answer, unless there was one, and the reports."""
        if self.progress is None:
            return []
        outcome = why if isinstance(why, Outcome) else Outcome(why.document(self.request_id), error_type)
        answer = do.Answer(self.progress.attempt.invocation, outcome)
        return self._closed(answer, "timeout" if status == "timeout" else "failure", error_type, now)

    def abandoned(self, now: float) -> list[Effect]:
        """The environment is shut down under it."""
        if self.progress is None:
            return []
        return self._closed(do.Abandon(self.progress.attempt.invocation), "failure", "Sandbox.Failure", now)

    def _closed(self, told: do.Answer | do.Abandon, status: str, error_type: str, now: float) -> list[Effect]:
        assert self.progress is not None
        reports = self.progress.failed(status, now, error_type, self._init_ms)
        done: list[Effect] = [] if self.progress.answered else [told]
        self.progress = self._init_ms = None
        return [*done, *reports]
