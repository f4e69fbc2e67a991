"""What is in a process that a fork does not carry, or that makes it out of date."""

from __future__ import annotations

import _socket
import os
import sys

from ..paths import is_of_library, loaded_library_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from threading import Thread
    from typing import Any

_TASKS = "/proc/self/task"
_DESCRIPTORS = "/proc/self/fd"
UNNAMED = "native thread"


def describe(own: Collection[int], replaced: Collection[Thread]) -> dict[str, object]:
    """The answer to `describe`. `own`: descriptors that are not the function's; `replaced`: threads not missed."""
    return {"pid": os.getpid(), "threads": _threads(replaced), "sockets": _count_connections(own), "files": _files()}


def _threads(replaced: Collection[Thread]) -> list[str]:
    """The names of all other threads but the main one."""
    threading: Any = loaded_library_module("threading")
    known = {} if threading is None else {thread.native_id: thread for thread in threading.enumerate()}
    main = os.getpid()
    tasks = sorted(task for task in map(int, os.listdir(_TASKS)) if task != main and known.get(task) not in replaced)
    return [known[task].name if task in known else _native_name(task, _command(main)) for task in tasks]


def _native_name(task: int, process: str) -> str:
    command = _command(task)
    return UNNAMED if command in ("", process) else command


def _command(task: int) -> str:
    """What a thread calls itself; the name of the process if it has never said so."""
    try:
        with open(f"{_TASKS}/{task}/comm") as file:
            return file.read().strip()
    except OSError:  # it has ended
        return ""


def _count_connections(own: Collection[int]) -> int:
    """How many connections over a network are open."""
    return sum(_is_connection(int(name)) for name in os.listdir(_DESCRIPTORS) if int(name) not in own)


def _is_connection(descriptor: int) -> bool:
    try:
        if not os.readlink(f"{_DESCRIPTORS}/{descriptor}").startswith("socket:"):
            return False
        socket = _socket.socket(fileno=os.dup(descriptor))
    except OSError:
        return False
    try:
        socket.getpeername()
        return socket.family in (_socket.AF_INET, _socket.AF_INET6)
    except OSError:
        return False
    finally:
        socket.close()


def _files() -> list[str]:
    """The files of all modules that are loaded, but for the standard library's."""
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return sorted({os.path.abspath(file) for file in files if isinstance(file, str) and not is_of_library(file)})
