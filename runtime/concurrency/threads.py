"""Several invocations at once, each on a thread of its own: for functions that wait more than they compute."""

from __future__ import annotations

from _contextvars import copy_context

from ..client import complain
from ..errors import RuntimeAPIError
from ..loop import Service
from ..paths import library_module
from . import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from ..client import Invocation
    from ..handler import Handler
    from ..marshal import Encoder
    from .worker import Worker


class SharedService(Service):
    """One invocation among others in the process: `sys.exit` ends it alone."""

    __slots__ = ()
    caught = BaseException


def run_threads(worker: Worker, handler: Handler, encoder: Encoder) -> NoReturn:
    """Serve every slot; raises `RuntimeAPIError` when the last one has lost the Runtime API.

    The main thread waits, so that signals find it.
    """
    current.take_turns()
    context = copy_context()
    failures: list[RuntimeAPIError] = []

    def serve(slot: int) -> None:
        client = worker.new_slot_client(slot)
        service = SharedService(client, handler, encoder)
        try:
            while True:
                # In a context of its own, which has what was set while the handler was imported.
                context.copy().run(_serve, service, client.next())
        except RuntimeAPIError as error:
            complain(str(error))
            failures.append(error)

    new = library_module("threading").Thread
    threads = [new(target=serve, args=(slot,), name=f"invocations-{slot}", daemon=True) for slot in worker.slots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    raise failures[-1]


def _serve(service: Service, invocation: Invocation) -> None:
    current.enter(invocation)
    service.serve(invocation)
