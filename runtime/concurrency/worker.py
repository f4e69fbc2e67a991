"""A process that serves: from what its supervisor gave it to the invocations."""

from __future__ import annotations

import os
from time import sleep

from ..client import Invocation, RuntimeClient
from ..errors import RuntimeAPIError
from ..handler import kind_of
from ..loop import failure_of, run
from ..paths import library_module
from . import output
from .board import ALONE, GONE, TOGETHER, Slot
from .exits import ended
from .settings import HOW, PROCESSES, TASKS, THREADS
from .slot_client import SlotClient

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from ..connection import Reply
    from ..handler import Handler
    from ..marshal import Encoder
    from .board import Board

    Held = tuple[str, str | None]


class Loss:
    """A worker that has ended: why, the invocations that it held, and for how many seconds its slots are to rest."""

    def __init__(self, reason: str, held: list[Held]) -> None:
        self.reason = reason
        self.held = held
        self.delay = 0.0


class Worker:
    """What a worker knows of its place: `slot`, its own or, if it serves all of them, the first of `slots`; `client`,
    for what comes before the first invocation; `address` and `pipelined` as in `RuntimeClient`.

    `is_first`: the environment's first worker, whose failure to load the handler is the failure of the init. `loss`:
    what has happened to the one before it.
    """

    def __init__(
        self,
        client: RuntimeClient,
        board: Board,
        slot: int,
        slots: range,
        way: str,
        *,
        is_first: bool,
        loss: Loss | None,
    ) -> None:
        self.client = client if is_first else _LaterClient(client.address, pipelined=False)
        self.board = board
        self.slot = slot
        self.slots = slots
        self.address, self.pipelined = client.address, client.pipelined
        self._way = way
        self._loss = loss
        self._supervisor = os.getppid()

    def take_up(self, encoder: Encoder) -> None:
        """Take the output over, and answer what the worker before this one cannot answer any more."""
        output.connect_output(os.environ)
        output.write_whole_lines()
        if self._loss is None:
            return
        client = _LastWords(self.address, pipelined=False)
        for request_id, invocation_id in self._loss.held:
            headers = {"lambda-runtime-invocation-id": invocation_id} if invocation_id else {}
            invocation = Invocation(request_id, headers, b"")
            client.fail(invocation, *failure_of(invocation, ended(request_id, self._loss.reason), encoder))
        client.disconnect()
        sleep(self._loss.delay)

    def new_slot_client(self, slot: int) -> SlotClient:
        """The client of a slot that waits for what it asks."""
        return SlotClient(self.address, Slot(self.board, slot), pipelined=self.pipelined)

    def run(self, handler: Handler, encoder: Encoder) -> NoReturn:
        """Serve invocations, if the handler can be served in that way; raises `RuntimeAPIError` when there will be
        none.
        """
        way = self._way_or_exit(handler, encoder)
        self._stand(ALONE if way == PROCESSES else TOGETHER)
        try:
            if way == TASKS:
                from .tasks import run_tasks

                run_tasks(self, handler, encoder)
            elif way == THREADS:
                from .threads import run_threads

                run_threads(self, handler, encoder)
            else:
                run(self.new_slot_client(self.slot), handler, encoder)
        except RuntimeAPIError:
            self.board.stand(self.slot, GONE)
            raise

    def _way_or_exit(self, handler: Handler, encoder: Encoder) -> str:
        try:
            return self._way_of(handler)
        except ValueError as error:
            from ..start import report_init_failure

            report_init_failure(self.client, encoder, error)
            raise SystemExit(1) from None

    def _way_of(self, handler: Handler) -> str:
        """Coroutines share a process, unless told otherwise, and nothing else does. A decorator that is none itself may
        run an event loop of its own, so it is not taken for the coroutine below it.
        """
        if self._way == TASKS and not kind_of(handler).is_async:
            raise ValueError(f"{HOW} is '{TASKS}', but the handler is no coroutine or asynchronous generator")
        if self._way in ("", THREADS) and kind_of(handler, undecorated=False).is_async:
            return TASKS
        return self._way or PROCESSES

    def _stand(self, standing: int) -> None:
        self.board.stand(self.slot, standing)
        os.kill(self._supervisor, library_module("signal").SIGCHLD)  # to have it look


class _LaterClient(RuntimeClient):
    """The init is over, so that nobody wants to know of an error at init; the log has it."""

    def fail_init(self, body: bytes, error_type: str) -> None:
        pass


class _LastWords(RuntimeClient):
    """For invocations that may have been answered by now, or broken off with the connection of their response."""

    def _check(self, path: str, reply: Reply) -> None:
        pass
