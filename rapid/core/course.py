"""The course of an environment: what follows when all have asked for more, when somebody fails, when nobody is left."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from rapid.core import effects as do
from rapid.core.effects import Effect, Party
from rapid.core.ending import Ending
from rapid.core.errors import Fault
from rapid.core.extensions import MAX_EXTENSIONS, Extensions, too_many
from rapid.core.initialisation import Initialisation, InitializationType
from rapid.core.invocation import Outcome
from rapid.core.machine import RuntimeState
from rapid.core.phase import Phase
from rapid.core.progress import NOTHING
from rapid.core.restoration import Restoration
from rapid.core.standing import Standing
from rapid.core.work import AnyWork


class Course(ABC):
    """Where everybody stands, what is worked on, how it is ending, if it is.

    Args:
        work: what it is at work on.
        standing: where everybody stands.
        timeout: the function's timeout, seconds; runtime and extensions together.
        external: names of the external extensions, in the order of their start.
        initialization_type: why it is initialised, which decides how long that may take.
    """

    def __init__(
        self,
        work: AnyWork,
        standing: Standing,
        timeout: float,
        external: Sequence[str],
        initialization_type: InitializationType,
    ) -> None:
        self._timeout = timeout
        self._external = external
        self._initialization_type = initialization_type
        self._standing = standing
        self._ending: Ending | None = None
        self._work = work
        self._preparing: Initialisation | Restoration | None = None  # while an init or a restore is going on
        self._invoked = False  # came through its init and was given an invocation

    @property
    def phase(self) -> Phase:
        """The present phase, by the joint rule."""
        if self._ending is not None:
            return self._ending.phase
        return self._standing.phase

    @property
    def spent(self) -> bool:
        """Whether it has ended and cannot be started again."""
        return False

    @property
    def runtime_state(self) -> RuntimeState | None:
        """The runtime's state; None before it has been started."""
        return self._standing.runtime

    @property
    def extensions(self) -> Extensions:
        """The extensions as they stand."""
        return self._standing.extensions

    @property
    def _opening(self) -> bool:
        """Whether it is at its beginning, when extensions may register and subscribe."""
        return self._preparing is not None and self._preparing.opening

    def _launch(self, now: float) -> list[Effect]:
        """Start everybody."""
        self._preparing = self._beginning(now)
        self._work.owes(NOTHING)
        self._invoked = False
        begin: list[Effect] = [self._preparing.start()]
        if len(self._external) > MAX_EXTENSIONS:
            refused = too_many()
            return begin + self._fail("error", refused.error_type, Fault(refused.error_type, refused.message), now)
        return [*begin, do.SetDeadline(self._preparing.limit), *self._standing.launch(self._external)]

    def _launch_runtime(self) -> list[Effect]:
        """Start the runtime, unless somebody must register before; a restore's limit is all for its hooks."""
        launched = self._standing.launch_runtime()
        if launched and isinstance(self._preparing, Restoration):
            return [do.SetDeadline(self._preparing.limit), *launched]
        return launched

    def _beginning(self, now: float) -> Initialisation | Restoration:
        """What a start begins with."""
        return Initialisation(now, self._initialization_type, self._timeout, inside_invocation=self._work.open)

    def _settle(self, now: float) -> list[Effect]:
        """What follows when everybody has asked for the next event, or waits to be restored."""
        phase = self._standing.phase
        if self._preparing is None:
            return self._rested(now) if phase is Phase.IDLE else []
        if phase not in (Phase.IDLE, Phase.SNAPSHOT):
            return []
        preparing, self._preparing = self._preparing, None
        self._work.owes(preparing.owed(now))
        return [preparing.done(now), *self._prepared(now)]

    @abstractmethod
    def _prepared(self, now: float) -> list[Effect]:
        """What follows when the init or restore is over; an invocation that it ran inside of has its deadline."""

    @abstractmethod
    def _rested(self, now: float) -> list[Effect]:
        """What follows when everybody has asked for the next event behind an invocation."""

    def _gone(self, party: Party, fault: Fault, now: float) -> list[Effect]:
        self._standing.alive.discard(party)
        done: list[Effect] = []
        if self._ending is None:
            if party.extension is not None:
                self.extensions.named(party.extension).error_type = fault.error_type
                done += self._told(party.extension)
            done += self._fail("error", fault.error_type, fault, now)
        else:
            done += self._ending.exited(party, now)
        if self._ending is not None and self._ending.over:
            done += self._ended(now)
        return done

    def _told(self, name: str) -> list[Effect]:
        """The record of an extension that is the reason for what follows."""
        return [self.extensions.named(name).status()]

    def _fail(
        self, status: str, error_type: str, why: Fault | Outcome, now: float, reason: str = "failure"
    ) -> list[Effect]:
        """Everything that a failure leads to: the records, the answer to a caller that has none yet, the ending."""
        done: list[Effect] = [do.SetDeadline(None)]
        if self._preparing:
            done += [*self._preparing.failed(status, error_type, self.runtime_state, now), *self._work.started()]
        return [*done, *self._work.failed(status, error_type, why, now), *self._end(reason, Phase.RESET, now)]

    def _end(self, reason: str, phase: Phase, now: float) -> list[Effect]:
        self._preparing = None
        self._ending = Ending(reason, phase, self.extensions, self._standing.alive)
        if self._ending.over:
            return self._ended(now)
        return self._ending.begin(now)

    def _ended(self, now: float) -> list[Effect]:
        """Nobody is left. Who never got as far as an invocation would only fail again: the next one will try it."""
        assert self._ending is not None
        again = self._invoked and self._ending.phase is Phase.RESET
        self._standing.clear()
        if self._ending.phase is Phase.RESET:
            self._ending = None
        return self._launch(now) if again and not self.spent else []
