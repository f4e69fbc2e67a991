"""One execution environment: carries out what its `Lifecycle` decides."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any, Protocol

from rapid import ids
from rapid.core import effects as do
from rapid.core.effects import Effect
from rapid.core.errors import Unavailable, invalid_entrypoint
from rapid.core.invocation import Outcome
from rapid.core.lifecycle import Lifecycle
from rapid.core.machine import RuntimeInput
from rapid.core.phase import Phase
from rapid.environments.invoker import Pending
from rapid.environments.memory import MemoryMeter
from rapid.environments.polls import Poll, Polls
from rapid.environments.process import LaunchError
from rapid.telemetry.log import EnvironmentLog

EXIT_SETTLE = 0.02
"""Seconds that a runtime's exit waits while its invocation is open: what it sent last may still be on its way."""


STOP_LIMIT = 2.0
"""Seconds that a shutdown waits for a killed runtime to be gone."""


class Process(Protocol):
    """A started runtime."""

    memory: MemoryMeter

    def kill(self) -> None:
        """End its process group at once."""

    def drain(self) -> None:
        """Take in all output written by now."""

    def close(self) -> None:
        """Let go of it after its exit."""


Launcher = Callable[[Callable[[int], None]], Process]
"""Starts a runtime; calls back with its exit status. Raises `LaunchError`."""


class Environment:
    """The imperative shell around a `Lifecycle`: process, timer, parked polls, log.

    Args:
        lifecycle: decides.
        launch: starts a runtime.
        log: receives output and platform records.
        on_phase: called after each change of phase.
    """

    def __init__(
        self, lifecycle: Lifecycle, launch: Launcher, log: EnvironmentLog, on_phase: Callable[[Phase], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.polls = Polls(self._loop)
        self.phase = lifecycle.phase
        self._lifecycle = lifecycle
        self._launcher = launch
        self._log = log
        self._on_phase = on_phase
        self._process: Process | None = None
        self._pending: Pending | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._peak_kib = 0
        self._gone = asyncio.Event()
        self._gone.set()
        self._carry_out: dict[type[Effect], Callable[[Any], None]] = {
            do.Launch: self._launch,
            do.Kill: self._kill,
            do.SetDeadline: self._set_deadline,
            do.Deliver: self._deliver,
            do.Answer: self._answer,
            do.Abandon: self._abandon,
            do.InitReport: self._record,
            do.InvokeStart: self._started,
            do.FaultRecord: self._record,
            do.InvokeReport: self._report,
        }

    # From the scheduler

    @property
    def busy(self) -> bool:
        """Whether an invocation is with this environment, answered or not."""
        return self._pending is not None

    def start(self) -> None:
        """Begin the init phase ahead of any invocation."""
        self._apply(self._lifecycle.start(time.monotonic()))

    def invoke(self, pending: Pending) -> None:
        """Run an invocation; only in phase idle or absent."""
        pending.started = True
        self._pending = pending
        self._apply(self._lifecycle.invoke(pending.invocation, ids.uuid4(), time.monotonic(), time.time()))

    async def stop(self) -> None:
        """Shut down, and wait until the runtime is gone; no longer than `STOP_LIMIT`, for the kernel may hold it."""
        self._apply(self._lifecycle.stop(time.monotonic()))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._gone.wait(), STOP_LIMIT)
        self.polls.release()

    # From the Runtime API

    def next(self) -> Poll:
        """The runtime asks for its next event.

        Raises:
            Refused: not in this state.
        """
        effects = self._lifecycle.next(time.monotonic())
        poll = self.polls.park()
        self._apply(effects)
        return poll

    def check(self, given: RuntimeInput, request_id: str, invocation_id: str | None) -> None:
        """Refuse an answer that is not legal now, before its body is read.

        Raises:
            Refused: wrong id, or not in this state.
        """
        self._lifecycle.check(given, request_id, invocation_id)

    def answer(self, given: RuntimeInput, request_id: str, invocation_id: str | None, outcome: Outcome) -> None:
        """The runtime answers its invocation.

        Raises:
            Refused: wrong id, or not in this state.
        """
        self._apply(self._lifecycle.answer(given, request_id, invocation_id, outcome))

    def init_error(self, outcome: Outcome) -> None:
        """The runtime reports that its init failed.

        Raises:
            Refused: its init is over.
        """
        self._apply(self._lifecycle.init_error(outcome, time.monotonic()))

    # Effects

    def _apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            self._carry_out[type(effect)](effect)
        phase = self._lifecycle.phase
        if phase is not self.phase:
            self.phase = phase
            self._on_phase(phase)

    def _launch(self, _: do.Launch) -> None:
        self._peak_kib = 0
        self._gone.clear()
        try:
            self._process = self._launcher(self._process_exited)
        except LaunchError as error:
            self._gone.set()
            fault = invalid_entrypoint(str(error))
            self._loop.call_soon(lambda: self._apply(self._lifecycle.launch_failed(fault, time.monotonic())))

    def _kill(self, _: do.Kill) -> None:
        if self._process:
            self._process.kill()

    def _set_deadline(self, effect: do.SetDeadline) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if effect.seconds is not None:
            self._timer = self._loop.call_later(effect.seconds, self._deadline)

    def _deliver(self, effect: do.Deliver) -> None:
        self.polls.deliver(effect.attempt)

    def _answer(self, effect: do.Answer) -> None:
        if self._pending and not self._pending.answer.done():
            self._pending.answer.set_result(effect.outcome)

    def _abandon(self, _: do.Abandon) -> None:
        if self._pending and not self._pending.answer.done():
            self._pending.answer.set_exception(Unavailable("the execution environment has been shut down"))

    def _started(self, record: do.InvokeStart) -> None:
        self._log.record(record, 0)

    def _record(self, record: do.InitReport | do.FaultRecord) -> None:
        if self._process:
            self._process.drain()
            self._peak_kib = self._process.memory.read()
        self._log.record(record, 0)

    def _report(self, record: do.InvokeReport) -> None:
        if self._process:
            self._process.drain()
            self._peak_kib = self._process.memory.read()
        self._log.record(record, -(-self._peak_kib // 1024))
        pending, self._pending = self._pending, None
        if pending and pending.log_tail and not pending.log_tail.done():
            pending.log_tail.set_result(self._log.tail())

    # From the process and the timer

    def _deadline(self) -> None:
        self._timer = None
        self._apply(self._lifecycle.deadline(time.monotonic()))

    def _process_exited(self, status: int) -> None:
        if self.phase in (Phase.INIT, Phase.INVOKE):
            self._loop.call_later(EXIT_SETTLE, self._settled, status, time.monotonic())
        else:
            self._settled(status, time.monotonic())

    def _settled(self, status: int, when: float) -> None:
        process = self._process
        if process:
            process.close()
            self._peak_kib = process.memory.read()
            self._process = None
        self.polls.release()
        self._gone.set()
        self._apply(self._lifecycle.exited(status, when))
