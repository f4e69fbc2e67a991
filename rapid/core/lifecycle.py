"""The life of an environment that takes one invocation at a time, as a pure machine.

Everybody's part in an invocation ends with the question for the next one. When it times out, all are ended and started
afresh at once, as after a crash.
"""

from __future__ import annotations

from collections.abc import Sequence

from rapid.core import effects as do
from rapid.core.effects import Effect
from rapid.core.environment import EnvironmentLifecycle
from rapid.core.initialisation import Initialisation, InitializationType
from rapid.core.invocation import Invocation, Outcome
from rapid.core.machine import RuntimeInput, RuntimeState
from rapid.core.phase import Phase
from rapid.core.restoration import Restoration
from rapid.core.standing import Standing
from rapid.core.work import Work


class Lifecycle(EnvironmentLifecycle):
    """One environment and its present invocation.

    Args:
        timeout: the function's timeout, seconds; runtime and extensions together.
        external: names of the external extensions, in the order of their start.
        initialization_type: why it is initialised.
        restored: its runtime comes out of a snapshot: it begins with a restore in place of an init, and is not started
            again when it has ended.
    """

    _work: Work

    def __init__(
        self,
        timeout: float,
        external: Sequence[str] = (),
        initialization_type: InitializationType = InitializationType.ON_DEMAND,
        *,
        restored: bool = False,
    ) -> None:
        standing = Standing(RuntimeState.RESTORING if restored else RuntimeState.STARTED)
        super().__init__(Work(timeout), standing, timeout, external, initialization_type)
        self._restored = restored
        self._begun = False

    @property
    def capacity(self) -> int:
        """See `EnvironmentLifecycle.capacity`."""
        return 1 if self.phase in (Phase.IDLE, Phase.SNAPSHOT, Phase.ABSENT) and not self.spent else 0

    @property
    def spent(self) -> bool:
        """A snapshot's runtime is there once: see `restored`."""
        return self._restored and self._begun and self.phase is Phase.ABSENT

    def invoke(self, invocation: Invocation, invocation_id: str, now: float, epoch: float) -> list[Effect]:
        """Take an invocation, as there is capacity: at the snapshot point after a restore; see `EnvironmentLifecycle`.

        An init on demand runs in the invocation's own time (AWS: "suppressed init"). For any other, and for a restore,
        it waits: its time begins behind them.
        """
        self._require("invoke", Phase.IDLE, Phase.SNAPSHOT, Phase.ABSENT)
        phase = self.phase
        on_demand = self._initialization_type is InitializationType.ON_DEMAND
        waits = phase is Phase.SNAPSHOT or (phase is Phase.ABSENT and not on_demand)
        self._work.begin(invocation, invocation_id, now, epoch, waits=waits)
        if phase is Phase.ABSENT:
            return self._launch(now)
        if phase is Phase.SNAPSHOT:
            return self._restore(now)
        return [do.SetDeadline(self._timeout), *self._hand_over(now)]

    def restore(self, now: float) -> list[Effect]:
        """Restore what waits at the snapshot point, ahead of any invocation."""
        self._require("restore", Phase.SNAPSHOT)
        return self._restore(now)

    # Inputs from the runtime

    def next(self, now: float) -> list[Effect]:
        """The runtime asks for its next event; this ends its init or restore, and its part in the invocation before."""
        before = self._moved(RuntimeInput.NEXT)
        if before in (RuntimeState.STARTED, RuntimeState.RESTORING) and self._preparing:
            return [self._preparing.runtime_done(), *self._settle(now)]
        if before is RuntimeState.RESPONSE_SENT:
            return [self._work.runtime_finished(now), *self._settle(now)]
        if before is RuntimeState.RUNNING and self._work.progress:
            return [do.Deliver(self._work.progress.attempt)]
        return []

    def restore_next(self, now: float) -> list[Effect]:
        """The runtime has come to the snapshot point: this ends its init, and it waits to be restored."""
        before = self._moved(RuntimeInput.RESTORE_NEXT)
        if before is RuntimeState.STARTED and self._preparing:
            return [self._preparing.runtime_done(), *self._settle(now)]
        return [do.Restore()] if before is RuntimeState.RESTORING else []

    def restore_error(self, outcome: Outcome, now: float) -> list[Effect]:
        """The runtime says that its restore failed; `outcome` goes to the caller that waits for it, if one does."""
        self._moved(RuntimeInput.RESTORE_ERROR)
        return self._fail("error", outcome.error_type or "Runtime.Unknown", outcome, now)

    def answering(self, given: RuntimeInput, request_id: str, invocation_id: str | None, now: float) -> None:
        """See `EnvironmentLifecycle.answering`."""
        self._work.check(request_id, invocation_id)
        self._moved(given)
        self._work.answering(now)

    def answered(self, request_id: str, outcome: Outcome, now: float) -> list[Effect]:
        """See `EnvironmentLifecycle.answered`; refused when the environment has ended in the meantime."""
        self._work.check(request_id, None)
        self._moved(RuntimeInput.SENT)
        return self._work.answered(outcome, now)

    # How the inputs are carried out

    def _beginning(self, now: float) -> Initialisation | Restoration:
        self._begun = True
        if self._restored:
            return Restoration(now, opening=True)
        inside = self._work.open and not self._work.waits
        return Initialisation(now, self._initialization_type, self._timeout, inside_invocation=inside)

    def _restore(self, now: float) -> list[Effect]:
        self._preparing = Restoration(now, opening=False)
        return [self._preparing.start(), do.SetDeadline(self._preparing.limit), *self._standing.restore()]

    def _hand_over(self, now: float) -> list[Effect]:
        self._invoked = True
        return [*self._standing.hand_over(self._work.hand_over(now)), *self._work.started()]

    def _prepared(self, now: float) -> list[Effect]:
        if not self._work.open:
            return [do.SetDeadline(None)]
        if self.phase is Phase.SNAPSHOT:
            return self._restore(now)
        limit: list[Effect] = [do.SetDeadline(self._timeout)] if self._work.waits else []
        return [*limit, *self._hand_over(now)]

    def _rested(self, now: float) -> list[Effect]:
        return [do.SetDeadline(None), self._work.finished(now)] if self._work.progress else []
