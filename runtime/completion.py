"""From what a handler returned at once to what it meant: coroutines are run to their end, generators written out.

Imported when a handler first returns one of them.
"""

from __future__ import annotations

from .errors import MARSHAL_ERROR, FaultError
from .response import Response, StreamBrokenError
from .streaming import as_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from .context import LambdaContext
    from .handler import Result


def complete(result: Result, context: LambdaContext, *, streams: bool) -> Result:
    """The handler's result, to be marshalled unless the response has been streamed.

    `streams`: the handler is a generator function, so that an iterator is the pieces of its response.
    """
    kind = type(result)
    if hasattr(kind, "__await__") or (streams and hasattr(kind, "__anext__")):
        from .event_loop import event_loop

        result = event_loop.run(_awaited(result, context, streams))
    if streams and hasattr(type(result), "__next__"):
        return _write_all(result, context.response_stream.response)
    return result


async def acomplete(result: Result, context: LambdaContext, *, streams: bool) -> Result:
    """The same on the event loop that runs."""
    result = await _awaited(result, context, streams)
    if streams and hasattr(type(result), "__next__"):
        return _write_all(result, context.response_stream.response)
    return result


async def _awaited(result: Result, context: LambdaContext, streams: bool) -> Result:
    """In one task, so that the context variables of a coroutine are those of the generator that it returned."""
    if hasattr(type(result), "__await__"):
        result = await result
    if streams and hasattr(type(result), "__anext__"):
        return await _awrite_all(result, context.response_stream.response)
    return result


def _write_all(pieces: Iterator[object], response: Response) -> None:
    response.wanted = True
    try:
        for piece in pieces:
            if data := _encoded(piece):
                response.write(data)
    except StreamBrokenError:
        pass  # told already; the function has nothing to do with it
    finally:
        if close := getattr(pieces, "close", None):
            close()


async def _awrite_all(pieces: AsyncIterator[object], response: Response) -> None:
    response.wanted = True
    try:
        async for piece in pieces:
            if data := _encoded(piece):
                await response.awrite(data)
    except StreamBrokenError:
        pass
    finally:
        if close := getattr(pieces, "aclose", None):
            await close()


def _encoded(piece: object) -> bytes:
    try:
        return as_bytes(piece)
    except (TypeError, UnicodeEncodeError) as error:
        raise FaultError(MARSHAL_ERROR, f"Unable to marshal response: {error}") from error
