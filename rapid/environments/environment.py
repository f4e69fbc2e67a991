"""One execution environment: carries out what its `Lifecycle` decides."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable
from typing import Any

from rapid import ids
from rapid.core import effects as do
from rapid.core import records
from rapid.core.concurrent import ConcurrentLifecycle
from rapid.core.effects import RUNTIME_PARTY, Effect, Party
from rapid.core.environment import EnvironmentLifecycle
from rapid.core.errors import Fault, extension_launch_failed, invalid_entrypoint
from rapid.core.invocation import Attempt, Invocation, Outcome
from rapid.core.lifecycle import Lifecycle
from rapid.core.machine import RuntimeInput
from rapid.core.phase import Phase
from rapid.environments.desk import ExtensionDesk
from rapid.environments.invoker import Pending
from rapid.environments.memory import MemoryAccount, MemoryWatch
from rapid.environments.parties import Launcher, Parties
from rapid.environments.pendings import Pendings
from rapid.environments.polls import Polls, Signal
from rapid.environments.process import LaunchError
from rapid.environments.snapshot_point import SnapshotPoint
from rapid.environments.stream import ResponseStream
from rapid.environments.workers import Workers
from rapid.telemetry.log import EnvironmentLog

EXIT_SETTLE = 0.02
"""Seconds that an exit waits while an invocation or init is open: what was sent last may still be on its way."""

STOP_LIMIT = 3.0
"""Seconds that a shutdown waits for everybody to be gone: the longest budget, and what the kernel may take."""

UNDER_WAY = (Phase.INIT, Phase.RESTORE, Phase.INVOKE)
"""Phases in which somebody is waited for."""

AT_WORK = (*UNDER_WAY, Phase.RESET)
"""Phases in which processes run, and may use more memory than they have."""

Poll = asyncio.Future[Attempt | Signal]


class Environment:
    """The imperative shell around a lifecycle: processes, timer, parked polls, log.

    Attributes:
        phase: its phase.
        capacity: how many more invocations it can take now.
        polls: the runtime's.
        snapshot_point: where the runtime may wait to be restored; None where it cannot.
        extensions: where extensions are served.

    Args:
        lifecycle: decides.
        launcher: starts processes.
        memory: counts their memory.
        log: receives output and platform records.
        on_change: called after each change of phase or capacity.
    """

    def __init__(
        self,
        lifecycle: EnvironmentLifecycle,
        launcher: Launcher,
        memory: MemoryAccount,
        log: EnvironmentLog,
        on_change: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.polls = self._polls_of(lifecycle)
        self.snapshot_point = self._snapshot_point_of(lifecycle)
        self.phase, self.capacity = lifecycle.phase, lifecycle.capacity
        self._lifecycle = lifecycle
        self._parties = Parties(launcher, memory, self._process_exited)
        self._memory = memory
        self._watch = MemoryWatch(memory, self._over_memory)
        self._log = log
        self.extensions = ExtensionDesk(lifecycle, self._apply, log, self._parties.drain)
        self._on_change = on_change
        self._pendings = Pendings()
        self._timer: asyncio.TimerHandle | None = None
        self._carry_out: dict[type[Effect], Callable[[Any], None]] = {
            do.Launch: self._launch,
            do.Terminate: self._terminate,
            do.Kill: self._kill,
            do.SetDeadline: self._set_deadline,
            do.Deliver: self._deliver,
            do.Restore: self._restore,
            do.Notify: self.extensions.notify,
            do.Answer: self._answer,
            do.Abandon: self._abandon,
            records.InvokeStart: self._quick_record,
            records.InvokeRuntimeDone: self._runtime_done,
            records.InvokeReport: self._report,
        }

    # From the scheduler

    @property
    def running(self) -> int:
        """How many invocations are with this environment, answered or not."""
        return len(self._pendings)

    @property
    def finishing(self) -> bool:
        """Whether it has answered all that it runs: it is as good as free, but for what comes behind the answer."""
        return len(self._pendings) > 0 and self._pendings.answered

    @property
    def spent(self) -> bool:
        """Whether it has ended and cannot be started again: its runtime came out of a snapshot."""
        return self._lifecycle.spent

    def start(self) -> None:
        """Begin the init phase ahead of any invocation."""
        self._apply(self._lifecycle.start(time.monotonic()))

    def invoke(self, pending: Pending) -> None:
        """Run an invocation, for which there is capacity."""
        self._pendings.add(pending)
        self._apply(self._lifecycle.invoke(pending.invocation, ids.uuid4(), time.monotonic(), time.time()))

    async def stop(self) -> None:
        """Shut down, and wait until all are gone; no longer than `STOP_LIMIT`, for the kernel may hold one."""
        self._apply(self._lifecycle.stop(time.monotonic()))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._parties.gone.wait(), STOP_LIMIT)
        self._release()
        self._watch.close()
        self._memory.close()
        await self._log.close()

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

    def answering(self, given: RuntimeInput, request_id: str, invocation_id: str | None) -> ResponseStream | None:
        """The runtime begins to answer; where the response goes as it comes, if the caller reads it so.

        Raises:
            Refused: wrong id, or not in this state.
        """
        self._lifecycle.answering(given, request_id, invocation_id, time.monotonic())
        return self._pendings.stream(request_id)

    def answered(self, request_id: str, outcome: Outcome) -> None:
        """The answer that was begun is whole, or will never be.

        Raises:
            Refused: the environment has ended in the meantime.
        """
        self._apply(self._lifecycle.answered(request_id, outcome, time.monotonic()))

    def init_error(self, outcome: Outcome) -> None:
        """The runtime reports that its init failed.

        Raises:
            Refused: its init is over.
        """
        effects = self._lifecycle.init_error(outcome, time.monotonic())
        if not self._pendings:
            self._show(outcome, None)
        self._apply(effects)

    # Effects

    def _apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            self._carry_out.get(type(effect), self._record)(effect)
        phase, capacity = self._lifecycle.phase, self._lifecycle.capacity
        if phase is not self.phase:
            self._watch.start() if phase in AT_WORK else self._watch.stop()
        elif capacity == self.capacity:
            return
        self.phase, self.capacity = phase, capacity
        self._on_change()

    def _launch(self, effect: do.Launch) -> None:
        try:
            self._parties.launch(effect.party, self._log.writer(effect.party.extension))
        except LaunchError as error:
            why = invalid_entrypoint if effect.party == RUNTIME_PARTY else extension_launch_failed
            self._loop.call_soon(self._launch_failed, effect.party, why(str(error)))

    def _terminate(self, effect: do.Terminate) -> None:
        self._parties.terminate(effect.party)

    def _kill(self, effect: do.Kill) -> None:
        self._parties.kill(effect.party)

    def _set_deadline(self, effect: do.SetDeadline) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if effect.seconds is not None:
            self._timer = self._loop.call_later(effect.seconds, self._deadline)

    def _deliver(self, effect: do.Deliver) -> None:
        self.polls.deliver(effect.attempt)

    def _restore(self, effect: do.Restore) -> None:
        assert self.snapshot_point is not None
        self.snapshot_point.polls.deliver(effect)

    def _answer(self, effect: do.Answer) -> None:
        if effect.outcome.error_type is not None:
            self._show(effect.outcome, effect.invocation)
        self._pendings.answer(effect.invocation, effect.outcome)

    def _show(self, outcome: Outcome, invocation: Invocation | None) -> None:
        """Show an error to whoever sits at a terminal, behind what was written before it."""
        if self._log.shows_errors:
            self._parties.drain()
            self._log.failed(outcome, invocation)

    def _abandon(self, effect: do.Abandon) -> None:
        self._pendings.abandon(effect)

    def _quick_record(self, record: records.Record) -> None:
        """A record before which nobody can have written anything that belongs before it."""
        self._log.record(record, 0)

    def _runtime_done(self, record: records.InvokeRuntimeDone) -> None:
        """A record that nobody may want: the report behind it takes in what was written."""
        (self._record if self._log.has_platform_subscriber else self._quick_record)(record)

    def _record(self, record: records.Record) -> None:
        self._parties.drain()
        self._log.record(record, -(-self._memory.peak_kib() // 1024))

    def _report(self, record: records.InvokeReport) -> None:
        self._record(record)
        self._pendings.reported(record.invocation, self._log.tail)

    # From the clients, the processes and the timer

    def _snapshot_point_of(self, lifecycle: EnvironmentLifecycle) -> SnapshotPoint | None:
        return SnapshotPoint(lifecycle, self._apply, self._loop) if isinstance(lifecycle, Lifecycle) else None

    def _polls_of(self, lifecycle: EnvironmentLifecycle) -> Polls[Attempt]:
        """Where a runtime waits for its next event: one poll, or one of each worker."""
        if not isinstance(lifecycle, ConcurrentLifecycle):
            return Polls(self._loop)

        def left() -> None:
            self._apply(lifecycle.left())

        def missed(attempt: Attempt) -> None:
            self._apply(lifecycle.missed(attempt))

        return Workers(self._loop, left, missed)

    def _deadline(self) -> None:
        self._timer = None
        self._apply(self._lifecycle.deadline(time.monotonic()))

    def _launch_failed(self, party: Party, fault: Fault) -> None:
        self._apply(self._lifecycle.launch_failed(party, fault, time.monotonic()))
        self.extensions.clean_up()

    def _process_exited(self, party: Party, status: int) -> None:
        if self.phase in UNDER_WAY:
            self._loop.call_later(EXIT_SETTLE, self._settled, party, status, time.monotonic())
        else:
            self._settled(party, status, time.monotonic())

    def _settled(self, party: Party, status: int, when: float) -> None:
        self._parties.left(party)
        if party == RUNTIME_PARTY:
            self._release_runtime()
        oom_killed = status == -signal.SIGKILL and self._memory.out_of_memory()
        self._apply(self._lifecycle.exited(party, status, when, oom_killed=oom_killed))
        self.extensions.clean_up()

    def _over_memory(self) -> None:
        self._apply(self._lifecycle.over_memory(time.monotonic()))

    def _release_runtime(self) -> None:
        self.polls.release()
        if self.snapshot_point:
            self.snapshot_point.polls.release()

    def _release(self) -> None:
        self._release_runtime()
        self.extensions.release()
