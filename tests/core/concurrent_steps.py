"""A lifecycle of several invocations at once, with a clock of its own, driven step by step."""

from __future__ import annotations

from rapid.core import effects as do
from rapid.core.concurrent import ConcurrentLifecycle
from rapid.core.effects import Effect
from rapid.core.invocation import Attempt
from tests.core.steps import TIMEOUT, Steps

LIMIT = 3


class ConcurrentSteps(Steps):
    """Feeds inputs at the times that its clock shows, and keeps every effect."""

    machine: ConcurrentLifecycle

    def __init__(self, *external: str, limit: int = LIMIT) -> None:
        super().__init__()
        self.machine = ConcurrentLifecycle(limit, TIMEOUT, external)

    def left(self) -> list[Effect]:
        return self.keep(self.machine.left())

    def missed(self, attempt: Attempt) -> list[Effect]:
        return self.keep(self.machine.missed(attempt))

    def capacity(self) -> int:
        return self.machine.capacity


def delivered(effects: list[Effect]) -> list[str]:
    """The request ids that were handed over."""
    return [effect.attempt.invocation.request_id for effect in effects if isinstance(effect, do.Deliver)]


def asking(workers: int = LIMIT, limit: int = LIMIT) -> ConcurrentSteps:
    """An environment that came through its init in half a second, and in which so many workers have asked."""
    steps = ConcurrentSteps(limit=limit)
    steps.start()
    steps.after(0.5)
    for _ in range(workers):
        steps.next()
    return steps
