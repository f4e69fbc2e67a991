"""Platform records: what happened in an environment, for its log and for telemetry subscribers.

The core says what happened and how long it took; the shell adds the wall clock, the memory and the function's facts.
Times in records are seconds of the core's monotonic clock, durations are milliseconds.

Source: AWS developer guide, "Lambda Telemetry API Event schema reference".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rapid.core.invocation import Invocation


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a phase: `responseLatency`, `responseDuration`, `runtimeOverhead`, `extensionOverhead`."""

    name: str
    start: float
    duration_ms: float


@dataclass(frozen=True, slots=True)
class InitStart:
    """An init phase begins (`platform.initStart`).

    Attributes:
        phase: `init`, or `invoke` for an init that runs inside an invocation (AWS: "suppressed init").
    """

    phase: str


@dataclass(frozen=True, slots=True)
class InitRuntimeDone:
    """The runtime has finished its init, or failed (`platform.initRuntimeDone`); attributes as in `InitReport`."""

    phase: str
    status: str
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class InitReport:
    """An init phase is over for the runtime and all extensions (`platform.initReport`).

    Attributes:
        phase: `init` or `invoke`, see `InitStart`.
        status: `success`, `error` or `timeout`.
        duration_ms: milliseconds from the start of the phase.
        error_type: of an `error`.
    """

    phase: str
    status: str
    duration_ms: float
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class ExtensionStatus:
    """An extension is ready, or the init or the environment ends in its present state (`platform.extension`).

    Attributes:
        name: the extension's name.
        state: its state in AWS's words, e.g. `Ready`, `InitError`, `Exited`, `LaunchError`.
        events: the events it registered for.
        error_type: what it reported or how it ended, if that was in error.
    """

    name: str
    state: str
    events: tuple[str, ...]
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class RestoreStart:
    """A restore from a snapshot begins (`platform.restoreStart`)."""


@dataclass(frozen=True, slots=True)
class RestoreRuntimeDone:
    """The runtime has run its after-restore hooks, or failed (`platform.restoreRuntimeDone`)."""

    status: str
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """A restore is over (`platform.restoreReport`)."""

    status: str
    duration_ms: float
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class InvokeStart:
    """An invocation begins (`platform.start`)."""

    invocation: Invocation


@dataclass(frozen=True, slots=True)
class InvokeRuntimeDone:
    """The runtime is done with an invocation; extensions may still be at work (`platform.runtimeDone`).

    Attributes:
        invocation: the invocation.
        status: `success`, `error` (function error), `failure` (the runtime went away) or `timeout`.
        duration_ms: milliseconds from the start of the invocation.
        produced_bytes: size of the response.
        spans: `responseLatency`, `responseDuration`, `runtimeOverhead`, as far as the runtime got.
        error_type: unless it is a success or a timeout.
    """

    invocation: Invocation
    status: str
    duration_ms: float
    produced_bytes: int = 0
    spans: tuple[Span, ...] = ()
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class InvokeReport:
    """An invocation is over for the runtime and all extensions (`platform.report`).

    Attributes:
        invocation: the invocation.
        status: `success`, `error` (function error), `failure` (something went away) or `timeout`.
        duration_ms: milliseconds of the invocation, extensions included, at most the timeout.
        init_ms: milliseconds of the init that this environment's first invocation pays for.
        restore_ms: milliseconds of the restore that came before it.
        error_type: of an `error` or a `failure`.
        spans: `extensionOverhead`, when extensions were longer at work than the runtime.
    """

    invocation: Invocation
    status: str
    duration_ms: float
    init_ms: float | None = None
    restore_ms: float | None = None
    error_type: str | None = None
    spans: tuple[Span, ...] = ()

    @property
    def billed_ms(self) -> int:
        """Whole milliseconds billed: since August 2025 the init is, and of a restore whole milliseconds."""
        return math.ceil(self.duration_ms + (self.init_ms or 0) + math.ceil(self.restore_ms or 0))


@dataclass(frozen=True, slots=True)
class FaultRecord:
    """The platform ended something (`platform.fault` of the Logs API); `request_id` is None outside an invocation."""

    request_id: str | None
    error_type: str
    reason: str


Record = (
    InitStart
    | InitRuntimeDone
    | InitReport
    | ExtensionStatus
    | RestoreStart
    | RestoreRuntimeDone
    | RestoreReport
    | InvokeStart
    | InvokeRuntimeDone
    | InvokeReport
    | FaultRecord
)
