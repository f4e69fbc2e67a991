"""Event loops in a forked process: what the kernel keeps for them is the template's, and every fork's.

A loop's epoll, and the pair of sockets by which it wakes itself up, are shared after a fork: what one process changes
there, all have changed. So each makes them anew, from what the loop knows that it waits for.
"""

from __future__ import annotations

import gc
import sys

from ..paths import library_module, loaded_library_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from selectors import BaseSelector, SelectorKey
    from typing import Any


class Loops:
    """The event loops that there are when it is made; none are looked for where nobody has imported asyncio."""

    def __init__(self) -> None:
        self._loops: list[AbstractEventLoop] = []
        self._current: AbstractEventLoop | None = None
        asyncio: Any = loaded_library_module("asyncio")
        if asyncio is None:
            return
        kind = asyncio.AbstractEventLoop
        self._loops = [one for one in gc.get_objects() if issubclass(type(one), kind) and not one.is_closed()]
        if self._loops:
            from ..event_loop import current_loop

            self._current = current_loop()
            if self._current is not None and self._current not in self._loops:
                self._loops.append(self._current)

    def make_own(self) -> None:
        """In the new process: make each of them its own; one that cannot be is named on standard error and left."""
        if not self._loops:
            return
        from ..event_loop import asyncio, event_loop

        lost = [loop for loop in self._loops if not _make_own(loop)]
        _lost.extend(lost)
        asyncio.set_event_loop(None if self._current in lost else self._current)
        event_loop.adopt(without=lost)


_lost: list[AbstractEventLoop] = []
"""Kept alive: the end of one would take from the other processes what they wait for."""


def _make_own(loop: AbstractEventLoop) -> bool:
    try:
        _renew(loop)
    except Exception:  # a loop of another kind, which keeps its state where nobody can reach it
        kind = f"{type(loop).__module__}.{type(loop).__qualname__}"
        sys.stderr.write(
            f"runtime: an event loop of the type {kind} cannot be carried over to a fork: what was opened on it before "
            "the snapshot is not usable\n"
        )
        return False
    return True


def _renew(loop: Any) -> None:  # noqa: ANN401 - its attributes are nobody's business but asyncio's
    """Raises AttributeError or TypeError for a loop that is not asyncio's own."""
    old = loop._selector
    new = type(old)()
    for key in list(old.get_map().values()):
        _register(new, key)
    loop._selector = new
    old.close()  # this process' descriptor of it; nothing is taken out of it, which would be so for all
    loop._close_self_pipe()
    loop._make_self_pipe()
    if loop._signal_handlers:
        library_module("signal").set_wakeup_fd(loop._csock.fileno())


def _register(selector: BaseSelector, key: SelectorKey) -> None:
    try:
        selector.register(key.fileobj, key.events, key.data)
    except (OSError, ValueError):
        return  # closed, and not yet forgotten
