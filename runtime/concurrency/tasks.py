"""Several invocations at once as tasks on the event loop: for coroutines."""

from __future__ import annotations

from _contextvars import copy_context

from ..client import complain
from ..completion import acomplete
from ..context import LambdaContext
from ..errors import RuntimeAPIError
from ..event_loop import CancelledError, asyncio, event_loop
from ..loop import Service, failure_of
from ..marshal import unmarshal
from . import current
from .board import Slot
from .loop_client import LoopClient

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _contextvars import Context
    from typing import NoReturn

    from ..client import Invocation
    from ..handler import Handler
    from ..marshal import Encoder
    from .worker import Worker


def run_tasks(worker: Worker, handler: Handler, encoder: Encoder) -> NoReturn:
    """Serve every slot; raises `RuntimeAPIError` when the last one has lost the Runtime API."""
    current.take_turns()
    raise event_loop.run(_serve_all(worker, handler, encoder))


async def _serve_all(worker: Worker, handler: Handler, encoder: Encoder) -> RuntimeAPIError:
    context = copy_context()
    address, board = worker.address, worker.board
    clients = [LoopClient(address, Slot(board, slot), pipelined=worker.pipelined) for slot in worker.slots]
    services = [TaskService(client, handler, encoder) for client in clients]
    failures = await asyncio.gather(*map(_serve_slot, clients, services, [context] * len(clients)))
    last: RuntimeAPIError = failures[-1]
    return last


async def _serve_slot(client: LoopClient, service: TaskService, context: Context) -> RuntimeAPIError:
    create_task = asyncio.get_running_loop().create_task
    while True:
        try:
            invocation = await client.anext()
        except RuntimeAPIError as error:
            complain(str(error))
            return error
        # In a context of its own, which has what was set while the handler was imported.
        await context.copy().run(create_task, service.aserve(invocation))
        del invocation


class TaskService(Service):
    """One invocation among others on the event loop: `sys.exit` ends it alone."""

    __slots__ = ()

    async def aserve(self, invocation: Invocation) -> None:
        """`serve` for coroutines."""
        current.enter(invocation)
        context = None
        try:
            context = LambdaContext(invocation, self.function, self.new_stream)
            event = unmarshal(invocation.body, invocation.content_type)
            answer = await self._answer(event, context)
        except asyncio.CancelledError as error:
            cancelled = CancelledError(*error.args).with_traceback(error.__traceback__)
            await self._fail(invocation, context, cancelled)
        except (Exception, SystemExit) as error:
            await self._fail(invocation, context, error)
        else:
            if answer is not None:
                self.client.respond(invocation, *answer)

    async def _answer(self, event: object, context: LambdaContext) -> tuple[bytes, str] | None:
        result = await acomplete(self.handler(event, context), context, streams=self.kind.is_generator)
        response = context.take_response()
        if response is not None:
            await response.adrain()
            if response.finish():
                return None
        return self.encoder.marshal(result)

    async def _fail(self, invocation: Invocation, context: LambdaContext | None, error: BaseException) -> None:
        response = None if context is None else context.take_response()
        failure = failure_of(invocation, error, self.encoder)
        body, error_type, _cause = failure
        if response is not None and response.begun:
            await response.adrain(self.client.error_trailers(body, error_type))
        if response is None or not response.fail(body, error_type):
            self.client.fail(invocation, *failure)
