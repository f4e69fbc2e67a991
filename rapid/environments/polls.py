"""Parked `invocation/next` requests of one environment.

The newest poll is the one most likely to be alive, so an event goes to it. Polls that a newer one has overtaken are
told so, and wait on behind it for as long as their connection lives: a client that lost its connection leaves nothing.
"""

from __future__ import annotations

import asyncio
from enum import Enum

from rapid.core.invocation import Attempt


class Signal(Enum):
    """What a parked poll hears when it is not an event."""

    OVERTAKEN = "overtaken"  # a newer poll came; wait on with `Polls.wait_behind`
    RELEASED = "released"  # the runtime that polled is gone


Poll = asyncio.Future[Attempt | Signal]


class Polls:
    """The parked polls, newest last.

    Attributes:
        contended: whether the newest poll has overtaken others. Then its client must be watched as well: an event that
            goes to one who has left would be missed by those who wait behind. A single poll needs no watch, because a
            client that comes back is given the same event again.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.contended = False
        self._loop = loop
        self._parked: list[Poll] = []

    def __len__(self) -> int:
        return len(self._parked)

    def park(self) -> Poll:
        """A new poll; older ones are overtaken."""
        self.contended = bool(self._parked)
        for older in self._parked:
            _tell(older, Signal.OVERTAKEN)
        poll: Poll = self._loop.create_future()
        self._parked = [poll]
        return poll

    def wait_behind(self) -> Poll:
        """Park an overtaken poll again, behind all others."""
        poll: Poll = self._loop.create_future()
        self._parked.insert(0, poll)
        return poll

    def withdraw(self, poll: Poll) -> None:
        """Take back a poll whose client is gone."""
        poll.cancel()
        if poll in self._parked:
            self._parked.remove(poll)

    def deliver(self, attempt: Attempt) -> None:
        """Hand an event to the newest poll; with none, the next one that asks will be given it."""
        while self._parked:
            poll = self._parked.pop()
            if not poll.done():
                poll.set_result(attempt)
                return

    def release(self) -> None:
        """End all polls: the runtime they belong to is gone."""
        parked, self._parked = self._parked, []
        for poll in parked:
            _tell(poll, Signal.RELEASED)


def _tell(poll: Poll, signal: Signal) -> None:
    if not poll.done():
        poll.set_result(signal)
