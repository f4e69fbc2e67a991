"""The Lambda Invoke API: `Invoke` and `InvokeWithResponseStream`.

Source: AWS API reference, and its service model. The emulator's callers send no Content-Type or curl's own, so none is
asked for.
"""

from __future__ import annotations

import base64
import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from rapid import ids
from rapid.asgi import JSON_TYPE, BodyTooLarge, ClientGone, Face, read_body, respond, router
from rapid.core.errors import Unavailable
from rapid.core.invocation import Invocation
from rapid.core.names import Function, InvalidName, UnknownFunction, constraint
from rapid.core.placement import Reason
from rapid.environments.invoker import Invoker, Pending, Throttled
from rapid.frontends import context, payload
from rapid.frontends.answering import answer, stream_answer
from rapid.frontends.errors import (
    MAX_REQUEST_BYTES,
    ServiceError,
    bad_json,
    throttled,
    too_large,
    unavailable,
)
from rapid.telemetry.observer import Observer, Unobserved

log = logging.getLogger("rapid")

LOG_TYPES = ("None", "Tail")


@dataclass(frozen=True, slots=True)
class Operation:
    """One way to invoke: where it is called, which invocation types it knows, how it answers."""

    prefix: str
    suffix: str
    types: tuple[str, ...]
    streamed: bool

    @property
    def route(self) -> str:
        """Its path, with the function's name to be filled in."""
        return f"{self.prefix}{{name}}{self.suffix}"


INVOKE = Operation("/2015-03-31/functions/", "/invocations", ("RequestResponse", "Event", "DryRun"), False)
STREAM = Operation("/2021-11-15/functions/", "/response-streaming-invocations", ("RequestResponse", "DryRun"), True)

MAX_HELD_BYTES = 64 * 1024 * 1024
"""Bytes of events that may be on their way, waiting and running together; callers beyond are throttled."""


