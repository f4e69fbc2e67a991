"""A lifecycle with a clock of its own, driven step by step."""

from __future__ import annotations

from typing import TypeVar

from rapid.core import effects as do
from rapid.core import records
from rapid.core.effects import Effect, Party
from rapid.core.environment import EnvironmentLifecycle
from rapid.core.initialisation import InitializationType
from rapid.core.invocation import Invocation, Outcome
from rapid.core.lifecycle import Lifecycle
from rapid.core.machine import ExtensionInput, RuntimeInput
from rapid.core.phase import Phase

E = TypeVar("E")

EPOCH = 1_700_000_000.0
TIMEOUT = 3.0
INIT_LIMIT = 10.0


def invocation(number: int = 1) -> Invocation:
    return Invocation(f"id-{number}", b"{}", "arn:aws:lambda:us-east-1:012345678912:function:f", "Root=1")


class Steps:
    """Feeds inputs at the times that its clock shows, and keeps every effect."""

    def __init__(
        self,
        *external: str,
        initialization_type: InitializationType = InitializationType.ON_DEMAND,
        restored: bool = False,
    ) -> None:
        self.machine: EnvironmentLifecycle = Lifecycle(TIMEOUT, external, initialization_type, restored=restored)
        self.now = 0.0
        self.history: list[Effect] = []

    def keep(self, effects: list[Effect]) -> list[Effect]:
        self.history.extend(effects)
        return effects

    def phase(self) -> Phase:
        return self.machine.phase

    def after(self, seconds: float) -> Steps:
        self.now += seconds
        return self

    def start(self) -> list[Effect]:
        return self.keep(self.machine.start(self.now))

    def next(self) -> list[Effect]:
        return self.keep(self.machine.next(self.now))

    def restorable(self) -> Lifecycle:
        assert isinstance(self.machine, Lifecycle)
        return self.machine

    def restore_next(self) -> list[Effect]:
        return self.keep(self.restorable().restore_next(self.now))

    def restore(self) -> list[Effect]:
        return self.keep(self.restorable().restore(self.now))

    def restore_error(self) -> list[Effect]:
        posted = Outcome(b'{"errorType":"R"}', "Runtime.AfterRestoreError")
        return self.keep(self.restorable().restore_error(posted, self.now))

    def invoke(self, number: int = 1) -> list[Effect]:
        return self.keep(self.machine.invoke(invocation(number), f"attempt-{number}", self.now, EPOCH + self.now))

    def begins(self, given: RuntimeInput, number: int = 1, attempt: str | None = None) -> list[Effect]:
        self.machine.answering(given, f"id-{number}", attempt, self.now)
        return []

    def ends(self, outcome: Outcome, number: int = 1) -> list[Effect]:
        return self.keep(self.machine.answered(f"id-{number}", outcome, self.now))

    def respond(self, number: int = 1, body: bytes = b'"done"') -> list[Effect]:
        return self.begins(RuntimeInput.RESPOND, number) + self.ends(Outcome(body), number)

    def fail(self, number: int = 1) -> list[Effect]:
        outcome = Outcome(b'{"errorType":"E"}', "Runtime.Unknown")
        return self.begins(RuntimeInput.FAIL, number) + self.ends(outcome, number)

    def init_error(self) -> list[Effect]:
        return self.keep(self.machine.init_error(Outcome(b'{"errorType":"I"}', "Runtime.ImportModuleError"), self.now))

    def deadline(self) -> list[Effect]:
        return self.keep(self.machine.deadline(self.now))

    def exited(self, status: int = -9, extension: str | None = None) -> list[Effect]:
        return self.keep(self.machine.exited(Party(extension), status, self.now))

    def register(self, name: str, *events: str) -> list[Effect]:
        """Register; the identifier is the name with `-id`."""
        return self.keep(self.machine.register(name, events, f"{name}-id"))

    def asks(self, name: str) -> list[Effect]:
        """An extension asks for its next event."""
        return self.keep(self.machine.extension_next(f"{name}-id", self.now))

    def reports_error(self, given: ExtensionInput, name: str) -> list[Effect]:
        return self.keep(self.machine.extension_error(given, f"{name}-id", "Extension.Broken", self.now))

    def stop(self) -> list[Effect]:
        return self.keep(self.machine.stop(self.now))

    def answers(self) -> list[do.Answer]:
        return [effect for effect in self.history if isinstance(effect, do.Answer)]

    def reports(self) -> list[records.InvokeReport]:
        return [effect for effect in self.history if isinstance(effect, records.InvokeReport)]


def idle() -> Steps:
    """An environment that came through its init in half a second."""
    steps = Steps()
    steps.start()
    steps.after(0.5).next()
    return steps


def snap_start(*external: str) -> Steps:
    """An environment that is initialised for a snapshot."""
    return Steps(*external, initialization_type=InitializationType.SNAP_START)


def snapshot() -> Steps:
    """One that has come to the snapshot point in half a second."""
    steps = snap_start()
    steps.start()
    steps.after(0.5).restore_next()
    return steps


def only(kind: type[E], effects: list[Effect]) -> E:
    """The one effect of a kind."""
    (found,) = [effect for effect in effects if isinstance(effect, kind)]
    return found
