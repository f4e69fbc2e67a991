"""The second argument of every handler."""

from __future__ import annotations

from _thread import allocate_lock
from time import time

from .errors import CONTEXT_UNMARSHAL_ERROR, FaultError
from .logs import log
from .marshal import parse_json
from .paths import library_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from .client import Invocation
    from .marshal import JSONValue
    from .response import Response
    from .streaming import ResponseStream

    NewStream = Callable[[str, str | None], ResponseStream]

_making_a_stream = allocate_lock()
_W3C_FIELDS = ("traceparent", "tracestate", "baggage")


class FunctionFacts:
    """What the environment says about the function; read once, when the loop starts."""

    __slots__ = ("log_group_name", "log_stream_name", "memory_limit_in_mb", "name", "version")

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.name = environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.version = environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = environ.get("AWS_LAMBDA_LOG_STREAM_NAME")


class _Record:
    """Fields of a JSON object as attributes; a field that is not there is None."""

    __slots__: tuple[str, ...] = ()

    def __init__(self, fields: Mapping[str, Any]) -> None:
        for name in self.__slots__:
            setattr(self, name, fields.get(name))

    def __repr__(self) -> str:
        return f"{type(self).__name__}([{','.join(f'{name}={getattr(self, name)}' for name in self.__slots__)}])"


class Client(_Record):
    """`context.client_context.client`: the mobile application that invokes, in the words of AWS's mobile SDK."""

    __slots__ = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")  # noqa: RUF023 - the order of repr()
    installation_id: Any
    app_title: Any
    app_version_name: Any
    app_version_code: Any
    app_package_name: Any


class ClientContext(_Record):
    """`context.client_context`: what the caller sent in `X-Amz-Client-Context`."""

    __slots__ = ("custom", "env", "client")  # noqa: RUF023 - the order of repr()
    custom: Any
    env: Any
    client: Any


class CognitoIdentity(_Record):
    """`context.identity`: the Amazon Cognito identity of the caller; both fields are None without one."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")
    cognito_identity_id: Any
    cognito_identity_pool_id: Any


class LambdaContext:
    """The context object, with the attributes of AWS's.

    `memory_limit_in_mb` is a string of MiB; `aws_request_id`, `invoked_function_arn` and `tenant_id` belong to this
    invocation. https://docs.aws.amazon.com/lambda/latest/dg/python-context.html

    `new_stream` makes the response stream of a request and invocation id.
    """

    # What AWS's context does not have stays out of `__dict__`, where users look for the fields, and out of pickles.
    __slots__ = ("__dict__", "__weakref__", "_invocation_id", "_new_stream", "_stream", "_trace_id")

    def __init__(self, invocation: Invocation, function: FunctionFacts, new_stream: NewStream) -> None:
        self._invocation_id = invocation.invocation_id
        self._trace_id = invocation.trace_id
        self._new_stream: NewStream | None = new_stream
        self._stream: ResponseStream | None = None
        client = _parse_header(invocation.client_context, "Client Context")
        cognito = _parse_header(invocation.cognito_identity, "Cognito Identity")
        self.aws_request_id = invocation.request_id
        self.log_group_name = function.log_group_name
        self.log_stream_name = function.log_stream_name
        self.function_name = function.name
        self.memory_limit_in_mb = function.memory_limit_in_mb
        self.function_version = function.version
        self.invoked_function_arn = invocation.function_arn
        self.tenant_id = invocation.tenant_id
        self._w3c_fields = _take_w3c(client)
        self.client_context = None if client is None else ClientContext(client)
        if self.client_context is not None and self.client_context.client is not None:
            self.client_context.client = Client(self.client_context.client)
        self.identity = CognitoIdentity({})
        if cognito is not None:
            self.identity.cognito_identity_id = cognito.get("cognitoIdentityId")
            self.identity.cognito_identity_pool_id = cognito.get("cognitoIdentityPoolId")
        self._epoch_deadline_time_in_ms = invocation.deadline_ms

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation times out; never less than 0."""
        return max(self._epoch_deadline_time_in_ms - int(time() * 1000), 0)

    def w3c(self) -> dict[str, str]:
        """The W3C trace context of the invocation: `traceparent`, `tracestate` and `baggage`, those that were sent."""
        return dict(self._w3c_fields)

    @property
    def trace_id(self) -> str | None:
        """The X-Ray trace of the invocation, as `_X_AMZN_TRACE_ID` has it where the process serves one at a time."""
        trace_id: str | None = getattr(self, "_trace_id", None)  # a copy of a context has none
        return trace_id

    @property
    def response_stream(self) -> ResponseStream:
        """The response, for the handler to write piece by piece; RuntimeError where there is no invocation under way.

        Once something has been written to it, what the handler returns is not sent.
        """
        with _making_a_stream:
            # A copy of a context has none of the three.
            new_stream: NewStream | None = getattr(self, "_new_stream", None)
            if new_stream is None:
                raise RuntimeError("the invocation has ended, or this is a copy of its context")
            if self._stream is None:
                self._stream = new_stream(self.aws_request_id, self._invocation_id)
            return self._stream

    def take_response(self) -> Response | None:
        """For the runtime, when the handler has ended: what it has streamed, if anything. Nobody can any more."""
        with _making_a_stream:
            self._new_stream = None
            return None if self._stream is None else self._stream.response

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__

    def log(self, msg: object) -> None:
        """Write `msg` to the log as it is, without a newline."""
        log.sink.log(str(msg))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}([aws_request_id={self.aws_request_id},log_group_name={self.log_group_name},"
            f"log_stream_name={self.log_stream_name},function_name={self.function_name},"
            f"memory_limit_in_mb={self.memory_limit_in_mb},function_version={self.function_version},"
            f"invoked_function_arn={self.invoked_function_arn},client_context={self.client_context},"
            f"identity={self.identity},tenant_id={self.tenant_id}])"
        )


def _parse_header(text: str | None, name: str) -> JSONValue | None:
    if text is None:
        return None
    try:
        return parse_json(text)
    except Exception:
        return _parse_again(text, name)


def _parse_again(text: str, name: str) -> JSONValue:
    """The value by the standard library's `json`, which AWS's runtime reads these headers with: NaN is one to it."""
    try:
        return library_module("json").loads(text)
    except Exception as error:
        raise FaultError(CONTEXT_UNMARSHAL_ERROR, f"Unable to parse {name} JSON: {error}") from error


def _take_w3c(client_context: object) -> dict[str, str]:
    """Take the trace context out of the client context, where the caller's own fields are to be found alone."""
    fields = client_context.pop("w3c", None) if isinstance(client_context, dict) else None
    if not isinstance(fields, dict):
        return {}
    return {name: fields[name] for name in _W3C_FIELDS if isinstance(fields.get(name), str)}
