"""Effects: what the core asks the shell to do, in the order given; and the platform records among them."""

from __future__ import annotations

from dataclasses import dataclass

from rapid.core.invocation import Attempt, Invocation, Outcome


@dataclass(frozen=True, slots=True)
class Launch:
    """Start the runtime process."""


@dataclass(frozen=True, slots=True)
class Kill:
    """End the runtime's process group at once (no extension is registered, so AWS's budget is 0 ms)."""


@dataclass(frozen=True, slots=True)
class SetDeadline:
    """Call `Lifecycle.deadline` in so many seconds, in place of any earlier deadline; None: no deadline."""

    seconds: float | None


@dataclass(frozen=True, slots=True)
class Deliver:
    """Answer the runtime's parked `next`."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer the caller."""

    invocation: Invocation
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Abandon:
    """Tell the caller that the environment went away before the function had answered."""

    invocation: Invocation


@dataclass(frozen=True, slots=True)
class InitReport:
    """Record: an init phase is over (`platform.initReport`).

    Attributes:
        phase: `init`, or `invoke` for an init that runs inside an invocation (AWS: "suppressed init").
        status: `success`, `error` or `timeout`.
        duration_ms: milliseconds from the start of the process.
        error_type: set unless the status is `success`.
    """

    phase: str
    status: str
    duration_ms: float
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class InvokeStart:
    """Record: an invocation begins (`platform.start`)."""

    request_id: str


@dataclass(frozen=True, slots=True)
class FaultRecord:
    """Record: the platform ended something (`platform.fault`); `request_id` is None outside an invocation."""

    request_id: str | None
    error_type: str
    reason: str


@dataclass(frozen=True, slots=True)
class InvokeReport:
    """Record: an invocation is over (`platform.report`).

    Attributes:
        status: `success`, `error` (function error), `failure` (the runtime went away) or `timeout`.
        duration_ms: milliseconds of the invocation, at most the timeout.
        init_ms: milliseconds of the init that this environment's first invocation pays for.
        error_type: of a `failure`.
    """

    request_id: str
    status: str
    duration_ms: float
    init_ms: float | None = None
    error_type: str | None = None


Record = InitReport | InvokeStart | FaultRecord | InvokeReport

Effect = Launch | Kill | SetDeadline | Deliver | Answer | Abandon | Record
