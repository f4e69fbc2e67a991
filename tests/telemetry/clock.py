"""Time that passes when the test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Due:
    """A call that will be made."""

    when: float
    call: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """Stands still but for `pass_`."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[Due] = []

    def call_later(self, seconds: float, call: Callable[[], None]) -> Due:
        due = Due(self.now + seconds, call)
        self._due.append(due)
        return due

    @property
    def pending(self) -> list[float]:
        """In how many seconds calls will be made."""
        return sorted(round(due.when - self.now, 6) for due in self._due if not due.cancelled)

    async def pass_(self, seconds: float) -> None:
        """Let time pass, and everybody do what they can do then."""
        end = self.now + seconds
        await settled()
        while ready := sorted((due for due in self._due if due.when <= end and not due.cancelled), key=_when):
            self._due.remove(ready[0])
            self.now = max(self.now, ready[0].when)
            ready[0].call()
            await settled()
        self.now = end


def _when(due: Due) -> float:
    return due.when


async def settled() -> None:
    """Let everybody do what they can do now, without sockets."""
    for _ in range(20):
        await asyncio.sleep(0)
