"""Placement: which environment takes the next invocation, or whether another one is started for it.

Pure decisions over counts. An invocation goes where it will be answered soonest: to an environment that has nothing to
do, then to one that rests at its snapshot, then to one whose init has failed (which tries it again, inside the
invocation), then to a new one, while there may be more. Else it waits, and the first that is free takes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from rapid.core.phase import Phase
from rapid.core.word import Word


class Standing(Word):
    """How an environment stands to the next invocation."""

    PROVISIONED = "provisioned"  # ready, and started ahead for this: it goes first, as on AWS
    READY = "ready"
    SNAPSHOT = "snapshot"  # waits to be restored
    COLD = "cold"  # has no processes: the invocation starts them
    COMING = "coming"  # starts, or is started again: will be ready by itself
    BUSY = "busy"
    LEAVING = "leaving"  # shuts down for good


FREE = (Standing.PROVISIONED, Standing.READY, Standing.SNAPSHOT, Standing.COLD)
"""Who takes an invocation, best first."""

_STANDING = {
    Phase.IDLE: Standing.READY,
    Phase.INVOKE: Standing.READY,
    Phase.ABSENT: Standing.COLD,
    Phase.SNAPSHOT: Standing.SNAPSHOT,
    Phase.SHUTDOWN: Standing.LEAVING,
}


def standing(phase: Phase, capacity: int, running: int, *, provisioned: bool) -> Standing:
    """How an environment stands.

    Args:
        phase: its phase.
        capacity: invocations that it can take now.
        running: invocations that it runs now.
        provisioned: it is one of those that are started ahead.
    """
    found = _STANDING.get(phase, Standing.COMING)
    if found is Standing.LEAVING:
        return found
    if not capacity:
        return Standing.BUSY if running else Standing.COMING
    return Standing.PROVISIONED if provisioned and found is Standing.READY else found


@dataclass(frozen=True, slots=True)
class Limits:
    """What there may be.

    Attributes:
        environments: the most at once.
        waiting: invocations that may wait.
        reserved: the most that may be on at once, waiting ones included; None without a limit of its own.
        slots: invocations that an environment takes at once.
    """

    environments: int
    waiting: int
    reserved: int | None = None
    slots: int = 1


class Step(Word):
    """What to do for the invocation that has waited longest."""

    PROVISIONED = Standing.PROVISIONED
    READY = Standing.READY
    SNAPSHOT = Standing.SNAPSHOT
    COLD = Standing.COLD
    START = "start"
    WAIT = "wait"


_REUSE = tuple((standing, Step(standing)) for standing in FREE)

Census = dict[Standing, int]
"""How many environments stand how; one that is being opened is `COMING`."""


def place(census: Census, waiting: int, limits: Limits) -> Step:
    """The next step.

    Args:
        census: the environments.
        waiting: how many invocations wait.
        limits: what there may be.
    """
    if not waiting:
        return Step.WAIT
    for each, step in _REUSE:
        if census.get(each):
            return step
    coming = census.get(Standing.COMING, 0) * limits.slots
    if waiting > coming and sum(census.values()) < limits.environments:
        return Step.START
    return Step.WAIT


class Reason(Enum):
    """Why an invocation is throttled; the value is the `Reason` of AWS's `TooManyRequestsException`."""

    CONCURRENCY = "ConcurrentInvocationLimitExceeded"
    RESERVED = "ReservedFunctionConcurrentInvocationLimitExceeded"


def refusal(waiting: int, on: int, running: int, census: Census, limits: Limits) -> Reason | None:
    """Why another invocation is not accepted; None when it is.

    Those for whom there is a place in an environment, or will be one, do not count as waiting: an environment that
    takes several at once may have been ready before all its workers were.

    Args:
        waiting: how many wait.
        on: how many are on: accepted, and not answered yet.
        running: how many are with environments, answered or not.
        census: the environments.
        limits: what there may be.
    """
    if limits.reserved is not None and on >= limits.reserved:
        return Reason.RESERVED
    total = sum(census.values())
    staying = max(total, limits.environments) - census.get(Standing.LEAVING, 0)
    room = max(staying * limits.slots - running, 0)
    return Reason.CONCURRENCY if waiting >= limits.waiting + room else None


class ScalingRate:
    """How fast environments may be started: so many in ten seconds, refilled all the time and never saved up.

    Source: AWS developer guide, "Lambda function scaling".

    Args:
        per_ten_seconds: how many; None without a limit.
    """

    PERIOD = 10.0

    def __init__(self, per_ten_seconds: int | None) -> None:
        self._most = per_ten_seconds
        self._left = float(per_ten_seconds or 0)
        self._told = 0.0

    def wait(self, now: float) -> float:
        """Seconds until another one may be started; 0 when it may be now."""
        if self._most is None:
            return 0.0
        self._refill(now)
        return max(0.0, (1.0 - self._left) * self.PERIOD / self._most)

    def started(self, now: float) -> None:
        """One is started."""
        if self._most is not None:
            self._refill(now)
            self._left -= 1.0

    def _refill(self, now: float) -> None:
        assert self._most is not None  # for whom there is something to refill
        self._left = min(float(self._most), self._left + (now - self._told) * self._most / self.PERIOD)
        self._told = now
