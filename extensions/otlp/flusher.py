"""Runs what blocks (OpenTelemetry's exporters) so that nobody waits for it longer than wanted."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable

LATE_SECONDS = 0.5
"""A flush that took longer says that the collector is in trouble."""


class Flusher:
    """Runs a blocking flush in a daemon thread, one at a time.

    The thread is a daemon because a flush may hang at a dead collector for longer than the environment lives; threads
    of executors are waited for at exit.
    """

    def __init__(self, flush: Callable[[], None]) -> None:
        self._flush = flush
        self._running: asyncio.Event | None = None
        self._late = False

    async def flush(self, seconds: float) -> bool:
        """Flush, and wait for it so long at most; whether it is done.

        A flush that still runs is not waited for, and after one that was late the next is started but not waited for:
        a collector that is down holds one invocation up, not each of them.
        """
        if self._busy():
            return False
        waited = 0.0 if self._late else seconds
        done = self._start()
        return await _within(done, waited)

    async def finish(self, seconds: float) -> bool:
        """Flush a last time, after the one that still runs; whether that was done within so many seconds."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                if self._running is not None:
                    await self._running.wait()
                await self._start().wait()
        except TimeoutError:
            return False
        return True

    def _busy(self) -> bool:
        return self._running is not None and not self._running.is_set()

    def _start(self) -> asyncio.Event:
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        begun = loop.time()

        def finished() -> None:
            self._late = loop.time() - begun > LATE_SECONDS
            done.set()

        def work() -> None:
            try:
                self._flush()
            finally:
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    loop.call_soon_threadsafe(finished)

        self._running = done
        threading.Thread(target=work, name="flush", daemon=True).start()
        return done


async def _within(done: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await done.wait()
    except TimeoutError:
        return False
    return True
