"""Where everybody stands: the runtime, the extensions, and who has a process."""

from __future__ import annotations

from collections.abc import Sequence

from rapid.core import effects as do
from rapid.core.effects import RUNTIME_PARTY, Effect, Party
from rapid.core.extensions import INVOKE, Extensions
from rapid.core.invocation import Attempt
from rapid.core.machine import ExtensionInput, RuntimeInput, RuntimeState, move
from rapid.core.phase import EXTENSION_PHASE, RUNTIME_PHASE, Phase, joint_phase


class Standing:
    """The parties of one environment.

    Attributes:
        runtime: the runtime's state; None before it has been started.
        extensions: the extensions.
        alive: who has a process.

    Args:
        first: the state that a runtime begins in: it starts, or comes out of a snapshot.
        told_of_invocations: whether extensions may register for INVOKE.
    """

    def __init__(self, first: RuntimeState = RuntimeState.STARTED, *, told_of_invocations: bool = True) -> None:
        self._first = first
        self._told_of_invocations = told_of_invocations
        self.runtime: RuntimeState | None = None
        self.extensions = self._new_extensions()
        self.alive: set[Party] = set()

    @property
    def phase(self) -> Phase:
        """The phase that they hold the environment in together."""
        if not self.extensions:  # asked for several times in each invocation
            return RUNTIME_PHASE[self.runtime] if self.runtime else Phase.ABSENT
        parties = [EXTENSION_PHASE[extension.state] for extension in self.extensions]
        if self.runtime:
            parties.append(RUNTIME_PHASE[self.runtime])
        return joint_phase(parties)

    @property
    def registration_closed(self) -> bool:
        """Whether the runtime has asked for its first event: until then an internal extension may register."""
        return self.runtime not in (None, self._first)

    def launch(self, external: Sequence[str]) -> list[Effect]:
        """Begin: the external extensions first, the runtime once they have registered."""
        self.extensions = self._new_extensions(external)
        parties = [Party(name) for name in external]
        self.alive.update(parties)
        return [do.Launch(party) for party in parties] or self.launch_runtime()

    def launch_runtime(self) -> list[Effect]:
        """Start the runtime, if it has not been and nobody must register first."""
        if self.runtime is not None or self.extensions.expected:
            return []
        self.runtime = self._first
        self.alive.add(RUNTIME_PARTY)
        return [do.Launch(RUNTIME_PARTY)]

    def hand_over(self, attempt: Attempt) -> list[Effect]:
        """The event goes to the runtime, and to every extension that registered for it."""
        assert self.runtime is not None  # it has asked
        self.runtime = move(self.runtime, RuntimeInput.INVOKE)
        done: list[Effect] = [do.Deliver(attempt)]
        for extension in self.extensions:
            if extension.wants(INVOKE):
                extension.move(ExtensionInput.INVOKE)
                done.append(do.Notify(extension.identifier, do.InvokeEvent(attempt)))
        return done

    def restore(self) -> list[Effect]:
        """The runtime goes on from its snapshot point."""
        assert self.runtime is not None  # it waits there
        self.runtime = move(self.runtime, RuntimeInput.RESTORE)
        return [do.Restore()]

    def clear(self) -> None:
        """Nobody is left."""
        self.runtime, self.extensions = None, self._new_extensions()

    def _new_extensions(self, external: Sequence[str] = ()) -> Extensions:
        return Extensions(external, told_of_invocations=self._told_of_invocations)
