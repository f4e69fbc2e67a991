"""The one event loop of the environment. Imported with the first coroutine: asyncio costs more than the whole runtime.

It lives as long as the process, so that what was opened on it stays usable; it runs while an invocation runs.
"""

from __future__ import annotations

import os
from _thread import _local

from .paths import library_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Awaitable, Callable
    from typing import Any

    from .handler import Result

asyncio: Any = library_module("asyncio")


class CancelledError(Exception):
    """The handler let asyncio's own of this name out, which is no Exception and would have ended the process."""


class EventLoop(_local):
    """The loop that user code has made current while it was imported, else a new one, once there is need of it.

    Should invocations be served on several threads, each has another.
    """

    process: int
    """The process that it runs in; a child that user code has forked has another number."""

    def __init__(self) -> None:
        self._loop: Any = None
        self.process = os.getpid()

    def adopt(self, without: list[AbstractEventLoop]) -> None:
        """In a new process that goes on in the place of the one before: the loop is its own now, if it can be."""
        self.process = os.getpid()
        if self._loop in without:
            self._loop = None

    def open(self) -> None:
        """Have the loop ready; a new one if user code has closed the last."""
        if self._loop is None or self._loop.is_closed():
            self._loop = current_loop() or asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)

    def run(self, awaitable: Awaitable[Result]) -> Result:
        """The result of an awaitable, in a task (so with context variables) of its own.

        Its exception comes out without asyncio's frames; what is not an Exception leaves the loop as it is.
        """
        self.open()
        result, error = self._loop.run_until_complete(_outcome(awaitable))
        if error is None:
            return result
        try:
            raise error
        finally:
            del error  # it holds this frame


event_loop = EventLoop()


def current_loop() -> AbstractEventLoop | None:
    """The loop that user code has made current and can be run; None if there is none."""
    warnings = library_module("warnings")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            loop: AbstractEventLoop = asyncio.get_event_loop()
        except RuntimeError:
            return None
    return None if loop.is_closed() or loop.is_running() else loop


async def _outcome(awaitable: Awaitable[Result]) -> tuple[Result, Exception | None]:
    try:
        return await awaitable, None
    except Exception as error:
        return None, error
    except asyncio.CancelledError as error:
        return None, CancelledError(*error.args).with_traceback(error.__traceback__)


async def room(descriptor: int) -> None:
    """Wait until a socket takes more, or has something to say, or is gone."""
    loop = asyncio.get_running_loop()
    try:
        # A loop keeps one writer a descriptor; there may be several tasks that wait.
        own = os.dup(descriptor)
    except OSError:
        return
    ready = loop.create_future()
    try:
        for watch in (loop.add_writer, loop.add_reader):
            watch(own, lambda: ready.done() or ready.set_result(None))
        await ready
    finally:
        loop.remove_writer(own)
        loop.remove_reader(own)
        os.close(own)


async def readable(descriptor: int) -> None:
    """Wait until a socket, for which nobody else waits, has something to say or is gone; not at all for none (-1)."""
    if descriptor >= 0:
        loop = asyncio.get_running_loop()
        await _once(descriptor, loop.add_reader, loop.remove_reader)


async def writable(descriptor: int) -> None:
    """The same until it takes more."""
    if descriptor >= 0:
        loop = asyncio.get_running_loop()
        await _once(descriptor, loop.add_writer, loop.remove_writer)


async def _once(descriptor: int, watch: Callable[..., None], leave: Callable[[int], object]) -> None:
    ready = asyncio.get_running_loop().create_future()
    watch(descriptor, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        leave(descriptor)
