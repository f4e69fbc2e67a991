"""The scheduler: hands invocations to the environment, as many as it takes, in the order they came."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from rapid.core.errors import Unavailable
from rapid.core.invocation import Invocation
from rapid.core.phase import Phase
from rapid.core.tally import Tally
from rapid.environments.environment import Environment
from rapid.environments.invoker import Pending, Throttled
from rapid.telemetry.observer import Observer, Unobserved

MAX_WAITING = 1000
"""Invocations that may wait for the environment before further ones are throttled."""


class Scheduler:
    """An `Invoker` over one environment.

    An invocation whose caller leaves while it waits is never started; one that runs goes on to its end.
    """

    def __init__(self, observer: Observer | None = None) -> None:
        self._observer = observer or Unobserved()
        self._loop = asyncio.get_running_loop()  # asking for it again costs a system call
        self._environment: Environment | None = None
        self._waiting: deque[Pending] = deque()
        self._closing = False
        self._dispatching = False
        self._quiet = asyncio.Event()
        self._quiet.set()

    def attach(self, environment: Environment) -> None:
        """Serve with `environment`, whose `on_change` must be `changed`."""
        self._environment = environment

    def submit(self, invocation: Invocation, *, want_log: bool = False, streamed: bool = False) -> Pending:
        """Accept an invocation; see `Invoker.submit`."""
        if self._closing:
            raise Unavailable("the execution environment is shutting down")
        if len(self._waiting) >= MAX_WAITING:
            self._waiting = deque(pending for pending in self._waiting if not pending.answer.done())
            if len(self._waiting) >= MAX_WAITING:
                self._observer.throttled("ConcurrentInvocationLimitExceeded")
                raise Throttled
        pending = Pending(invocation, want_log, streamed, self._loop)
        self._waiting.append(pending)
        self._quiet.clear()
        self._dispatch()
        return pending

    def changed(self) -> None:
        """The environment's phase or capacity changed."""
        self._dispatch()

    def tally(self) -> Tally:
        """See `Counted`."""
        if self._environment is None:
            return Tally({}, 0, 0, 0)
        environment, waiting = self._environment, len(self._waiting)
        return Tally({environment.phase: 1}, environment.running, waiting, max(0, environment.capacity - waiting))

    def initialise(self) -> None:
        """See `Counted`."""
        if self._environment and self._environment.phase is Phase.ABSENT:
            self._environment.start()

    async def drain(self, seconds: float) -> None:
        """Accept nothing more, and wait at most `seconds` for what was accepted."""
        self._closing = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._quiet.wait(), seconds)

    def give_up(self) -> None:
        """Tell the callers whose invocation has not begun that it will not."""
        self._closing = True
        while self._waiting:
            pending = self._waiting.popleft()
            if not pending.answer.done():
                pending.answer.set_exception(Unavailable("the execution environment is shutting down"))

    def _dispatch(self) -> None:
        environment = self._environment
        if environment is None or self._dispatching:  # what an invocation changes is seen to by who handed it over
            return
        self._dispatching = True
        while self._waiting and environment.capacity:
            pending = self._waiting.popleft()
            if not pending.answer.done():
                environment.invoke(pending)
        self._dispatching = False
        if not self._waiting and not environment.running:
            self._quiet.set()