class InvokeFrontEnd:
    """The ASGI application of the invoke listener.

    Args:
        invoker: runs the function.
        function: the function that is served.
        beside: what else is served on this listener.
        observer: is told of callers that are throttled here.
    """

    def __init__(
        self, invoker: Invoker, function: Function, beside: Sequence[Face] = (), observer: Observer | None = None
    ) -> None:
        self._invoker = invoker
        self._observer = observer or Unobserved()
        self._held = 0
        self._function = function
        self._version = (b"x-amz-executed-version", function.version.encode())
        self._arn = functools.lru_cache(maxsize=128)(self._resolve)  # callers write the same few names
        self._router = _router(self, beside)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request: an invocation at once, anything else through the router."""
        path: str = scope.get("path", "")
        if scope.get("method") == "POST" and path.startswith(INVOKE.prefix) and path.endswith(INVOKE.suffix):
            await self.invoke(scope, receive, send)
        else:
            await self._router(scope, receive, send)

    async def invoke(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`Invoke`: the whole answer at once."""
        await self._counted(INVOKE, scope, receive, send)

    async def stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`InvokeWithResponseStream`: the answer as it comes."""
        await self._counted(STREAM, scope, receive, send)

    async def _counted(self, operation: Operation, scope: Scope, receive: Receive, send: Send) -> None:
        """One invocation, from request to answer. Its event is counted as long as it is held."""
        held = 0

        def take(count: int) -> None:
            nonlocal held
            held += count
            self._held += count
            if self._held > MAX_HELD_BYTES:
                self._observer.throttled(Reason.CONCURRENCY.value)
                raise throttled()

        try:
            await self._invoke(operation, scope, receive, send, take)
        finally:
            self._held -= held

    async def _invoke(
        self, operation: Operation, scope: Scope, receive: Receive, send: Send, take: Callable[[int], None]
    ) -> None:
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        request_id = ids.uuid4()
        trace_id = context.trace_id(headers)
        always = [
            JSON_TYPE,
            (b"x-amzn-requestid", request_id.encode()),
            (b"x-amzn-trace-id", trace_id.encode("latin-1")),
        ]
        try:
            want_log = _log_wanted(headers)
            invocation = await self._invocation(operation, scope, headers, receive, take, request_id, trace_id)
            pending = self._submit(invocation, want_log=want_log, streamed=operation.streamed)
            if pending.stream:
                await stream_answer(pending, pending.stream, [*always[1:], self._version], receive, send)
                return
            outcome = await answer(pending, receive)
        except ClientGone:
            return
        except Exception as unexpected:
            error = _service_error(unexpected)
            extra = [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
            await respond(send, error.status, [*always, *extra], error.body)
            return
        always.append(self._version)
        if outcome.error_type is not None:
            always.append((b"x-amz-function-error", b"Unhandled"))
        if pending.log_tail is not None:
            always.append((b"x-amz-log-result", base64.b64encode(await pending.log_tail)))
        await respond(send, 200, always, outcome.payload)

    async def _invocation(
        self,
        operation: Operation,
        scope: Scope,
        headers: Mapping[bytes, bytes],
        receive: Receive,
        take: Callable[[int], None],
        request_id: str,
        trace_id: str,
    ) -> Invocation:
        """The request as an invocation; the parameters are checked before the body is read."""
        path = scope["path"]
        arn = self._arn(path[len(operation.prefix) : -len(operation.suffix)], scope["query_string"])
        _check_type(operation, headers)
        client_context = context.client_context(headers)
        tenant_id = context.tenant_id(headers)
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > MAX_REQUEST_BYTES:
            raise too_large()
        try:
            event = payload.event(await read_body(receive, MAX_REQUEST_BYTES, took=take))
        except BodyTooLarge:
            raise too_large() from None
        except payload.InvalidPayload as error:
            raise bad_json(str(error)) from None
        return Invocation(
            request_id, event, arn, trace_id, client_context, context.cognito_identity(headers), tenant_id
        )

    def _resolve(self, written: str, query: bytes) -> str:
        qualifier = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("Qualifier", [None])[-1]
        try:
            return self._function.resolve(written, qualifier)
        except InvalidName as error:
            raise ServiceError("InvalidParameterValueException", str(error)) from None
        except UnknownFunction as error:
            raise ServiceError("ResourceNotFoundException", str(error)) from None

    def _submit(self, invocation: Invocation, *, want_log: bool, streamed: bool) -> Pending:
        try:
            return self._invoker.submit(invocation, want_log=want_log, streamed=streamed)
        except Throttled as error:
            raise throttled(error.reason) from None
        except Unavailable as error:
            raise unavailable(str(error)) from None


def _service_error(error: Exception) -> ServiceError:
    """The error as the service tells it; one that nobody expected is for the log alone."""
    if isinstance(error, ServiceError):
        return error
    log.error("an invocation failed inside rapid", exc_info=error)
    return ServiceError("ServiceException", "Internal error")


def _check_type(operation: Operation, headers: Mapping[bytes, bytes]) -> None:
    kind = headers.get(b"x-amz-invocation-type", b"RequestResponse").decode("latin-1")
    if kind not in operation.types:
        raise _not_in(kind, "invocationType", operation.types)
    if kind != "RequestResponse":
        raise ServiceError(
            "NotImplementedException",
            f"InvocationType {kind} is not offered by this endpoint: only RequestResponse is",
        )


def _log_wanted(headers: Mapping[bytes, bytes]) -> bool:
    kind = headers.get(b"x-amz-log-type", b"None").decode("latin-1")
    if kind not in LOG_TYPES:
        raise _not_in(kind, "logType", LOG_TYPES)
    return kind == "Tail"


def _not_in(value: str, member: str, allowed: tuple[str, ...]) -> ServiceError:
    rule = f"satisfy enum value set: [{', '.join(allowed)}]"
    return ServiceError("InvalidParameterValueException", constraint(value, member, rule))


def _router(front_end: InvokeFrontEnd, beside: Sequence[Face]) -> ASGIApp:
    return router(
        [
            ("POST", INVOKE.route, front_end.invoke),
            ("POST", STREAM.route, front_end.stream),
            *beside,
        ],
        {
            HTTPStatus.NOT_FOUND: _unknown,
            HTTPStatus.METHOD_NOT_ALLOWED: _wrong_method,
            HTTPStatus.INTERNAL_SERVER_ERROR: _failed,
        },
    )


async def _unknown(request: Request, _: Exception) -> Response:
    return _render(ServiceError("UnknownOperationException", f"no operation at {request.url.path}"))


async def _wrong_method(request: Request, error: Exception) -> Response:
    allowed = error.headers if isinstance(error, HTTPException) and error.headers else {}
    return _render(ServiceError("MethodNotAllowedException", f"{request.method} is not allowed here", headers=allowed))


async def _failed(_: Request, __: Exception) -> Response:
    return _render(ServiceError("ServiceException", "Internal error"))


def _render(error: ServiceError) -> Response:
    head = {"x-amzn-RequestId": ids.uuid4(), **error.headers}
    return Response(error.body, error.status, headers=head, media_type="application/json")
