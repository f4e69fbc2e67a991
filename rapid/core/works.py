"""What an environment that takes several invocations at once is at work on."""

from __future__ import annotations

from rapid.core import effects as do
from rapid.core.effects import Effect
from rapid.core.errors import Fault, invalid_invocation_id, invalid_request_id, invoke_timed_out, timed_out
from rapid.core.invocation import Attempt, Invocation, Outcome
from rapid.core.machine import RuntimeInput, RuntimeState, move
from rapid.core.progress import NOTHING, Owed, Progress
from rapid.core.records import InvokeStart
from rapid.core.work import abandoned, failed, fault_of_nobody

REMEMBERED = 1000
"""Ids of invocations that timed out by which a late answer is told that it is late, and not that it is wrong."""

EARLY = 0.002
"""Seconds by which a timer may be early."""


class Item:
    """One attempt that has not been reported.

    Attributes:
        progress: its clock and outcome.
        state: where the conversation about it stands: a worker has it from `RUNNING` on.
        due: monotonic seconds at which it times out.
        started: its start has been recorded.
        waits: for an init, which has a time of its own: that of the attempt begins behind it.
    """

    __slots__ = ("due", "progress", "started", "state", "waits")

    def __init__(self, progress: Progress, due: float, *, waits: bool) -> None:
        self.progress = progress
        self.state = RuntimeState.READY
        self.due = due
        self.started = False
        self.waits = waits


class Works:
    """Every attempt by its request id; see `AnyWork` for what the environment's end asks.

    An attempt is over, and reported, when its answer is whole: nobody can tell which worker asks for the next event.

    Args:
        timeout: the function's timeout, seconds.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._items: dict[str, Item] = {}  # in the order in which they began, which is the order of their deadlines
        self._late: dict[str, None] = {}  # ids, oldest first
        self._epoch = 0.0  # seconds to add to monotonic ones

    @property
    def open(self) -> bool:
        """See `AnyWork.open`."""
        return bool(self._items)

    @property
    def count(self) -> int:
        """How many have not been reported."""
        return len(self._items)

    @property
    def due(self) -> float | None:
        """When the first of them times out, monotonic seconds."""
        return next((item.due for item in self._items.values()), None)

    def begin(self, invocation: Invocation, invocation_id: str, now: float, epoch: float, *, waits: bool) -> Attempt:
        """Take an invocation; arguments as for `EnvironmentLifecycle.invoke`, and whether it waits for an init."""
        self._epoch = epoch - now
        progress = self._clock(invocation, invocation_id, now)
        self._items[invocation.request_id] = Item(progress, now + self._timeout, waits=waits)
        return progress.attempt

    def waited(self, now: float) -> list[Attempt]:
        """The init is over: the time of those begins that have waited for it; they."""
        waiting = [item for item in self._items.values() if item.waits]
        for item in waiting:
            self._begun(item, now)
        return [item.progress.attempt for item in waiting]

    def has(self, attempt: Attempt) -> bool:
        """Whether it has not been reported."""
        return attempt.invocation.request_id in self._items

    def start(self, attempt: Attempt) -> list[InvokeStart]:
        """A worker has it; its start is recorded the first time."""
        item = self._items[attempt.invocation.request_id]
        item.state = move(item.state, RuntimeInput.INVOKE)
        return _start(item)

    def missed(self, attempt: Attempt) -> bool:
        """The worker was gone that was to have it; False when it is no longer to be had."""
        item = self._items.get(attempt.invocation.request_id)
        if item is None or item.state is not RuntimeState.RUNNING:
            return False
        item.state = RuntimeState.READY
        return True

    def answering(self, given: RuntimeInput, request_id: str, invocation_id: str | None, now: float) -> None:
        """A worker begins to answer.

        Raises:
            Refused: `InvokeTimeout` or `InvalidRequestID`, `InvalidInvocationId`, `InvalidStateTransition`.
        """
        item = self._find(request_id)
        if invocation_id is not None and invocation_id != item.progress.attempt.invocation_id:
            raise invalid_invocation_id()
        item.state = move(item.state, given)
        item.progress.answering(now)

    def answered(self, request_id: str, outcome: Outcome, now: float) -> list[Effect]:
        """The answer is whole: it is passed on, and the attempt is over.

        Raises:
            Refused: as for `answering`.
        """
        item = self._find(request_id)
        move(item.state, RuntimeInput.SENT)
        del self._items[request_id]
        progress = item.progress
        progress.answer(outcome, now)
        return [
            do.Answer(progress.attempt.invocation, outcome),
            progress.runtime_finished(now),
            progress.finished(now, NOTHING),
        ]

    def overdue(self, now: float) -> list[Effect]:
        """Fail what has timed out, to its callers: the code goes on, and may come with an answer that is too late."""
        done: list[Effect] = []
        fault = timed_out(self._timeout)
        for request_id, item in list(self._items.items()):
            if item.due > now + EARLY:
                break
            del self._items[request_id]
            self._late[request_id] = None
            done += [*_start(item), *failed(item.progress, "timeout", fault.error_type, fault, now, NOTHING)]
        while len(self._late) > REMEMBERED:
            del self._late[next(iter(self._late))]
        return done

    def started(self) -> list[InvokeStart]:
        """See `AnyWork.started`."""
        return [record for item in self._items.values() for record in _start(item)]

    def owes(self, _: Owed) -> None:
        """See `AnyWork.owes`: the init is nobody's, for it is not paid by invocations (AWS: "Managed Instances")."""

    def failed(self, status: str, error_type: str, why: Fault | Outcome, now: float) -> list[Effect]:
        """See `AnyWork.failed`."""
        if not self._items:
            return fault_of_nobody(error_type, why)
        done: list[Effect] = []
        for item in self._take_all():
            ended = "error" if item.waits else status  # its own time has not begun
            done += failed(self._begun(item, now), ended, error_type, why, now, NOTHING)
        return done

    def abandoned(self, now: float) -> list[Effect]:
        """See `AnyWork.abandoned`."""
        return [effect for item in self._take_all() for effect in abandoned(self._begun(item, now), now, NOTHING)]

    def _begun(self, item: Item, now: float) -> Progress:
        """Its clock; one that never began has taken no time."""
        if item.waits:
            attempt = item.progress.attempt
            item.progress = self._clock(attempt.invocation, attempt.invocation_id, now)
            item.due, item.waits = now + self._timeout, False
        return item.progress

    def _clock(self, invocation: Invocation, invocation_id: str, now: float) -> Progress:
        deadline_ms = int((now + self._epoch + self._timeout) * 1000)
        return Progress(Attempt(invocation, invocation_id, deadline_ms), now, self._timeout)

    def _take_all(self) -> list[Item]:
        items = list(self._items.values())
        self._items.clear()
        return items

    def _find(self, request_id: str) -> Item:
        try:
            return self._items[request_id]
        except KeyError:
            raise (invoke_timed_out() if request_id in self._late else invalid_request_id()) from None


def _start(item: Item) -> list[InvokeStart]:
    if item.started:
        return []
    item.started = True
    return [InvokeStart(item.progress.attempt.invocation)]
