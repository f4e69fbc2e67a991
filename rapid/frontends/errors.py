"""Errors of the Lambda API in the wire format from which SDKs make their exceptions.

Source: the service model of `Invoke` (status codes, and which member carries the text); AWS API reference, "Invoke".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

from rapid.core.placement import Reason

MAX_REQUEST_BYTES = 6 * 1024 * 1024
"""The most that a synchronous request may carry (AWS: "Lambda quotas")."""

STATUS: Mapping[str, int] = MappingProxyType(
    {
        "InvalidParameterValueException": 400,
        "InvalidRequestContentException": 400,
        "ResourceNotFoundException": 404,
        "UnknownOperationException": 404,
        "MethodNotAllowedException": 405,
        "SnapStartException": 400,
        "SnapStartNotReadyException": 409,
        "SnapStartTimeoutException": 408,
        "RequestTooLargeException": 413,
        "TooManyRequestsException": 429,
        "ServiceException": 500,
        "NotImplementedException": 501,
    }
)

_CAPITAL = (
    "ResourceNotFoundException",
    "ServiceException",
    "SnapStartException",
    "SnapStartNotReadyException",
    "SnapStartTimeoutException",
)
"""Errors whose text is declared as `Message`; the others' as `message`."""


class ServiceError(Exception):
    """An error that the Lambda service answers with, as against one of the function's.

    Attributes:
        name: the exception's name in the service model, e.g. `ResourceNotFoundException`.
        status: HTTP status.
        body: JSON, with `Type` and the text.
        headers: what else goes into the head.
    """

    def __init__(
        self,
        name: str,
        text: str,
        *,
        status: int | None = None,
        members: Mapping[str, str] = MappingProxyType({}),
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(text)
        self.name = name
        self.status = status or STATUS[name]
        document = {**members, "Type": "User" if self.status < 500 else "Service"}
        document["Message" if name in _CAPITAL else "message"] = text
        self.body = json.dumps(document, separators=(",", ":")).encode()
        self.headers = {"x-amzn-ErrorType": name, **headers}


def too_large() -> ServiceError:
    """The request's payload is over the limit."""
    return ServiceError(
        "RequestTooLargeException",
        f"Request must be smaller than {MAX_REQUEST_BYTES} bytes for the InvokeFunction operation",
    )


def throttled(reason: Reason = Reason.CONCURRENCY) -> ServiceError:
    """No environment is free, and too many invocations wait for one, or one has waited for too long."""
    return ServiceError(
        "TooManyRequestsException",
        "Rate Exceeded.",
        members={"Reason": reason.value},
        headers={"Retry-After": "1"},
    )


def unavailable(text: str) -> ServiceError:
    """rapid is going down, and the function has not been given the invocation.

    503 instead of the service's 500 for `ServiceException`: load balancers take it as leave to try another server,
    while a 500 may also mean an invocation that was cut short, and is not to be run twice on anybody's own account.
    """
    return ServiceError("ServiceException", text, status=503, headers={"Retry-After": "1"})


def bad_json(reason: str) -> ServiceError:
    """The payload is not JSON."""
    text = f"Could not parse request body into json: Could not parse payload into json: {reason}"
    return ServiceError("InvalidRequestContentException", text)
