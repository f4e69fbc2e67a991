"""Processes that functions have left behind, told apart by the environment that they come from.

All orphans become children of rapid. Whose one was is shown by its environment variables, which it has inherited: the
address of the Runtime API is another one in each environment. What tells nothing belongs to nobody, and is ended when
only one environment is left whose it could be. (What /proc shows are the variables that a process was started with. A
fork of a template was started with the template's, and corrects the address there: runtime/snapshot/shown.py.)
"""

from __future__ import annotations

import contextlib
import os
import signal

from rapid.environments.proc import descendants, read
from rapid.environments.reaper import Reaper

VARIABLE = "AWS_LAMBDA_RUNTIME_API"


class Orphans:
    """The orphans of all environments.

    Args:
        reaper: knows who is an orphan.
    """

    def __init__(self, reaper: Reaper) -> None:
        self._reaper = reaper
        self._addresses: set[str] = set()

    def expect(self, address: str) -> None:
        """There is an environment with that Runtime API address, until it is forgotten."""
        self._addresses.add(address)

    def of(self, address: str) -> list[int]:
        """Those of the environment with that Runtime API address; of the only one there is, all that are no other's."""
        alone = self._addresses == {address}
        found = []
        for pid in self._reaper.orphans():
            owner = _owner(pid)
            if owner == address or (alone and owner not in self._addresses):
                found.append(pid)
        return found

    def end(self, address: str) -> None:
        """End those of an environment, with all that descends from them: everybody else of it has left."""
        for orphan in self.of(address):
            for pid in (orphan, *descendants(orphan)):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)

    def forget(self, address: str) -> None:
        """That environment is gone for good."""
        self.end(address)
        self._addresses.discard(address)


def _owner(pid: int) -> str | None:
    """The address that a process has among its environment variables."""
    prefix = f"{VARIABLE}=".encode()
    for entry in read(f"/proc/{pid}/environ").split(b"\0"):
        if entry.startswith(prefix):
            return entry[len(prefix) :].decode("utf-8", "replace")
    return None
