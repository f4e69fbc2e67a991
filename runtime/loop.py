"""The invoke loop: next, call, respond."""

from __future__ import annotations

import os

from .context import FunctionFacts, LambdaContext
from .handler import kind_of
from .logs import current
from .marshal import Encoder, unmarshal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .client import Invocation, RuntimeClient
    from .context import NewStream
    from .handler import Handler, Kind, Result
    from .response import Response
    from .streaming import ResponseStream

_TRACE_ID = "_X_AMZN_TRACE_ID"


def run(client: RuntimeClient, handler: Handler, encoder: Encoder) -> NoReturn:
    """Serve invocations until the process is ended or the Runtime API fails (`RuntimeAPIError`).

    An exception of the handler becomes the invocation's error. SystemExit, KeyboardInterrupt and other things that are
    not an Exception leave the process, as they do under AWS's runtime.
    """
    function = FunctionFacts(os.environ)
    kind = kind_of(handler)
    if kind.is_async:
        _open_event_loop()
    new_stream = _stream_factory(client, encoder)
    while True:
        invocation = client.next()
        current.request_id, current.tenant_id = invocation.request_id, invocation.tenant_id
        _set_trace_id(invocation.trace_id)
        context = None
        try:
            context = LambdaContext(invocation, function, new_stream)
            event = unmarshal(invocation.body, invocation.content_type)
            # Without a name for the result: nothing is to hold it while the next invocation is waited for.
            answer = _answer_with(handler(event, context), context, encoder, kind)
        except Exception as error:
            report_failure(client, encoder, invocation, error, None if context is None else context.take_response())
        else:
            if answer is not None:
                client.respond(invocation, *answer)


def _open_event_loop() -> None:
    """While there is no invocation whose time it would take."""
    from .event_loop import event_loop

    event_loop.open()


def _answer_with(result: Result, context: LambdaContext, encoder: Encoder, kind: Kind) -> tuple[bytes, str] | None:
    """The body and content type to answer with; None when the response has been streamed."""
    if kind.is_generator or hasattr(type(result), "__await__"):
        from .completion import complete

        result = complete(result, context, streams=kind.is_generator)
    response = context.take_response()
    if response is not None and response.finish():
        return None
    return encoder.marshal(result)


def _stream_factory(client: RuntimeClient, encoder: Encoder) -> NewStream:
    def new_stream(request_id: str, invocation_id: str | None) -> ResponseStream:
        from .response import Response
        from .streaming import ResponseStream

        return ResponseStream(Response(client, request_id, invocation_id), encoder)

    return new_stream


def _set_trace_id(trace_id: str | None) -> None:
    """The X-Ray SDK reads the trace of the invocation from the environment."""
    if trace_id is not None:
        os.environ[_TRACE_ID] = trace_id
    elif _TRACE_ID in os.environ:
        del os.environ[_TRACE_ID]


def report_failure(
    client: RuntimeClient,
    encoder: Encoder,
    invocation: Invocation,
    error: Exception,
    response: Response | None,
) -> None:
    """Log an invocation's error and answer the invocation with it, or end the response with it that has begun."""
    from .formats import log_error
    from .report import ErrorReport

    report = ErrorReport(error)
    log_error(report, invocation.request_id, encoder)
    body = encoder.encode(report.as_json(invocation.request_id))
    if response is not None and response.fail(body, report.error_type):
        return
    cause = Encoder(ascii_only=True).encode(report.as_cause()).decode("ascii")
    client.fail(invocation, body, report.error_type, cause)
