"""Who counts what happens: the seam between what happens and metrics of any kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from rapid.core.records import Record
from rapid.telemetry.facts import Facts

OnRecord = Callable[[Record], None]
"""Takes an environment's platform records as they come."""


class Observer(Protocol):
    """Is told of what happens, when it happens, and counts it.

    Whoever tells is in the middle of an invocation, so nothing here waits or raises. An environment's log passes its
    records on and its subscribers their losses; the rest is told by whoever takes invocations in.
    """

    def records_of(self, facts: Facts) -> OnRecord:
        """An environment is made: what is to be called with each of its records."""

    def dropped(self, records: int) -> None:
        """So many telemetry records will not reach their subscriber."""

    def throttled(self, reason: str) -> None:
        """An invocation is refused (429): `Reason` as the caller is told it."""

    def waited(self, seconds: float) -> None:
        """An invocation that found no environment free is given one, after so long."""

    def spilled_over(self) -> None:
        """An invocation goes to an on-demand environment because all provisioned ones are taken (AWS: spillover)."""


class Unobserved:
    """Nobody counts."""

    def records_of(self, _: Facts) -> OnRecord:
        """See `Observer`."""
        return _pass

    def dropped(self, records: int) -> None:
        """See `Observer`."""

    def throttled(self, reason: str) -> None:
        """See `Observer`."""

    def waited(self, seconds: float) -> None:
        """See `Observer`."""

    def spilled_over(self) -> None:
        """See `Observer`."""


class Both:
    """Two that count."""

    def __init__(self, first: Observer, second: Observer) -> None:
        self._each = (first, second)

    def records_of(self, facts: Facts) -> OnRecord:
        """See `Observer`."""
        first, second = (each.records_of(facts) for each in self._each)

        def tell(record: Record) -> None:
            first(record)
            second(record)

        return tell

    def dropped(self, records: int) -> None:
        """See `Observer`."""
        for each in self._each:
            each.dropped(records)

    def throttled(self, reason: str) -> None:
        """See `Observer`."""
        for each in self._each:
            each.throttled(reason)

    def waited(self, seconds: float) -> None:
        """See `Observer`."""
        for each in self._each:
            each.waited(seconds)

    def spilled_over(self) -> None:
        """See `Observer`."""
        for each in self._each:
            each.spilled_over()


def observed_by(observers: Sequence[Observer]) -> Observer:
    """All of them as one."""
    found: Observer = observers[0] if observers else Unobserved()
    for other in observers[1:]:
        found = Both(found, other)
    return found


def _pass(_: Record) -> None:
    """Nobody counts."""
