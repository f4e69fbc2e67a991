"""How an invocation's outcome reaches its caller: whole, or as it comes."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable

from starlette.types import Receive, Send

from rapid.asgi import ClientGone, before_disconnect
from rapid.core.errors import Unavailable
from rapid.core.invocation import Outcome
from rapid.environments.invoker import Pending, Throttled
from rapid.environments.stream import ResponseStream
from rapid.frontends import eventstream
from rapid.frontends.errors import ServiceError, throttled, unavailable


async def answer(pending: Pending, receive: Receive) -> Outcome:
    """Wait for the outcome; a caller that leaves while its invocation waits for its turn takes it out of the queue.

    Raises:
        ClientGone: it has left so.
        ServiceError: there will be no outcome.
    """
    if not pending.started and not await before_disconnect(pending.answer, receive):
        pending.answer.cancel()
        raise ClientGone
    try:
        return await pending.answer
    except (Unavailable, Throttled) as error:
        raise _no_outcome(pending, error) from None


def _no_outcome(pending: Pending, error: Unavailable | Throttled) -> ServiceError:
    """There is no outcome: the function was at work, or never heard of it."""
    if isinstance(error, Throttled):
        return throttled(error.reason)
    return ServiceError(error.exception, str(error)) if pending.started else unavailable(str(error))


async def stream_answer(
    pending: Pending,
    stream: ResponseStream,
    headers: Iterable[tuple[bytes, bytes]],
    receive: Receive,
    send: Send,
) -> None:
    """Answer in AWS's event stream: a message for each piece when it comes, and one for the end.

    A caller that leaves does not stop the function.

    Raises:
        ClientGone: it left before its invocation had begun.
        ServiceError: there will be no outcome, and nothing has been sent yet.
    """
    if not await _begun(pending, stream, receive):
        return
    head = [
        *headers,
        (b"content-type", eventstream.CONTENT_TYPE.encode()),
        (b"x-amzn-remapped-content-type", stream.content_type.encode("latin-1", "replace")),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    sending = asyncio.ensure_future(_send_pieces(stream, send))
    if not await before_disconnect(sending, receive):
        stream.abandon()
        sending.cancel()
        return
    await send({"type": "http.response.body", "body": await _end(pending)})


async def _begun(pending: Pending, stream: ResponseStream, receive: Receive) -> bool:
    """Wait for the response's beginning, or its end in error; False when the caller leaves in the meantime."""
    beginning = asyncio.ensure_future(stream.begun())
    either = asyncio.ensure_future(asyncio.wait((beginning, pending.answer), return_when=asyncio.FIRST_COMPLETED))
    try:
        here = await before_disconnect(either, receive)
    finally:
        either.cancel()
        beginning.cancel()
    if here:
        if pending.answer.done() and isinstance(error := pending.answer.exception(), Unavailable | Throttled):
            raise _no_outcome(pending, error)
        return True
    stream.abandon()
    if not pending.started:
        pending.answer.cancel()
    return False


async def _send_pieces(stream: ResponseStream, send: Send) -> None:
    async for piece in stream.pieces():
        await send({"type": "http.response.body", "body": eventstream.payload_chunk(piece), "more_body": True})


async def _end(pending: Pending) -> bytes:
    try:
        outcome = await pending.answer
    except Unavailable as error:
        return eventstream.exception(error.exception, str(error))
    log = base64.b64encode(await pending.log_tail).decode() if pending.log_tail else None
    if outcome.error_type is None:
        return eventstream.invoke_complete(None, None, log)
    return eventstream.invoke_complete(outcome.error_type, outcome.payload.decode("utf-8", "replace"), log)
