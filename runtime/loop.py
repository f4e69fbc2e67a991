"""The invoke loop: next, call, respond."""

from __future__ import annotations

import os

from .context import FunctionFacts, LambdaContext
from .logs import current
from .marshal import Encoder, unmarshal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .client import Invocation, RuntimeClient
    from .handler import Handler

_TRACE_ID = "_X_AMZN_TRACE_ID"


def run(client: RuntimeClient, handler: Handler, encoder: Encoder) -> NoReturn:
    """Serve invocations until the process is ended or the Runtime API fails (`RuntimeAPIError`).

    An exception of the handler becomes the invocation's error. SystemExit, KeyboardInterrupt and other things that are
    not an Exception leave the process, as they do under AWS's runtime.
    """
    function = FunctionFacts(os.environ)
    while True:
        invocation = client.next()
        current.request_id, current.tenant_id = invocation.request_id, invocation.tenant_id
        _set_trace_id(invocation.trace_id)
        try:
            context = LambdaContext(invocation, function)
            event = unmarshal(invocation.body, invocation.content_type)
            body, content_type = encoder.marshal(handler(event, context))
        except Exception as error:
            report_failure(client, encoder, invocation, error)
        else:
            client.respond(invocation, body, content_type)


def _set_trace_id(trace_id: str | None) -> None:
    """The X-Ray SDK reads the trace of the invocation from the environment."""
    if trace_id is not None:
        os.environ[_TRACE_ID] = trace_id
    elif _TRACE_ID in os.environ:
        del os.environ[_TRACE_ID]


def report_failure(client: RuntimeClient, encoder: Encoder, invocation: Invocation, error: Exception) -> None:
    """Log an invocation's error and answer the invocation with it."""
    from .formats import log_error
    from .report import ErrorReport

    report = ErrorReport(error)
    log_error(report, invocation.request_id, encoder)
    body = encoder.encode(report.as_json(invocation.request_id))
    cause = Encoder(ascii_only=True).encode(report.as_cause()).decode("ascii")
    client.fail(invocation, body, report.error_type, cause)
