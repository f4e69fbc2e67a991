"""One environment of a pool, and how it is made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from rapid.core.phase import Phase
from rapid.core.placement import Standing
from rapid.environments.environment import Environment


@dataclass(frozen=True, slots=True)
class Opened:
    """An environment whose Runtime API listens; nothing of it has been started.

    Attributes:
        environment: it.
        close: stops its listener, after it has been stopped.
        restored: its runtime comes out of a snapshot, once: another one takes its place when it has ended.
        lost: whether that runtime has left before it was needed.
    """

    environment: Environment
    close: Callable[[], Awaitable[None]]
    restored: bool = False
    lost: Callable[[], bool] = lambda: False


class EnvironmentFactory(Protocol):
    """Makes environments."""

    async def open(self, number: int, *, provisioned: bool, on_change: Callable[[], None]) -> Opened:
        """Make one.

        Args:
            number: its own.
            provisioned: it is started ahead and kept.
            on_change: to be called when its phase or its capacity has changed.

        Raises:
            OSError: it cannot be made now.
        """


class Member:
    """One environment of the pool.

    Attributes:
        number: its own, never given again.
        provisioned: started ahead and kept.
        opened: the environment, once there is one.
        ahead: it is started before there is an invocation for it.
        used: it has been given an invocation.
        standing: how it stands to the next invocation.
        idle_since: when something last happened to it, seconds of the loop's clock.
    """

    __slots__ = ("ahead", "idle_since", "number", "opened", "provisioned", "standing", "used")

    def __init__(self, number: int, *, provisioned: bool, ahead: bool) -> None:
        self.number = number
        self.provisioned = provisioned
        self.ahead = ahead
        self.used = False
        self.opened: Opened | None = None
        self.standing = Standing.COMING
        self.idle_since = 0.0

    @property
    def phase(self) -> Phase:
        """Its phase; one that is being opened is as good as in its init, a fork that waits is at its snapshot point."""
        if self.opened is None:
            return Phase.INIT
        environment = self.opened.environment
        waits = self.opened.restored and environment.phase is Phase.ABSENT and not environment.spent
        return Phase.SNAPSHOT if waits else environment.phase

    @property
    def over(self) -> bool:
        """Whether there is nothing left to start it with."""
        return self.opened is not None and (self.opened.environment.spent or self.opened.lost())

    @property
    def environment(self) -> Environment:
        """The environment of a member that has been opened."""
        assert self.opened is not None  # nobody is handed a member before
        return self.opened.environment
