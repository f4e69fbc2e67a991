"""The start and the end of an ASGI application: its `lifespan`, once in the life of the environment.

https://asgi.readthedocs.io/en/latest/specs/lifespan.html
"""

from __future__ import annotations

import os

from ..event_loop import asyncio, event_loop
from ..paths import library_module
from .exchange import log_failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

    from .asgi import Application

_PATIENCE = 2.0
"""Seconds that the end may take: the longest that Lambda gives an environment to shut down."""
_VERSIONS = {"version": "3.0", "spec_version": "2.0"}


class LifespanFailedError(Exception):
    """The application said that its start or its end failed; the text is its own."""


class Lifespan:
    """`state`: what the start has put there, for every request to see."""

    def __init__(self, application: Application) -> None:
        self.state: dict[str, Any] = {}
        self._application = application
        self._task: Any = None
        self._started: Any = asyncio.Event()
        self._stopping: Any = asyncio.Event()
        self._received = 0
        self._supported = False
        self._failure: str | None = None
        self._error: Exception | None = None

    async def start(self) -> None:
        """Have the application start; raises what it failed with.

        One that raises without having said that its start failed does not know the protocol, says the protocol. It
        serves, and the log has the error if it was more than a look at the scope.
        """
        self._task = asyncio.get_running_loop().create_task(self._run())
        await self._started.wait()
        if self._failure is not None:
            await asyncio.wait({self._task}, timeout=_PATIENCE)  # for the error itself, which frameworks raise again
            raise self._error or LifespanFailedError(self._failure)
        if self._error is not None and self._received:
            log_failure(self._error, "")

    async def stop(self) -> None:
        """Have the application end, if it wants to know; errors go to the log."""
        if not self._supported or self._stopping.is_set():
            return
        self._stopping.set()
        await asyncio.wait({self._task}, timeout=_PATIENCE)
        if self._failure is not None or self._error is not None:
            log_failure(self._error or LifespanFailedError(self._failure), "")

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": dict(_VERSIONS), "state": self.state}
        try:
            await self._application(scope, self._receive, self._send)
        except Exception as error:
            self._error = error
        finally:
            self._started.set()

    async def _receive(self) -> dict[str, Any]:
        self._received += 1
        if self._received == 1:
            return {"type": "lifespan.startup"}
        await self._stopping.wait()
        if self._received > 2:
            await asyncio.Event().wait()  # nothing comes after the end
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        kind = message["type"]
        phase = "shutdown" if self._stopping.is_set() else "startup"
        if not self._received or kind not in (f"lifespan.{phase}.complete", f"lifespan.{phase}.failed"):
            raise RuntimeError(f"the ASGI application sent {kind!r} in its lifespan")
        if kind.endswith("failed"):
            self._failure = message.get("message") or kind
        elif phase == "startup":
            self._supported = True
        self._started.set()

    def stop_at_exit(self) -> None:
        """Have it end when the process exits by itself, or is asked to by SIGTERM, unless user code ignores that."""
        if not self._supported:
            return
        library_module("atexit").register(lambda: event_loop.process == os.getpid() and event_loop.run(self.stop()))
        signal = library_module("signal")
        before = signal.getsignal(signal.SIGTERM)
        if before not in (signal.SIG_IGN, None):  # None: not set from Python
            signal.signal(signal.SIGTERM, _Termination(self, before))


class _Termination:
    """What happens on SIGTERM: the end of the application, then what would have happened without it."""

    def __init__(self, lifespan: Lifespan, before: object) -> None:
        self._lifespan = lifespan
        self._before = before
        self._ending = False

    def __call__(self, number: int, _frame: object) -> None:
        if os.getpid() != event_loop.process:  # a child that user code has forked
            return self._leave(number)
        if self._ending:
            return None  # of two signals, one may have come to all processes of a group
        self._ending = True
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            event_loop.run(self._lifespan.stop())
            return self._leave(number)
        # In the middle of an invocation; that it be woken up is why this is the way of other threads.
        loop.call_soon_threadsafe(lambda: loop.create_task(self._stop_and_leave(number)))
        return None

    async def _stop_and_leave(self, number: int) -> None:
        await self._lifespan.stop()
        self._leave(number)

    def _leave(self, number: int) -> None:
        if callable(self._before):
            self._before(number, None)
        else:
            signal = library_module("signal")
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
