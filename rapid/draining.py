"""The way out: what the signals have asked for, and how long those are served who still come.

SIGTERM: not ready at once, and answers tell their connections to go elsewhere; but invocations are accepted for a grace
time, because load balancers learn late. Then new ones are refused, and what was accepted may take its time. SIGINT,
which a person sends, has no grace. A second signal of either kind waits for nothing.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from rapid import early


class Drained(Protocol):
    """Who accepts invocations, and has some."""

    async def drain(self, seconds: float) -> None:
        """Accept nothing more, and wait at most so long for what was accepted."""

    def give_up(self) -> None:
        """Accept nothing more, and tell the callers whose invocation has not begun that it will not."""


class Stopping:
    """What the signals have asked for.

    Attributes:
        begun: there was a signal: it ends.
        hurried: there was another: it ends at once.
    """

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.hurried = asyncio.Event()
        self.impatient = False  # the first signal was a person's

    def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take this process' signals, and what came before."""
        for number in self.SIGNALS:
            loop.add_signal_handler(number, self.record, number)
        for earlier in early.asked:
            self.record(earlier)

    def record(self, number: int) -> None:
        """There was a signal."""
        if self.begun.is_set():
            self.hurried.set()
        self.impatient = self.impatient or number == signal.SIGINT
        self.begun.set()


async def drain(
    invoker: Drained,
    stopping: Stopping,
    *,
    grace: float,
    timeout: float,
    part: Callable[[], None],
    pause: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
) -> None:
    """From the first signal to where nothing is accepted or waits any more.

    Args:
        invoker: has the invocations.
        stopping: the signals; the first has come.
        grace: seconds for which invocations are still accepted; not after SIGINT.
        timeout: seconds that those accepted may take after that.
        part: has callers told to close their connections.
        pause: sleeps.
    """
    part()
    if not stopping.impatient:
        await _unless_hurried(stopping, pause(grace))
    if not stopping.hurried.is_set():
        await _unless_hurried(stopping, invoker.drain(timeout))
    invoker.give_up()


async def _unless_hurried(stopping: Stopping, what: Awaitable[None]) -> None:
    doing = asyncio.ensure_future(what)
    hurried = asyncio.ensure_future(stopping.hurried.wait())
    await asyncio.wait({doing, hurried}, return_when=asyncio.FIRST_COMPLETED)
    for each in (doing, hurried):
        each.cancel()
