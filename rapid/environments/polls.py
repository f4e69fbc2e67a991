"""Parked long polls of one client: a runtime's `invocation/next`, or an extension's `event/next`.

The newest poll is the one most likely to be alive, so an event goes to it. Polls that a newer one has overtaken are
told so, and wait on behind it for as long as their connection lives: a client that lost its connection leaves nothing.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import Generic, TypeVar

T = TypeVar("T")


class Signal(Enum):
    """What a parked poll hears when it is not an event."""

    OVERTAKEN = "overtaken"  # a newer poll came; wait on with `Polls.wait_behind`
    RELEASED = "released"  # the process that polled is gone


class Polls(Generic[T]):
    """The parked polls, newest last; `T` is the event.

    Attributes:
        contended: whether the newest poll has overtaken others. Then its client must be watched as well: an event that
            goes to one who has left would be missed by those who wait behind. A single poll of a runtime needs no
            watch, because a runtime that comes back is given the same event again.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.contended = False
        self._loop = loop
        self._parked: list[asyncio.Future[T | Signal]] = []

    def __len__(self) -> int:
        return len(self._parked)

    def park(self) -> asyncio.Future[T | Signal]:
        """A new poll; older ones are overtaken."""
        self.contended = bool(self._parked)
        for older in self._parked:
            _tell(older, Signal.OVERTAKEN)
        poll: asyncio.Future[T | Signal] = self._loop.create_future()
        self._parked = [poll]
        return poll

    def wait_behind(self) -> asyncio.Future[T | Signal]:
        """Park an overtaken poll again, behind all others."""
        poll: asyncio.Future[T | Signal] = self._loop.create_future()
        self._parked.insert(0, poll)
        return poll

    def withdraw(self, poll: asyncio.Future[T | Signal]) -> None:
        """Take back a poll whose client is gone."""
        poll.cancel()
        if poll in self._parked:
            self._parked.remove(poll)

    def put_back(self, event: T) -> None:
        """Take back an event whose client is gone: the next newest poll has it. A runtime asks for it again."""
        self.deliver(event)

    def deliver(self, event: T) -> bool:
        """Hand an event to the newest poll; False when there is none to take it."""
        while self._parked:
            poll = self._parked.pop()
            if not poll.done():
                poll.set_result(event)
                return True
        return False

    def release(self) -> None:
        """End all polls: the process they belong to is gone."""
        parked, self._parked = self._parked, []
        for poll in parked:
            _tell(poll, Signal.RELEASED)


def _tell(poll: asyncio.Future[T | Signal], signal: Signal) -> None:
    if not poll.done():
        poll.set_result(signal)
