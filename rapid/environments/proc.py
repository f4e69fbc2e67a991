"""Who descends from whom, as /proc tells it now."""

from __future__ import annotations

import os


def children(pid: int) -> list[int]:
    """The child processes that a process has now; none where /proc does not tell."""
    told = b" ".join(read(f"/proc/{pid}/task/{task}/children") for task in _tasks(pid))
    return [int(child) for child in told.split()]


def descendants(pid: int) -> list[int]:
    """All that descend from a process, parents before their children."""
    found = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def _tasks(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


def read(path: str) -> bytes:
    """A file of /proc; empty when the process has gone or the system has no such file."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return b""
