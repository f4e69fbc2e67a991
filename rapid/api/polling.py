"""Long polls: how a parked request waits, steps behind a newer one, and notices that its client has left."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from starlette.types import Receive

from rapid.asgi import before_disconnect
from rapid.environments.polls import Polls, Signal

T = TypeVar("T")


async def hear(polls: Polls[T], poll: asyncio.Future[T | Signal], receive: Receive) -> T | Signal | None:
    """What a parked poll is told at last: an event, or that its process is gone; None when its client has left."""
    while True:
        if poll.done() and poll.result() is Signal.OVERTAKEN:
            poll = polls.wait_behind()
        if not await before_disconnect(poll, receive):
            polls.withdraw(poll)
            return None
        heard = poll.result()
        if heard is Signal.OVERTAKEN:
            continue
        if not isinstance(heard, Signal) and await _has_left(receive):
            polls.put_back(heard)
            return None
        return heard


async def _has_left(receive: Receive) -> bool:
    """Whether the client is known to have left by now: it may have gone at the moment of the event."""

    async def left() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    gone = asyncio.ensure_future(left())
    await asyncio.sleep(0)  # long enough for what need not be waited for
    known = gone.done()
    gone.cancel()
    return known
