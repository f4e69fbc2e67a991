"""The Runtime API (2018-06-01) of one environment.

Source: AWS developer guide, "Using the Lambda runtime API for custom runtimes".
"""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from rapid.api import answers
from rapid.api.polling import hear
from rapid.asgi import JSON_TYPE, BodyTooLarge, ClientGone, Face, body_pieces, header, json_line, read_body, respond
from rapid.core.errors import MAX_RESPONSE_BYTES, MAX_STREAMED_BYTES, Refused, response_too_large
from rapid.core.invocation import Attempt, Outcome
from rapid.core.machine import RuntimeInput, invalid_transition
from rapid.environments.environment import Environment
from rapid.environments.polls import Signal
from rapid.environments.stream import ResponseStream

PING = "/2018-06-01/ping"
NEXT = "/2018-06-01/runtime/invocation/next"
INVOCATION = "/2018-06-01/runtime/invocation/"
INIT_ERROR = "/2018-06-01/runtime/init/error"

ACCEPTED = json_line({"status": "OK"})


class RuntimeApi:
    """The calls of the Runtime API, each an ASGI callable that may raise `Refused`."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def faces(self) -> list[Face]:
        """Method, path and server of every call."""
        return [
            ("GET", PING, PlainTextResponse("pong")),
            ("GET", NEXT, self.next),
            ("POST", INVOCATION + "{id}/response", self.response),
            ("POST", INVOCATION + "{id}/error", self.error),
            ("POST", INIT_ERROR, self.init_error),
        ]

    async def next(self, _: Scope, receive: Receive, send: Send) -> None:
        """`GET invocation/next`: park until there is an event, then render it."""
        poll, polls = self._environment.next(), self._environment.polls
        heard: Attempt | Signal | None = None if polls.contended else await poll
        if heard is None or heard is Signal.OVERTAKEN:
            heard = await hear(polls, poll, receive)
        if heard is None:
            return
        if isinstance(heard, Signal):
            raise invalid_transition("Exited", RuntimeInput.NEXT)
        await respond(send, 200, event_headers(heard), heard.invocation.payload)

    async def response(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST invocation/{id}/response`: id, then state, then mode, then size are checked."""
        request_id = scope["path"][len(INVOCATION) : -len("/response")]
        stream = self._begin(RuntimeInput.RESPOND, request_id, scope)
        bad_mode = answers.mode_error(header(scope, b"lambda-runtime-function-response-mode"))
        if bad_mode:
            self._environment.answered(request_id, answers.invalid_mode(request_id))
            raise bad_mode
        if stream is None:
            body = await self._answer_body(request_id, receive)
            outcome = answers.trailer_error(scope) or Outcome(body)
        else:
            streamed = await self._pass_on(request_id, scope, receive, stream)
            outcome = replace(answers.trailer_error(scope) or Outcome(b""), streamed=streamed)
        self._environment.answered(request_id, outcome)
        await respond(send, 202, [JSON_TYPE], ACCEPTED)

    async def error(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST invocation/{id}/error`: the function failed; the body goes to the caller."""
        request_id = scope["path"][len(INVOCATION) : -len("/error")]
        self._begin(RuntimeInput.FAIL, request_id, scope)
        body = await self._answer_body(request_id, receive)
        self._environment.answered(request_id, answers.function_error(scope, body))
        await respond(send, 202, [JSON_TYPE], ACCEPTED)

    def _begin(self, given: RuntimeInput, request_id: str, scope: Scope) -> ResponseStream | None:
        return self._environment.answering(given, request_id, header(scope, b"lambda-runtime-invocation-id"))

    async def init_error(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST init/error`: the runtime could not initialise; the body goes to the caller that waits, if any."""
        body = await error_body(receive)
        if body is None:
            return
        self._environment.init_error(answers.init_error(scope, body))
        await respond(send, 202, [JSON_TYPE], ACCEPTED)

    async def _answer_body(self, request_id: str, receive: Receive) -> bytes:
        """The answer's body. One that is too large, or cut short, is itself the caller's answer."""
        try:
            return await read_body(receive, MAX_RESPONSE_BYTES, count_all=True)
        except BodyTooLarge as large:
            raise self._too_large(request_id, large.size, MAX_RESPONSE_BYTES) from None
        except ClientGone:
            raise self._truncated(request_id) from None

    async def _pass_on(self, request_id: str, scope: Scope, receive: Receive, stream: ResponseStream) -> int:
        """Give the caller the body as it comes; how much it was. An error may follow what it has read."""
        stream.begin(header(scope, b"content-type"))
        try:
            async for piece in body_pieces(receive):
                if stream.written + len(piece) > MAX_STREAMED_BYTES:
                    size = stream.written + len(piece)
                    raise self._too_large(request_id, size, MAX_STREAMED_BYTES, streamed=stream.written)
                await stream.write(piece)
        except ClientGone:
            raise self._truncated(request_id, stream.written) from None
        return stream.written

    def _too_large(self, request_id: str, size: int, limit: int, streamed: int = 0) -> Refused:
        error = Outcome(response_too_large(size, limit), "Function.ResponseSizeTooLarge", streamed)
        self._environment.answered(request_id, error)
        return answers.too_large(limit)

    def _truncated(self, request_id: str, streamed: int = 0) -> Refused:
        self._environment.answered(request_id, replace(answers.truncated(request_id), streamed=streamed))
        return answers.truncated_request()


async def error_body(receive: Receive) -> bytes | None:
    """What a runtime posts that could not begin; None when it has left in the middle of it.

    Raises:
        Refused: 413, it is too large.
    """
    try:
        return await read_body(receive, MAX_RESPONSE_BYTES, count_all=True)
    except BodyTooLarge:
        raise answers.too_large() from None
    except ClientGone:
        return None


def event_headers(attempt: Attempt) -> list[tuple[bytes, bytes]]:
    """The headers of an event; those without a value are left out, for clients take an empty one for a value."""
    invocation = attempt.invocation
    headers = [
        JSON_TYPE,
        (b"lambda-runtime-aws-request-id", invocation.request_id.encode()),
        (b"lambda-runtime-invocation-id", attempt.invocation_id.encode()),
        (b"lambda-runtime-deadline-ms", str(attempt.deadline_ms).encode()),
        (b"lambda-runtime-invoked-function-arn", invocation.function_arn.encode()),
        (b"lambda-runtime-trace-id", invocation.trace_id.encode("latin-1")),
    ]
    if invocation.client_context:
        headers.append((b"lambda-runtime-client-context", invocation.client_context.encode()))
    if invocation.cognito_identity:
        headers.append((b"lambda-runtime-cognito-identity", invocation.cognito_identity.encode()))
    if invocation.tenant_id:
        headers.append((b"lambda-runtime-aws-tenant-id", invocation.tenant_id.encode()))
    return headers
