"""How an environment is taken down: SIGTERM to the runtime, SHUTDOWN to the extensions, SIGKILL to who is left.

Source: AWS developer guide, "Lambda execution environment lifecycle", Shutdown phase.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from enum import Enum

from rapid.core import effects as do
from rapid.core.effects import RUNTIME_PARTY, Effect, Party
from rapid.core.extensions import SHUTDOWN, Extension, Extensions
from rapid.core.machine import ExtensionInput, ExtensionState
from rapid.core.phase import Phase


class Company(Enum):
    """Who is registered beside the runtime; the value is how it reads."""

    NOBODY = "no extension"
    INTERNAL = "internal extensions only"
    EXTERNAL = "an external extension"


@dataclass(frozen=True, slots=True)
class Budget:
    """Seconds between SIGTERM and SIGKILL: `runtime` is the runtime's part of `total`."""

    runtime: float
    total: float


BUDGETS: Mapping[Company, Budget] = {
    Company.NOBODY: Budget(0.0, 0.0),
    Company.INTERNAL: Budget(0.5, 0.5),
    Company.EXTERNAL: Budget(0.3, 2.0),
}

_LISTENING = (ExtensionState.REGISTERED, ExtensionState.READY, ExtensionState.RUNNING)


class Ending:
    """One taking down of an environment.

    Attributes:
        phase: `RESET` or `SHUTDOWN`; a reset may become a shutdown.

    Args:
        reason: `spindown`, `timeout` or `failure`, as extensions are told.
        extensions: the environment's.
        alive: who has a process, kept up to date by the owner.
    """

    def __init__(self, reason: str, phase: Phase, extensions: Extensions, alive: Set[Party]) -> None:
        self.phase = phase
        self._reason = reason
        self._extensions = extensions
        self._alive = alive
        self._ends = 0.0
        self._awaits_runtime = False
        self._told = False

    @property
    def over(self) -> bool:
        """Nobody is left."""
        return not self._alive

    def begin(self, now: float) -> list[Effect]:
        """The first step."""
        budget = BUDGETS[self._company()]
        self._ends = now + budget.total
        # The signal is for those who asked for a chance to clean up: any registered extension is such a wish.
        if budget.runtime and RUNTIME_PARTY in self._alive:
            self._awaits_runtime = True
            return [do.SetDeadline(budget.runtime), do.Terminate(RUNTIME_PARTY)]
        return [*self._tell(now), *self._kill({RUNTIME_PARTY})]

    def exited(self, party: Party, now: float) -> list[Effect]:
        """Somebody has left."""
        if self.over:
            return [do.SetDeadline(None)]
        if party == RUNTIME_PARTY and self._awaits_runtime:
            return self._tell(now)
        return []

    def deadline(self, now: float) -> list[Effect]:
        """The time of the present step is over."""
        if self._awaits_runtime:
            return [*self._kill({RUNTIME_PARTY}), *self._tell(now)]
        overdue = [extension for extension in self._extensions if Party(extension.name) in self._alive]
        for extension in overdue:
            extension.move(ExtensionInput.EXPIRE)
        return [*(extension.status() for extension in overdue), *self._kill(self._alive)]

    def hurry(self) -> list[Effect]:
        """There is no time left for anybody."""
        return self._kill(self._alive)

    def asked(self, extension: Extension) -> list[Effect]:
        """An extension asks for its next event: it may be the one that it is due."""
        return self._shut_down(extension) if self._told and extension.wants(SHUTDOWN) else []

    def _company(self) -> Company:
        registered = self._extensions.registered
        if any(extension.external for extension in registered):
            return Company.EXTERNAL
        return Company.INTERNAL if registered else Company.NOBODY

    def _tell(self, now: float) -> list[Effect]:
        """The runtime is gone: now the extensions."""
        self._awaits_runtime, self._told = False, True
        done: list[Effect] = []
        unheard = set(self._alive) - {RUNTIME_PARTY}
        for extension in self._extensions:
            party = Party(extension.name)
            if party in unheard and self._may_finish(extension):
                unheard.discard(party)
                done += self._shut_down(extension)
        waits = bool(self._alive - unheard - {RUNTIME_PARTY})
        return [do.SetDeadline(max(self._ends - now, 0.0) if waits else None), *done, *self._kill(unheard)]

    @staticmethod
    def _may_finish(extension: Extension) -> bool:
        """Whether it is given the rest of the time: it is to hear of the shutdown, or has said that it is leaving."""
        if extension.state in _LISTENING:
            return extension.wants(SHUTDOWN)
        return extension.state in (ExtensionState.INIT_ERROR, ExtensionState.EXIT_ERROR)

    def _shut_down(self, extension: Extension) -> list[Effect]:
        if extension.state is not ExtensionState.READY:  # at work: it is told when it asks
            return []
        extension.move(ExtensionInput.SHUTDOWN)
        return [do.Notify(extension.identifier, do.ShutdownEvent(self._reason, self._ends))]

    def _kill(self, parties: Set[Party]) -> list[Effect]:
        return [do.Kill(party) for party in sorted(parties & self._alive, key=lambda party: party.extension or "")]
