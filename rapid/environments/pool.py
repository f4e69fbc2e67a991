"""The environments there are: opened when they are needed, shut down when they are not."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

from rapid.core.phase import Phase
from rapid.core.placement import FREE, Census, ScalingRate, Standing, standing
from rapid.environments.member import EnvironmentFactory, Member

log = logging.getLogger("rapid")

RETRY = 1.0
"""Seconds until an environment that could not be opened is tried again."""


class Pool:
    """Keeps environments by how they stand, those that were used last to be used next.

    So the others grow old, and are shut down once they have been idle for long; the last one, and those that are
    provisioned, are kept.

    Args:
        factory: makes environments.
        provisioned: how many are started ahead.
        rate: how fast they may be started.
        idle_timeout: seconds.
        on_change: called when an environment may have become free, or gone.

    Attributes:
        provisioned: how many are started ahead.
        census: how many environments stand how.
    """

    def __init__(
        self,
        factory: EnvironmentFactory,
        provisioned: int,
        rate: ScalingRate,
        idle_timeout: float,
        on_change: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._factory = factory
        self.provisioned = provisioned
        self._rate = rate
        self._idle_timeout = idle_timeout
        self._on_change = on_change
        self._count = 0
        self._members: dict[Standing, dict[int, Member]] = {standing: {} for standing in Standing}
        self.census: Census = dict.fromkeys(Standing, 0)
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._retiring: asyncio.TimerHandle | None = None
        self._closing = False

    # What there is

    @property
    def running(self) -> int:
        """How many invocations run."""
        return sum(member.environment.running for member in self._all() if member.opened)

    @property
    def capacity(self) -> int:
        """How many more invocations the environments can take."""
        return sum(member.environment.capacity for member in self._all() if member.opened)

    @property
    def total(self) -> int:
        """How many environments there are, those that come and those that go included."""
        return sum(map(len, self._members.values()))

    def phases(self) -> Mapping[Phase, int]:
        """How many environments stand in which phase."""
        return Counter(member.phase for member in self._all())

    @property
    def finishing(self) -> bool:
        """Whether an environment has answered, and will ask for more in a moment."""
        return any(member.environment.finishing for member in self._members[Standing.BUSY].values())

    @property
    def wait(self) -> float:
        """Seconds until another environment may be started."""
        return self._rate.wait(self._loop.time())

    def _all(self) -> list[Member]:
        return [member for members in self._members.values() for member in members.values()]

    # Taking and starting

    def take(self, standing: Standing) -> Member:
        """The member of that standing that was used last."""
        member = next(reversed(self._members[standing].values()))
        member.used = True
        return member

    def begin(self) -> None:
        """Start those that are provisioned; without any, the one that the first invocation is going to need."""
        for _ in range(self.provisioned):
            self._open(provisioned=True, ahead=True)
        if not self.provisioned:
            self._open(provisioned=False, ahead=True)

    def start(self) -> None:
        """Start another environment, for an invocation that waits."""
        self._open(provisioned=False, ahead=False)

    def initialise(self) -> None:
        """Try once more what has failed, ahead of any invocation: the init of one environment that has no processes.

        Where there is no environment, because none could be restored, another one is opened.
        """
        for member in self._members[Standing.COLD].values():
            member.environment.start()
            return
        if not self._staying() and not self._closing:
            self._open(provisioned=False, ahead=True)

    def _open(self, *, provisioned: bool, ahead: bool) -> None:
        self._rate.started(self._loop.time())
        self._count += 1
        member = Member(self._count, provisioned=provisioned, ahead=ahead)
        self._enter(member, Standing.COMING)
        self._spawn(self._opening(member))

    async def _opening(self, member: Member) -> None:
        try:
            opened = await self._factory.open(
                member.number,
                provisioned=member.provisioned,
                on_change=lambda: self._changed(member),
            )
        except Exception as error:
            log.error("environment %d cannot be opened, and is tried again: %s", member.number, error)
            self._timers[member.number] = self._loop.call_later(RETRY, self._try_again, member)
            return
        member.opened = opened
        if self._closing:
            await self._stop(member)
        else:
            # A restore is quick, and the invocation that it fails for is to hear of it: it restores by itself.
            if member.ahead or not opened.restored:
                opened.environment.start()
            self._changed(member)  # it may have failed to start already

    def _try_again(self, member: Member) -> None:
        del self._timers[member.number]
        self._spawn(self._opening(member))

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # What happens to them

    def _changed(self, member: Member) -> None:
        if member.opened is None:  # it is looked at as soon as it is
            return
        environment = member.environment
        if member.standing is not Standing.LEAVING:
            capacity, running = environment.capacity, environment.running
            now = standing(member.phase, capacity, running, provisioned=member.provisioned)
            self._move(member, now)
        if member.over and not self._closing and member.standing is not Standing.LEAVING:
            self._leave(member)
            if member.used or not environment.spent:  # one whose restore has failed before work would only fail again
                self._open(provisioned=member.provisioned, ahead=True)
        self._on_change()

    def _move(self, member: Member, now: Standing) -> None:
        member.idle_since = self._loop.time()
        if now is not member.standing:
            self._withdraw(member)
            self._enter(member, now)
        if now in FREE and self._retiring is None:
            self._look_later(self._idle_timeout)

    def _enter(self, member: Member, now: Standing) -> None:
        member.standing = now
        self._members[now][member.number] = member
        self.census[now] += 1

    def _withdraw(self, member: Member) -> None:
        del self._members[member.standing][member.number]
        self.census[member.standing] -= 1

    def _leave(self, member: Member) -> None:
        self._move(member, Standing.LEAVING)
        self._spawn(self._stop(member))

    async def _stop(self, member: Member) -> None:
        try:
            if member.opened:
                await member.opened.environment.stop()
                await member.opened.close()
        finally:
            self._withdraw(member)
            self._on_change()

    # Idle ones

    def _look_later(self, seconds: float) -> None:
        self._retiring = self._loop.call_later(seconds, self._retire)

    def _retire(self) -> None:
        """Shut down who has been idle for long, oldest first, and look again when the next one may be due."""
        self._retiring = None
        idle = [member for standing in FREE for member in self._members[standing].values() if not member.provisioned]
        idle.sort(key=lambda member: member.idle_since)
        now = self._loop.time()
        for member in idle:
            due = member.idle_since + self._idle_timeout
            if due > now:
                self._look_later(due - now)
                return
            if self._staying() <= 1:
                return
            if not member.environment.running:
                self._leave(member)

    def _staying(self) -> int:
        return sum(len(members) for standing, members in self._members.items() if standing is not Standing.LEAVING)

    # The end

    async def stop(self) -> None:
        """Shut all down, at the same time."""
        self._closing = True
        for timer in (*self._timers.values(), *([self._retiring] if self._retiring else [])):
            timer.cancel()
        stopping = [
            self._stop(member) for member in self._all() if member.opened and member.standing is not Standing.LEAVING
        ]
        await asyncio.gather(*stopping)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks)
