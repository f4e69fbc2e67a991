"""Parked polls of a runtime that takes several invocations at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rapid.core.invocation import Attempt
from rapid.environments.polls import Polls, Signal


class Workers(Polls[Attempt]):
    """Each poll is a worker that waits, and takes one event.

    The newest is served first: it is the most likely to be alive, and what it needs is still in the caches; those that
    are not needed rest. All are watched, for an event given to one who has left would be lost.

    Args:
        loop: the event loop.
        left: called when a poll has left that was given nothing.
        missed: called with an event when the one who was to have it has left.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, left: Callable[[], None], missed: Callable[[Attempt], None]
    ) -> None:
        super().__init__(loop)
        self.contended = True
        self._loop = loop
        self._left = left
        self._missed = missed

    def park(self) -> asyncio.Future[Attempt | Signal]:
        """One more worker."""
        poll: asyncio.Future[Attempt | Signal] = self._loop.create_future()
        self._parked.append(poll)
        return poll

    def withdraw(self, poll: asyncio.Future[Attempt | Signal]) -> None:
        """Take back a poll whose client is gone."""
        waited = poll in self._parked
        super().withdraw(poll)
        if waited:
            self._left()

    def deliver(self, event: Attempt) -> bool:
        """Hand an event to the newest poll; the core is told, in its own time, when there was none."""
        delivered = super().deliver(event)
        if not delivered:
            self._loop.call_soon(self._missed, event)
        return delivered

    def put_back(self, event: Attempt) -> None:
        """Take back an event whose client is gone."""
        self._missed(event)
