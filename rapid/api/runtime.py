"""The Runtime API (2018-06-01) of one environment.

`next`, `response` and `error` are plain ASGI callables found without a router: they make up an invocation. Everything
else, and every error of path or method, goes through Starlette.

Source: AWS developer guide, "Using the Lambda runtime API for custom runtimes".
"""

from __future__ import annotations

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from rapid.api import answers
from rapid.asgi import (
    JSON_TYPE,
    BodyTooLarge,
    ClientGone,
    before_disconnect,
    header,
    json_line,
    read_body,
    respond,
    router,
)
from rapid.core.errors import MAX_RESPONSE_BYTES, Refused, response_too_large
from rapid.core.invocation import Attempt, Outcome
from rapid.core.machine import RuntimeInput, invalid_transition
from rapid.environments.environment import Environment
from rapid.environments.polls import Signal

PING = "/2018-06-01/ping"
NEXT = "/2018-06-01/runtime/invocation/next"
INVOCATION = "/2018-06-01/runtime/invocation/"
INIT_ERROR = "/2018-06-01/runtime/init/error"

ACCEPTED = json_line({"status": "OK"})


class RuntimeApi:
    """The ASGI application of one environment's Runtime API listener."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._router = _router(self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request: the paths of an invocation at once, others through the router."""
        path: str = scope.get("path", "")
        method = scope.get("method")
        serve: ASGIApp = self._router
        if path == NEXT and method == "GET":
            serve = self.next
        elif method == "POST" and path.startswith(INVOCATION) and path.endswith("/response") and path.count("/") == 5:
            serve = self.response
        try:
            await serve(scope, receive, send)
        except Refused as refused:
            await respond(send, refused.status, [JSON_TYPE], refusal(refused))

    async def next(self, _: Scope, receive: Receive, send: Send) -> None:
        """`GET invocation/next`: park until there is an event, then render it."""
        poll, polls = self._environment.next(), self._environment.polls
        heard = None if polls.contended else await poll
        while heard is None or heard is Signal.OVERTAKEN:
            if heard is Signal.OVERTAKEN:
                poll = polls.wait_behind()
            if not await before_disconnect(poll, receive):
                polls.withdraw(poll)
                return
            heard = poll.result()
        if isinstance(heard, Signal):
            raise invalid_transition("Exited", RuntimeInput.NEXT)
        await respond(send, 200, event_headers(heard), heard.invocation.payload)

    async def response(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST invocation/{id}/response`: id, then state, then mode, then size are checked."""
        request_id = scope["path"][len(INVOCATION) : -len("/response")]
        attempt_id = header(scope, b"lambda-runtime-invocation-id")
        give = RuntimeInput.RESPOND
        self._environment.check(give, request_id, attempt_id)
        bad_mode = answers.mode_error(header(scope, b"lambda-runtime-function-response-mode"))
        if bad_mode:
            self._environment.answer(give, request_id, attempt_id, answers.invalid_mode(request_id))
            raise bad_mode
        body = await self._answer_body(give, request_id, attempt_id, receive)
        outcome = answers.trailer_error(scope) or Outcome(body)
        self._environment.answer(give, request_id, attempt_id, outcome)
        await respond(send, 202, [JSON_TYPE], ACCEPTED)

    async def error(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST invocation/{id}/error`: the function failed; the body goes to the caller."""
        request_id = scope["path"][len(INVOCATION) : -len("/error")]
        attempt_id = header(scope, b"lambda-runtime-invocation-id")
        give = RuntimeInput.FAIL
        self._environment.check(give, request_id, attempt_id)
        body = await self._answer_body(give, request_id, attempt_id, receive)
        self._environment.answer(give, request_id, attempt_id, answers.function_error(scope, body))
        await respond(send, 202, [JSON_TYPE], ACCEPTED)

    async def init_error(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST init/error`: the runtime could not initialise; the body goes to the caller that waits, if any."""
        try:
            body = await read_body(receive, MAX_RESPONSE_BYTES, count_all=True)
        except BodyTooLarge:
            raise answers.too_large() from None
        except ClientGone:
            return
        self._environment.init_error(answers.init_error(scope, body))
        await respond(send, 202, [JSON_TYPE], ACCEPTED)

    async def _answer_body(
        self, give: RuntimeInput, request_id: str, attempt_id: str | None, receive: Receive
    ) -> bytes:
        """The answer's body. One that is too large, or cut short, is itself the caller's answer."""
        try:
            return await read_body(receive, MAX_RESPONSE_BYTES, count_all=True)
        except BodyTooLarge as large:
            outcome = Outcome(response_too_large(large.size), "Function.ResponseSizeTooLarge")
            self._environment.answer(give, request_id, attempt_id, outcome)
            raise answers.too_large() from None
        except ClientGone:
            self._environment.answer(give, request_id, attempt_id, answers.truncated(request_id))
            raise answers.truncated_request() from None


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


def refusal(refused: Refused) -> bytes:
    """The body of a refusal, in the Runtime API's form."""
    return json_line({"errorMessage": refused.message, "errorType": refused.error_type})


def _router(api: RuntimeApi) -> ASGIApp:
    """Every path of the API, and the answers to paths and methods that it does not have."""
    return router(
        [
            ("GET", PING, PlainTextResponse("pong")),
            ("GET", NEXT, api.next),
            ("POST", INVOCATION + "{id}/response", api.response),
            ("POST", INVOCATION + "{id}/error", api.error),
            ("POST", INIT_ERROR, api.init_error),
        ],
        {
            Refused: _refused,
            HTTPStatus.NOT_FOUND: _not_found,
            HTTPStatus.METHOD_NOT_ALLOWED: _wrong_method,
            HTTPStatus.INTERNAL_SERVER_ERROR: _failed,
        },
    )


async def _refused(_: Request, refused: Exception) -> Response:
    assert isinstance(refused, Refused)
    return Response(refusal(refused), refused.status, media_type="application/json")


async def _failed(_: Request, __: Exception) -> Response:
    body = refusal(Refused(500, "InternalServerError", "Internal Server Error"))
    return Response(body, 500, media_type="application/json")


async def _not_found(_: Request, __: Exception) -> Response:
    return PlainTextResponse("404 page not found\n", 404, headers={"X-Content-Type-Options": "nosniff"})


async def _wrong_method(_: Request, error: Exception) -> Response:
    allowed = error.headers if isinstance(error, HTTPException) else None
    return Response(status_code=405, headers=allowed)
