"""Effects: what the core asks the shell to do, in the order given; platform records are among them."""

from __future__ import annotations

from dataclasses import dataclass

from rapid.core.invocation import Attempt, Invocation, Outcome
from rapid.core.records import Record


@dataclass(frozen=True, slots=True)
class Party:
    """Who has a process of its own: the runtime, or the external extension of that name."""

    extension: str | None = None


RUNTIME_PARTY = Party()


@dataclass(frozen=True, slots=True)
class Launch:
    """Start a process."""

    party: Party


@dataclass(frozen=True, slots=True)
class Terminate:
    """Ask a process group to end (SIGTERM)."""

    party: Party


@dataclass(frozen=True, slots=True)
class Kill:
    """End a process group at once (SIGKILL)."""

    party: Party


@dataclass(frozen=True, slots=True)
class SetDeadline:
    """Call `Lifecycle.deadline` in so many seconds, in place of any earlier deadline; None: no deadline."""

    seconds: float | None


@dataclass(frozen=True, slots=True)
class Deliver:
    """Answer the runtime's parked `next`."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Restore:
    """Answer the runtime's parked `restore/next`: it has been restored."""


@dataclass(frozen=True, slots=True)
class InvokeEvent:
    """An extension's INVOKE."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class ShutdownEvent:
    """An extension's SHUTDOWN.

    Attributes:
        reason: `spindown`, `timeout` or `failure`.
        deadline: monotonic seconds at which the extension is ended.
    """

    reason: str
    deadline: float


ExtensionEvent = InvokeEvent | ShutdownEvent


@dataclass(frozen=True, slots=True)
class Notify:
    """Answer an extension's parked `event/next`."""

    identifier: str
    event: ExtensionEvent


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer the caller."""

    invocation: Invocation
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Abandon:
    """Tell the caller that the function will not answer, by an exception of the Lambda API.

    Attributes:
        invocation: the caller's.
        message: the reason, a sentence.
        exception: the exception's name.
    """

    invocation: Invocation
    message: str = "the execution environment has been shut down"
    exception: str = "ServiceException"


Effect = Launch | Terminate | Kill | SetDeadline | Deliver | Restore | Notify | Answer | Abandon | Record
