"""The seam between front ends and environments: whoever wants the function run calls an `Invoker`."""

from __future__ import annotations

import asyncio
from typing import Protocol

from rapid.core.invocation import Invocation, Outcome
from rapid.core.placement import Reason
from rapid.environments.stream import ResponseStream


class Throttled(Exception):
    """There are too many invocations; `reason` says of which kind."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Pending:
    """An accepted invocation.

    Attributes:
        invocation: what is to run.
        answer: the outcome for the caller; cancelling it before the invocation has started takes it out of the queue,
            cancelling it later changes nothing for the function. Raises `Unavailable` when rapid goes down first,
            `Throttled` when it has waited for too long.
        log_tail: the end of the invocation's log, once it is over; None unless it was asked for.
        stream: the response as it comes, if the caller reads it so; the answer ends it, and tells of errors only.
        started: whether an environment has taken it.
    """

    __slots__ = ("answer", "invocation", "log_tail", "started", "stream")

    def __init__(self, invocation: Invocation, want_log: bool, streamed: bool, loop: asyncio.AbstractEventLoop) -> None:
        self.invocation = invocation
        self.stream = ResponseStream() if streamed else None
        self.answer: asyncio.Future[Outcome] = loop.create_future()
        self.log_tail: asyncio.Future[bytes] | None = loop.create_future() if want_log else None
        self.started = False


class Invoker(Protocol):
    """Runs the function."""

    def submit(self, invocation: Invocation, *, want_log: bool = False, streamed: bool = False) -> Pending:
        """Accept an invocation.

        Args:
            invocation: what is to run.
            want_log: the caller asks for the end of the log.
            streamed: the caller reads the response as it comes.

        Raises:
            Throttled: too many wait already.
            Unavailable: rapid is going down.
        """
