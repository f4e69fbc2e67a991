"""A lifecycle with a clock of its own, driven step by step."""

from __future__ import annotations

from typing import TypeVar

from rapid.core import effects as do
from rapid.core.effects import Effect
from rapid.core.invocation import Invocation, Outcome
from rapid.core.lifecycle import Lifecycle
from rapid.core.machine import RuntimeInput
from rapid.core.phase import Phase

E = TypeVar("E")

EPOCH = 1_700_000_000.0
TIMEOUT = 3.0
INIT_LIMIT = 10.0


def invocation(number: int = 1) -> Invocation:
    return Invocation(f"id-{number}", b"{}", "arn:aws:lambda:us-east-1:012345678912:function:f", "Root=1")


class Steps:
    """Feeds inputs at the times that its clock shows, and keeps every effect."""

    def __init__(self) -> None:
        self.machine = Lifecycle(TIMEOUT, INIT_LIMIT)
        self.now = 0.0
        self.history: list[Effect] = []

    def _keep(self, effects: list[Effect]) -> list[Effect]:
        self.history.extend(effects)
        return effects

    def phase(self) -> Phase:
        return self.machine.phase

    def after(self, seconds: float) -> Steps:
        self.now += seconds
        return self

    def start(self) -> list[Effect]:
        return self._keep(self.machine.start(self.now))

    def next(self) -> list[Effect]:
        return self._keep(self.machine.next(self.now))

    def invoke(self, number: int = 1) -> list[Effect]:
        return self._keep(self.machine.invoke(invocation(number), f"attempt-{number}", self.now, EPOCH + self.now))

    def respond(self, number: int = 1, body: bytes = b'"done"') -> list[Effect]:
        return self._keep(self.machine.answer(RuntimeInput.RESPOND, f"id-{number}", None, Outcome(body)))

    def fail(self, number: int = 1) -> list[Effect]:
        outcome = Outcome(b'{"errorType":"E"}', "Runtime.Unknown")
        return self._keep(self.machine.answer(RuntimeInput.FAIL, f"id-{number}", None, outcome))

    def init_error(self) -> list[Effect]:
        return self._keep(self.machine.init_error(Outcome(b'{"errorType":"I"}', "Runtime.ImportModuleError"), self.now))

    def deadline(self) -> list[Effect]:
        return self._keep(self.machine.deadline(self.now))

    def exited(self, status: int = -9) -> list[Effect]:
        return self._keep(self.machine.exited(status, self.now))

    def stop(self) -> list[Effect]:
        return self._keep(self.machine.stop(self.now))

    def answers(self) -> list[do.Answer]:
        return [effect for effect in self.history if isinstance(effect, do.Answer)]

    def reports(self) -> list[do.InvokeReport]:
        return [effect for effect in self.history if isinstance(effect, do.InvokeReport)]


def idle() -> Steps:
    """An environment that came through its init in half a second."""
    steps = Steps()
    steps.start()
    steps.after(0.5).next()
    return steps


def only(kind: type[E], effects: list[Effect]) -> E:
    """The one effect of a kind."""
    (found,) = [effect for effect in effects if isinstance(effect, kind)]
    return found
