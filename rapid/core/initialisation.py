"""One init phase: its clock and its records."""

from __future__ import annotations

from rapid.core.machine import RuntimeState
from rapid.core.records import InitReport, InitRuntimeDone, InitStart


class Initialisation:
    """An init phase that is going on.

    Args:
        began: monotonic seconds.
        inside_invocation: it runs inside an invocation (AWS: "suppressed init").
    """

    def __init__(self, began: float, *, inside_invocation: bool) -> None:
        self._began = began
        self._phase = "invoke" if inside_invocation else "init"

    def start(self) -> InitStart:
        """The record of its start."""
        return InitStart(self._phase)

    def runtime_done(self) -> InitRuntimeDone:
        """The runtime has asked for its first event."""
        return InitRuntimeDone(self._phase, "success")

    def done(self, now: float) -> InitReport:
        """Everybody has."""
        return InitReport(self._phase, "success", self._elapsed_ms(now))

    def failed(
        self, status: str, error_type: str | None, runtime: RuntimeState | None, now: float
    ) -> list[InitRuntimeDone | InitReport]:
        """It ends in `error` or `timeout`; a runtime that was started and is not done is reported as well."""
        error_type = None if status == "timeout" else error_type
        done: list[InitRuntimeDone | InitReport] = []
        if runtime in (RuntimeState.STARTED, RuntimeState.INIT_ERROR):
            done.append(InitRuntimeDone(self._phase, status, error_type))
        return [*done, InitReport(self._phase, status, self._elapsed_ms(now), error_type)]

    def _elapsed_ms(self, now: float) -> float:
        return (now - self._began) * 1000
