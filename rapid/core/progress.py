"""One invocation on its way through an environment: who is done with it, and how long that took."""

from __future__ import annotations

from dataclasses import dataclass

from rapid.core.invocation import Attempt, Outcome
from rapid.core.records import InvokeReport, InvokeRuntimeDone, Span


@dataclass(frozen=True, slots=True)
class Owed:
    """What came before an invocation, and is told of by its report: an init or a restore, in milliseconds."""

    init_ms: float | None = None
    restore_ms: float | None = None


NOTHING = Owed()


class Progress:
    """The clock and the outcome of one attempt.

    Attributes:
        attempt: what was handed over.
        answered: the caller has its answer.
        runtime_done: the runtime has asked for the next event, or is known not to.

    Args:
        attempt: what is handed over.
        began: monotonic seconds.
        timeout: the function's timeout, seconds.
    """

    __slots__ = (
        "_began",
        "_done_at",
        "_error_type",
        "_produced",
        "_responded",
        "_response_began",
        "_status",
        "_timeout",
        "answered",
        "attempt",
    )

    def __init__(self, attempt: Attempt, began: float, timeout: float) -> None:
        self.attempt = attempt
        self.answered = False
        self._began = began
        self._timeout = timeout
        self._status = "success"
        self._error_type: str | None = None
        self._produced = 0
        self._response_began: float | None = None
        self._responded = began
        self._done_at: float | None = None

    @property
    def runtime_done(self) -> bool:
        """Whether the runtime's part has been recorded."""
        return self._done_at is not None

    def answering(self, now: float) -> None:
        """The runtime begins to answer."""
        self._response_began = now

    def answer(self, outcome: Outcome, now: float) -> None:
        """The runtime has answered."""
        self.answered = True
        self._responded = now
        self._status = "success" if outcome.error_type is None else "error"
        self._error_type = outcome.error_type
        self._produced = outcome.streamed + (len(outcome.payload) if outcome.error_type is None else 0)

    def runtime_finished(self, now: float) -> InvokeRuntimeDone:
        """The runtime is done, and asks for more."""
        return self._runtime_record(self._status, now, self._error_type)

    def failed(
        self, status: str, now: float, error_type: str | None, owed: Owed
    ) -> list[InvokeRuntimeDone | InvokeReport]:
        """The environment ends under it; `status` is `failure` or `timeout`."""
        error_type = None if status == "timeout" else error_type
        records: list[InvokeRuntimeDone | InvokeReport] = []
        if not self.runtime_done:
            records.append(self._runtime_record(status, now, error_type))
        self._status, self._error_type = status, error_type
        return [*records, self.finished(now, owed)]

    def finished(self, now: float, owed: Owed) -> InvokeReport:
        """Everybody is done; `owed` is what this invocation pays for besides."""
        spans: tuple[Span, ...] = ()
        if self._done_at is not None and now > self._done_at:
            spans = (Span("extensionOverhead", self._done_at, (now - self._done_at) * 1000),)
        duration = self._duration(self._status, now)
        return InvokeReport(
            self.attempt.invocation, self._status, duration, owed.init_ms, owed.restore_ms, self._error_type, spans
        )

    def _runtime_record(self, status: str, now: float, error_type: str | None) -> InvokeRuntimeDone:
        self._done_at = now
        spans: list[Span] = []
        if self._response_began is not None and self.answered:
            spans = [
                _span("responseLatency", self._began, self._response_began),
                _span("responseDuration", self._response_began, self._responded),
                _span("runtimeOverhead", self._responded, now),
            ]
        duration = self._duration(status, now)
        return InvokeRuntimeDone(self.attempt.invocation, status, duration, self._produced, tuple(spans), error_type)

    def _duration(self, status: str, now: float) -> float:
        # A timer may be early by a fraction of a millisecond: what timed out has taken its whole timeout.
        return (self._timeout if status == "timeout" else min(now - self._began, self._timeout)) * 1000


def _span(name: str, start: float, end: float) -> Span:
    return Span(name, start, (end - start) * 1000)
