"""What an extension is to hear next: its parked polls, and an event that found none."""

from __future__ import annotations

import asyncio

from rapid.core.effects import ExtensionEvent
from rapid.environments.polls import Polls, Signal

EventPoll = asyncio.Future[ExtensionEvent | Signal]


class Mailbox(Polls[ExtensionEvent]):
    """One extension's.

    An extension that lost its connection asks again: an event that nobody has taken is kept for it, and its question is
    then no answer to that event.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._kept: ExtensionEvent | None = None

    @property
    def holds_event(self) -> bool:
        """Whether an event waits to be taken."""
        return self._kept is not None

    def put(self, event: ExtensionEvent) -> None:
        """Hand over an event."""
        if not self.deliver(event):
            self._kept = event

    def put_back(self, event: ExtensionEvent) -> None:
        """Take back an event whose client is gone: it waits for the next poll."""
        self.put(event)

    def park(self) -> EventPoll:
        """A new poll; it takes at once what waits for it."""
        poll = super().park()
        kept, self._kept = self._kept, None
        if kept is not None:
            self.deliver(kept)
        return poll
