"""What a caller says about itself: client context, identity, tenant, trace."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping

from rapid import ids
from rapid.core.names import InvalidName, check_tenant
from rapid.frontends.errors import ServiceError
from rapid.frontends.payload import refuse_constant

MAX_CLIENT_CONTEXT = 3583
"""Bytes of base64 that a client context may have (AWS API reference, "Invoke")."""

Headers = Mapping[bytes, bytes]


def client_context(headers: Headers) -> str | None:
    """`X-Amz-Client-Context`, decoded: JSON text on one line of ASCII, as a header may carry it.

    Raises:
        ServiceError: `InvalidRequestContentException`, when it is too long or no base64 of a JSON object.
    """
    encoded = headers.get(b"x-amz-client-context")
    if not encoded:
        return None
    if len(encoded) > MAX_CLIENT_CONTEXT:
        raise ServiceError(
            "InvalidRequestContentException", f"Client context must be no more than {MAX_CLIENT_CONTEXT} bytes."
        )
    try:
        text = base64.b64decode(encoded, validate=True).decode()
        document = json.loads(text, parse_constant=refuse_constant)
    except (binascii.Error, ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ServiceError(
            "InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object."
        )
    return text if text.isascii() and text.isprintable() else json.dumps(document)


def cognito_identity(headers: Headers) -> str | None:
    """The caller's Cognito identity, as the runtime's header carries it.

    On AWS it comes from the caller's credentials; here from `X-Amz-Cognito-Identity-Id` and `…-Identity-Pool-Id`.
    """
    identity = headers.get(b"x-amz-cognito-identity-id")
    pool = headers.get(b"x-amz-cognito-identity-pool-id")
    if not identity and not pool:
        return None
    return json.dumps(
        {
            "cognitoIdentityId": (identity or b"").decode("utf-8", "replace"),
            "cognitoIdentityPoolId": (pool or b"").decode("utf-8", "replace"),
        },
        separators=(",", ":"),
    )


def tenant_id(headers: Headers) -> str | None:
    """`X-Amz-Tenant-Id`, if it is one.

    Raises:
        ServiceError: `InvalidParameterValueException`.
    """
    value = headers.get(b"x-amz-tenant-id")
    if value is None:
        return None
    try:
        return check_tenant(value.decode("utf-8", "replace"))
    except InvalidName as error:
        raise ServiceError("InvalidParameterValueException", str(error)) from None


def trace_id(headers: Headers) -> str:
    """The caller's `X-Amzn-Trace-Id` as it is, or a new root that is not sampled: a runtime always has one."""
    given = headers.get(b"x-amzn-trace-id")
    return given.decode("latin-1") if given else ids.trace_id()
