"""What a runtime posts, as the caller's outcome: errors, error types, trailers, and answers that cannot be used."""

from __future__ import annotations

import base64
import binascii
import json
import re

from starlette.types import Scope

from rapid.asgi import header
from rapid.core.errors import MAX_RESPONSE_BYTES, Refused, error_document
from rapid.core.invocation import Outcome

ERROR_TYPE_HEADER = b"lambda-runtime-function-error-type"
ERROR_BODY_TRAILER = b"lambda-runtime-function-error-body"
CAUSE_TYPE = "application/vnd.aws.lambda.error.cause+json"

_KNOWN_TYPE = re.compile(r"(Runtime|Function)\.[A-Z][a-zA-Z]+")


def mode_error(mode: str | None) -> Refused | None:
    """The refusal of a response mode that is not `streaming`; None when it is, or is not given."""
    if mode is None or mode.lower() == "streaming":
        return None
    return Refused(400, "InvalidFunctionResponseMode", "Invalid function response mode")


def too_large(limit: int = MAX_RESPONSE_BYTES) -> Refused:
    """The refusal of a body over the limit."""
    message = f"Exceeded maximum allowed payload size ({limit} bytes)."
    return Refused(413, "RequestEntityTooLarge", message)


def truncated_request() -> Refused:
    """The refusal of a body that was cut short."""
    return Refused(400, "TruncatedHTTPRequest", "HTTP request detected as truncated")


def invalid_mode(request_id: str) -> Outcome:
    """What the caller receives when the runtime named an unknown response mode."""
    return _runtime_error("Runtime.InvalidResponseModeHeader", request_id, "Invalid function response mode")


def truncated(request_id: str) -> Outcome:
    """What the caller receives when the runtime's connection broke in the middle of its answer."""
    return _runtime_error("Runtime.TruncatedResponse", request_id, "Response was truncated")


def _runtime_error(error_type: str, request_id: str, reason: str) -> Outcome:
    return Outcome(error_document(error_type, f"RequestId: {request_id} Error: {reason}"), error_type)


def error_type(scope: Scope) -> str:
    """The error type for logs: AWS's own form, or `Function.Unknown` / `Runtime.Unknown`."""
    named = header(scope, ERROR_TYPE_HEADER) or ""
    if _KNOWN_TYPE.fullmatch(named):
        return named
    return "Function.Unknown" if named.startswith("Function.") else "Runtime.Unknown"


def function_error(scope: Scope, body: bytes) -> Outcome:
    """The outcome of `invocation/{id}/error`: the body as it is, unless it says that it carries a cause."""
    if (header(scope, b"content-type") or "").partition(";")[0].strip().lower() == CAUSE_TYPE:
        body = _without_cause(body)
    return Outcome(body, error_type(scope))


def init_error(scope: Scope, body: bytes) -> Outcome:
    """The outcome of `init/error`; a runtime that sends nothing has its error type told to the caller."""
    kind = error_type(scope)
    return Outcome(body or error_document(kind, "Runtime failed to initialize"), kind)


def restore_error(scope: Scope, body: bytes) -> Outcome:
    """The outcome of `restore/error`, in the same way."""
    kind = error_type(scope)
    return Outcome(body or error_document(kind, "Runtime failed to restore"), kind)


def trailer_error(scope: Scope) -> Outcome | None:
    """The error that a runtime met after it had begun to answer: it arrives in declared request trailers."""
    declared = (header(scope, b"trailer") or "").lower()
    if ERROR_TYPE_HEADER.decode() not in declared:
        return None
    named = header(scope, ERROR_TYPE_HEADER)
    if not named:
        return None
    try:
        body = base64.b64decode(header(scope, ERROR_BODY_TRAILER) or "", validate=True)
    except (binascii.Error, ValueError):
        body = b""
    return Outcome(body or error_document(named, ""), error_type(scope))


def _without_cause(body: bytes) -> bytes:
    """Only what a caller may see of an error with cause (AWS: `errorMessage`, `errorType`, `stackTrace`)."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return b'"Invalid error body"'
    shown = {key: document[key] for key in ("errorMessage", "errorType", "stackTrace") if key in document}
    return json.dumps(shown, separators=(",", ":")).encode()
