"""The scheduler: accepts invocations, and hands each, in the order they came, to the environment that is to run it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from dataclasses import dataclass

from rapid.core.errors import Unavailable
from rapid.core.invocation import Invocation, Outcome
from rapid.core.placement import Limits, Reason, Standing, Step, place, refusal
from rapid.core.tally import Tally
from rapid.environments.invoker import Pending, Throttled
from rapid.environments.member import Member
from rapid.environments.pool import Pool
from rapid.telemetry.observer import Observer

log = logging.getLogger("rapid")

PATIENCE = 0.05
"""Seconds that an invocation waits for an environment that has answered and is about to ask for more, before another
one is started for it: a caller who sends one after the other is not to need two.
"""

GOING_DOWN = "the execution environment is shutting down"


@dataclass(slots=True)
class _Waiting:
    """An invocation in the queue.

    Attributes:
        pending: the invocation.
        until: when it has waited long enough, seconds of the loop's clock.
        queued: nobody was free when it came.
    """

    pending: Pending
    until: float
    queued: bool = False


class Scheduler:
    """An `Invoker` over a pool of environments.

    An invocation whose caller leaves while it waits is never started; one that runs goes on to its end.

    Args:
        limits: how many environments there may be, and who may wait.
        queue_timeout: seconds that an invocation may wait.
        observer: is told of those that are throttled or have waited.
    """

    def __init__(self, limits: Limits, queue_timeout: float, observer: Observer) -> None:
        self._observer = observer
        self._loop = asyncio.get_running_loop()  # asking for it again costs a system call
        self._limits = limits
        self._queue_timeout = queue_timeout
        self._pool: Pool | None = None
        self._spills = False  # there are provisioned environments to be out of
        self._waiting: deque[_Waiting] = deque()
        self._expiry: asyncio.TimerHandle | None = None
        self._start_timer: asyncio.TimerHandle | None = None
        self._on = 0
        self._closing = False
        self._dispatching = False
        self._quiet = asyncio.Event()

    def attach(self, pool: Pool) -> None:
        """Serve with `pool`, whose `on_change` must be `changed`."""
        self._pool = pool
        self._spills = pool.provisioned > 0

    def submit(self, invocation: Invocation, *, want_log: bool = False, streamed: bool = False) -> Pending:
        """Accept an invocation; see `Invoker.submit`."""
        if self._closing:
            raise Unavailable(GOING_DOWN)
        self._admit()
        pending = Pending(invocation, want_log, streamed, self._loop)
        waiting = _Waiting(pending, self._loop.time() + self._queue_timeout)
        self._waiting.append(waiting)
        if self._limits.reserved is not None:
            self._on += 1
            pending.answer.add_done_callback(self._answered)
        self.changed()
        waiting.queued = not pending.started
        if waiting.queued and self._expiry is None:
            self._expiry = self._loop.call_later(self._queue_timeout, self._expire)
        return pending

    def _answered(self, _: asyncio.Future[Outcome]) -> None:
        self._on -= 1

    def _admit(self) -> None:
        """Refuse an invocation that is one too many.

        Raises:
            Throttled: it is.
        """
        if self._limits.reserved is None and len(self._waiting) < self._limits.waiting:
            return
        self._waiting = deque(each for each in self._waiting if not each.pending.answer.done())
        census = self._pool.census if self._pool else {}
        running = self._pool.running if self._pool else 0
        reason = refusal(len(self._waiting), self._on, running, census, self._limits)
        if reason:
            self._observer.throttled(reason.value)
            raise Throttled(reason)

    def changed(self) -> None:
        """An invocation has come, or an environment may have become free: place what can be placed."""
        if self._dispatching or self._pool is None:  # what placing one leads to is seen to by the loop that placed it
            return
        self._dispatching = True
        try:
            while self._step(self._pool):
                pass
        finally:
            self._dispatching = False
        if self._closing and not self._waiting and not self._pool.running:
            self._quiet.set()

    def _step(self, pool: Pool) -> bool:
        """Carry out one decision; whether there may be another."""
        while self._waiting and self._waiting[0].pending.answer.done():
            self._waiting.popleft()
        if not self._waiting:
            return False
        step = place(pool.census, len(self._waiting), self._limits)
        if isinstance(step.value, Standing):
            self._hand_over(self._waiting.popleft(), pool.take(step.value))
            return True
        if step is Step.START:
            wait = self._pause(pool)
            if not wait:
                pool.start()
                return True
            if self._start_timer is None:
                self._start_timer = self._loop.call_later(wait, self._may_start)
        return False

    def _pause(self, pool: Pool) -> float:
        """Seconds until another environment may be started for the invocation that has waited longest."""
        came = self._waiting[0].until - self._queue_timeout
        patience = came + PATIENCE - self._loop.time()
        return max(pool.wait, patience if patience > 0 and pool.finishing else 0.0)

    def _hand_over(self, waiting: _Waiting, member: Member) -> None:
        if waiting.queued:
            self._observer.waited(self._loop.time() - waiting.until + self._queue_timeout)
        if self._spills and not member.provisioned:
            self._observer.spilled_over()
        try:
            member.environment.invoke(waiting.pending)
        except Exception as error:  # none that is known of; its caller is not to wait for ever
            log.error("an environment could not be given an invocation", exc_info=error)
            if not waiting.pending.answer.done():
                waiting.pending.answer.set_exception(Unavailable("the execution environment has failed"))

    def _may_start(self) -> None:
        self._start_timer = None
        self.changed()

    def _expire(self) -> None:
        """Throttle whoever has waited long enough; all wait equally long, so they are in order."""
        self._expiry = None
        now = self._loop.time()
        while self._waiting and (self._waiting[0].until <= now or self._waiting[0].pending.answer.done()):
            pending = self._waiting.popleft().pending
            if not pending.answer.done():
                self._observer.throttled(Reason.CONCURRENCY.value)
                pending.answer.set_exception(Throttled(Reason.CONCURRENCY))
        if self._waiting:
            self._expiry = self._loop.call_later(self._waiting[0].until - now, self._expire)

    def tally(self) -> Tally:
        """See `Counted`."""
        if self._pool is None:
            return Tally({}, 0, 0, 0)
        pool, waiting = self._pool, len(self._waiting)
        free = pool.capacity + (self._limits.environments - pool.total) * self._limits.slots
        return Tally(pool.phases(), pool.running, waiting, max(0, free - waiting))

    def initialise(self) -> None:
        """See `Counted`."""
        if self._pool:
            self._pool.initialise()

    async def drain(self, seconds: float) -> None:
        """Accept nothing more, and wait at most `seconds` for what was accepted."""
        self._closing = True
        self.changed()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._quiet.wait(), seconds)

    def give_up(self) -> None:
        """Tell the callers whose invocation has not begun that it will not."""
        self._closing = True
        for timer in (self._expiry, self._start_timer):
            if timer:
                timer.cancel()
        while self._waiting:
            pending = self._waiting.popleft().pending
            if not pending.answer.done():
                pending.answer.set_exception(Unavailable(GOING_DOWN))
