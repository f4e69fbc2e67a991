"""The invoke loop: next, call, respond."""

from __future__ import annotations

import os

from .client import complain
from .context import FunctionFacts, LambdaContext
from .descriptors import spare
from .handler import kind_of
from .logs import current
from .marshal import Encoder, unmarshal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from .client import Invocation, RuntimeClient
    from .handler import Handler, Kind, Result
    from .report import ErrorReport
    from .streaming import ResponseStream

    Failure = tuple[bytes, str, str]
    """The arguments of `RuntimeClient.fail`."""
    LogError = Callable[[ErrorReport, str, Encoder], None]

_TRACE_ID = "_X_AMZN_TRACE_ID"


def run(client: RuntimeClient, handler: Handler, encoder: Encoder) -> NoReturn:
    """Serve invocations until the process is ended or the Runtime API fails (`RuntimeAPIError`).

    An exception of the handler becomes the invocation's error. SystemExit, KeyboardInterrupt and other things that are
    not an Exception leave the process, as they do under AWS's runtime.
    """
    service = Service(client, handler, encoder)
    if service.kind.is_async:
        _open_event_loop()
    while True:
        invocation = client.next()
        current.request_id, current.tenant_id = invocation.request_id, invocation.tenant_id
        _set_trace_id(invocation.trace_id)
        service.serve(invocation)
        del invocation  # nothing is to hold it while the next is waited for


class Service:
    """How one invocation is served: event in, handler, answer out. `kind` is the handler's.

    `caught`: what the handler may raise without leaving the process.
    """

    __slots__ = ("client", "encoder", "function", "handler", "kind")
    caught: type[BaseException] = Exception

    def __init__(self, client: RuntimeClient, handler: Handler, encoder: Encoder) -> None:
        self.client = client
        self.handler = handler
        self.encoder = encoder
        self.function = FunctionFacts(os.environ)
        self.kind = kind_of(handler)
        spare.take()

    def serve(self, invocation: Invocation) -> None:
        """Have the handler answer; its exceptions are the invocation's error."""
        context = None
        try:
            context = LambdaContext(invocation, self.function, self.new_stream)
            event = unmarshal(invocation.body, invocation.content_type)
            answer = _answer_with(self.handler(event, context), context, self.encoder, self.kind)
        except self.caught as error:
            response = None if context is None else context.take_response()
            failure = failure_of(invocation, error, self.encoder)
            if response is None or not response.fail(failure[0], failure[1]):
                self.client.fail(invocation, *failure)
        else:
            if answer is not None:
                self.client.respond(invocation, *answer)

    def new_stream(self, request_id: str, invocation_id: str | None) -> ResponseStream:
        """The response of an invocation, for its handler to write."""
        from .response import Response
        from .streaming import ResponseStream

        return ResponseStream(Response(self.client, request_id, invocation_id), self.encoder)


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


def _set_trace_id(trace_id: str | None) -> None:
    """The X-Ray SDK reads the trace of the invocation from the environment."""
    if trace_id is not None:
        os.environ[_TRACE_ID] = trace_id
    elif _TRACE_ID in os.environ:
        del os.environ[_TRACE_ID]


def failure_of(invocation: Invocation, error: BaseException, encoder: Encoder) -> Failure:
    """Log the error of an invocation; how the invocation is to be answered with it."""
    try:
        return _failure_of(invocation, error, encoder)
    except Exception as reason:  # of what it needs, user code has left nothing: the least that there is to say
        complain(f"an error could not be reported: {type(error).__name__}: {reason!r}")
        kind, text = type(error).__name__, "the error could not be reported"
        told = {"errorMessage": text, "errorType": kind, "requestId": invocation.request_id, "stackTrace": []}
        return encoder.encode(told), kind, ""


def _failure_of(invocation: Invocation, error: BaseException, encoder: Encoder) -> Failure:
    try:
        report, log_error = _report_of(invocation, error)
    except OSError:  # the function has used up all descriptors, and what reports its error is in files
        spare.give_up()
        report, log_error = _report_of(invocation, error)
    log_error(report, invocation.request_id, encoder)
    body = encoder.encode(report.as_json(invocation.request_id))
    cause = Encoder(ascii_only=True).encode(report.as_cause()).decode("ascii")
    return body, report.error_type, cause


def _report_of(invocation: Invocation, error: BaseException) -> tuple[ErrorReport, LogError]:
    """The report of an error, and what logs it."""
    from .formats import log_error
    from .report import ErrorReport

    if isinstance(error, SystemExit):
        from .concurrency.exits import exit_fault

        error = exit_fault(invocation.request_id, error.code)
    return ErrorReport(error), log_error
