"""The Runtime API for a slot on the event loop: others run while it waits for a reply.

What is not waited for is the connecting and, once it begins to come, the rest of a reply: the server is on the same
machine and writes a reply as one.
"""

from __future__ import annotations

from ..client import complain
from ..connection import BrokenReplyError, DisconnectedError
from ..errors import RuntimeAPIError
from ..event_loop import asyncio, readable, writable
from .slot_client import DELAYS, LineEndingClient, again

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..client import Invocation
    from ..connection import Reply
    from .board import Slot


class LoopClient(LineEndingClient):
    """`respond` and `fail` send nothing: an answer goes out before the next question or, if `pipelined`, in one segment
    with it.
    """

    def __init__(self, address: str, slot: Slot, *, pipelined: bool) -> None:
        super().__init__(address, pipelined=True)
        self._slot = slot
        self._in_one = pipelined

    async def anext(self) -> Invocation:
        """Wait for the next invocation; raises `RuntimeAPIError` when five attempts have failed."""
        for delay in DELAYS:
            try:
                return await self._ask()
            except RuntimeAPIError as error:  # noqa: PERF203
                again(error, delay)
                await asyncio.sleep(delay)
        return await self._ask()

    async def _ask(self) -> Invocation:
        kept, self._kept = self._kept, None
        self._slot.clear()
        reply = await self._aexchange(self._next) if kept is None else await self._answer_and_ask(kept)
        invocation = self._invocation_in(reply)
        self._slot.hold(invocation.request_id, invocation.invocation_id)
        return invocation

    async def _answer_and_ask(self, answer: tuple[str, bytes, bytes]) -> Reply:
        path, *request = answer
        answered = False
        if self._in_one:
            try:
                await self._send(*request, self._next)
                self._check(path, await self._reply())
                answered = True
                return await self._reply()
            except (DisconnectedError, OSError, BrokenReplyError):
                self._connection.close()  # an old one: one by one on a new one
        if not answered:
            try:
                self._check(path, await self._aexchange(*request))
            except RuntimeAPIError as error:
                complain(f"POST {path}: {error}")
        return await self._aexchange(self._next)

    async def _aexchange(self, *request: bytes) -> Reply:
        """`_exchange` for coroutines."""
        try:
            while True:
                was_open = self._connection.is_open
                await self._send(*request)
                try:
                    return await self._reply()
                except DisconnectedError:
                    if not was_open:
                        raise
        except (DisconnectedError, OSError, BrokenReplyError) as error:
            raise self._failure(error) from error

    async def _send(self, *parts: bytes) -> None:
        connection = self._connection
        unsent = memoryview(b"".join(parts))
        while unsent := unsent[connection.send_some(unsent) :]:
            await writable(connection.fileno())

    async def _reply(self) -> Reply:
        if not self._connection.has_input:
            await readable(self._connection.fileno())
        return self._connection.read()
