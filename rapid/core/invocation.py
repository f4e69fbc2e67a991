"""What travels between a front end, an environment and a runtime."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Invocation:
    """One accepted request to run the function.

    Attributes:
        request_id: UUID, the same in the logs, in the runtime's headers and in the caller's answer.
        payload: the event, JSON text.
        function_arn: the ARN as invoked, with the qualifier if there was one.
        trace_id: value for `Lambda-Runtime-Trace-Id`, never empty; its characters stand for bytes (Latin-1).
        client_context: decoded JSON text, ASCII, on one line.
        cognito_identity: JSON text `{"cognitoIdentityId", "cognitoIdentityPoolId"}`.
        tenant_id: the caller's `X-Amz-Tenant-Id`.
    """

    request_id: str
    payload: bytes
    function_arn: str
    trace_id: str
    client_context: str | None = None
    cognito_identity: str | None = None
    tenant_id: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One handing over of an invocation to a runtime.

    Attributes:
        invocation: what is handed over.
        invocation_id: unique to the attempt (`Lambda-Runtime-Invocation-Id`).
        deadline_ms: milliseconds since the epoch at which the function times out.
    """

    invocation: Invocation
    invocation_id: str
    deadline_ms: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the caller receives.

    Attributes:
        payload: the response, or the JSON error document.
        error_type: None for a success; else the type of the error, for logs and telemetry.
        streamed: bytes of the response that have been passed on as they came, before the payload.
    """

    payload: bytes
    error_type: str | None = None
    streamed: int = 0
