"""Thread pools in a forked process: their threads are not there, and what is handed to them would never be done.

An executor starts threads as it needs them, unless it believes that it has idle ones. So each forgets those it had. One
whose threads were all idle at the snapshot has lost nothing.
"""

from __future__ import annotations

import gc

from ..paths import library_module, loaded_library_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from threading import Thread
    from typing import Any


class Executors:
    """The `ThreadPoolExecutor`s that there are when it is made."""

    def __init__(self) -> None:
        self._executors: list[Any] = []
        module: Any = loaded_library_module("concurrent.futures.thread")
        if module is not None:
            kind = module.ThreadPoolExecutor
            self._executors = [one for one in gc.get_objects() if issubclass(type(one), kind)]

    def idle_threads(self) -> set[Thread]:
        """The threads of those that have nothing to do."""
        return {thread for one in self._executors if _is_idle(one) for thread in one._threads}

    def make_own(self) -> None:
        """In the new process: have each start threads of its own."""
        for executor in self._executors:
            _forget_threads(executor)


def _is_idle(executor: Any) -> bool:  # noqa: ANN401 - its attributes are nobody's business but its own
    try:
        return bool(executor._idle_semaphore._value == len(executor._threads))
    except AttributeError:  # a class of the function's, with an inside of its own
        return False


def _forget_threads(executor: Any) -> None:  # noqa: ANN401
    try:
        executor._threads.clear()
    except AttributeError:
        return
    threading: Any = library_module("threading")
    executor._idle_semaphore = threading.Semaphore(0)
    executor._shutdown_lock = threading.Lock()  # a thread may have held it
