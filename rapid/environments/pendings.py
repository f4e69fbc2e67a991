"""The callers whose invocations are with an environment."""

from __future__ import annotations

from collections.abc import Callable

from rapid.core.effects import Abandon
from rapid.core.errors import Unavailable
from rapid.core.invocation import Invocation, Outcome
from rapid.environments.invoker import Pending
from rapid.environments.stream import ResponseStream


class Pendings:
    """Those of one environment, from the acceptance of an invocation to its report."""

    def __init__(self) -> None:
        self._by_id: dict[str, Pending] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def answered(self) -> bool:
        """Whether every caller has an answer already."""
        return all(pending.answer.done() for pending in self._by_id.values())

    def add(self, pending: Pending) -> None:
        """Its invocation is with the environment."""
        pending.started = True
        self._by_id[pending.invocation.request_id] = pending

    def stream(self, request_id: str) -> ResponseStream | None:
        """Where the response goes as it comes, if its caller reads it so."""
        pending = self._by_id.get(request_id)
        return pending.stream if pending else None

    def answer(self, invocation: Invocation, outcome: Outcome) -> None:
        """The caller has its answer."""
        pending = self._by_id[invocation.request_id]
        if not pending.answer.done():
            pending.answer.set_result(outcome)
        if pending.stream:
            pending.stream.close()

    def abandon(self, effect: Abandon) -> None:
        """The caller will have none."""
        pending = self._by_id[effect.invocation.request_id]
        if not pending.answer.done():
            pending.answer.set_exception(Unavailable(effect.message, effect.exception))
        if pending.stream:
            pending.stream.close()

    def reported(self, invocation: Invocation, tail: Callable[[], bytes]) -> None:
        """The invocation is over; `tail` tells the end of the log to a caller who asked for it."""
        pending = self._by_id.pop(invocation.request_id)
        if pending.log_tail and not pending.log_tail.done():
            pending.log_tail.set_result(tail())
