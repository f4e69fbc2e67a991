"""Long polls: how a parked request waits, steps behind a newer one, and notices that its client has left."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from starlette.types import Receive

from rapid.environments.polls import Polls, Signal

T = TypeVar("T")


async def hear(polls: Polls[T], poll: asyncio.Future[T | Signal], receive: Receive) -> T | Signal | None:
    """What a parked poll is told at last: an event, or that its process is gone; None when its client has left."""
    gone = asyncio.ensure_future(_left(receive))
    try:
        while True:
            if poll.done() and poll.result() is Signal.OVERTAKEN:
                poll = polls.wait_behind()
            await _either(poll, gone)
            if not poll.done():
                polls.withdraw(poll)
                return None
            heard = poll.result()
            if heard is Signal.OVERTAKEN:
                continue
            await asyncio.sleep(0)  # the client may have gone at the moment of the event
            if gone.done() and not isinstance(heard, Signal):
                polls.put_back(heard)
                return None
            return heard
    finally:
        gone.cancel()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":  # a request without a body begins with its empty body
        pass


async def _either(poll: asyncio.Future[T], gone: asyncio.Future[None]) -> None:
    """Wait until one of them is done; as `asyncio.wait`, but for what that would cost each invocation."""
    if poll.done() or gone.done():
        return
    woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake(_: asyncio.Future[T] | asyncio.Future[None]) -> None:
        if not woken.done():
            woken.set_result(None)

    poll.add_done_callback(wake)
    gone.add_done_callback(wake)
    try:
        await woken
    finally:
        poll.remove_done_callback(wake)
        gone.remove_done_callback(wake)
