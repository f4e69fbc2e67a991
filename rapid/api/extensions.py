"""The Extensions API (2020-01-01) of one environment.

Source: AWS developer guide, "Using the Lambda Extensions API to create extensions".
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send

from rapid import ids
from rapid.api.polling import hear
from rapid.asgi import JSON_TYPE, BodyTooLarge, ClientGone, Face, header, json_line, read_body, respond
from rapid.core.effects import ExtensionEvent, InvokeEvent
from rapid.core.errors import Refused
from rapid.core.machine import ExtensionInput
from rapid.environments.desk import ExtensionDesk
from rapid.environments.polls import Signal

PREFIX = "/2020-01-01/extension"
IDENTIFIER = b"lambda-extension-identifier"
MAX_BODY_BYTES = 1024 * 1024

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class FunctionFacts:
    """What a registering extension is told about the function."""

    name: str
    version: str
    handler: str
    account: str


class ExtensionsApi:
    """The calls of the Extensions API, each an ASGI callable that may raise `Refused`."""

    def __init__(self, desk: ExtensionDesk, function: FunctionFacts) -> None:
        self._desk = desk
        self._function = function

    def faces(self) -> list[Face]:
        """Method, path and server of every call."""
        return [
            ("POST", f"{PREFIX}/register", self.register),
            ("GET", f"{PREFIX}/event/next", self.next),
            ("POST", f"{PREFIX}/init/error", self.init_error),
            ("POST", f"{PREFIX}/exit/error", self.exit_error),
        ]

    async def register(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST register`: name, then body, then the environment's rules are checked."""
        name = header(scope, b"lambda-extension-name")
        if not name:
            raise Refused(403, "Extension.InvalidExtensionName", "Empty extension name")
        body = await small_body(receive)
        if body is None:
            return
        identifier = self._desk.register(name, requested_events(body))
        told = {
            "functionName": self._function.name,
            "functionVersion": self._function.version,
            "handler": self._function.handler,
        }
        features = (header(scope, b"lambda-extension-accept-feature") or "").split(",")
        if "accountId" in (feature.strip() for feature in features):
            told["accountId"] = self._function.account
        await respond(send, 200, [JSON_TYPE, (IDENTIFIER, identifier.encode())], json_line(told))

    async def next(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`GET event/next`: park until there is an event for this extension."""
        identifier = extension_identifier(scope)
        poll, mailbox = self._desk.next(identifier)
        heard = await hear(mailbox, poll, receive)
        if heard is None:
            return
        if isinstance(heard, Signal):
            message = f"State transition from Exited to Ready failed for extension {identifier}. "
            raise Refused(403, "Extension.InvalidExtensionState", f"{message}Error: State transition is not allowed")
        headers = [JSON_TYPE, (b"lambda-extension-event-identifier", ids.uuid4().encode())]
        await respond(send, 200, headers, event_document(heard))

    async def init_error(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST init/error`: the extension cannot start."""
        await self._error(ExtensionInput.INIT_ERROR, scope, receive, send)

    async def exit_error(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST exit/error`: the extension cannot go on."""
        await self._error(ExtensionInput.EXIT_ERROR, scope, receive, send)

    async def _error(self, given: ExtensionInput, scope: Scope, receive: Receive, send: Send) -> None:
        error_type = header(scope, b"lambda-extension-function-error-type")
        if not error_type:
            message = "Lambda-Extension-Function-Error-Type not found"
            raise Refused(403, "Extension.MissingHeader", message)
        identifier = extension_identifier(scope)
        if await small_body(receive) is None:
            return
        self._desk.error(given, identifier, error_type[:MAX_ERROR_TYPE])
        await respond(send, 202, [JSON_TYPE], json_line({"status": "OK"}))


MAX_ERROR_TYPE = 256
"""Characters of an error type that are kept."""


def extension_identifier(scope: Scope) -> str:
    """The identifier that a call carries.

    Raises:
        Refused: 403, there is none or it is no UUID.
    """
    identifier = (header(scope, IDENTIFIER) or "").lower()
    if not identifier:
        message = "Missing Lambda-Extension-Identifier header"
        raise Refused(403, "Extension.MissingExtensionIdentifier", message)
    if not _UUID.fullmatch(identifier):
        raise Refused(403, "Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier")
    return identifier


async def small_body(receive: Receive) -> bytes | None:
    """A body of at most 1 MiB; None when the client has left.

    Raises:
        Refused: 413, it is larger.
    """
    try:
        return await read_body(receive, MAX_BODY_BYTES)
    except BodyTooLarge:
        message = f"Exceeded maximum allowed payload size ({MAX_BODY_BYTES} bytes)."
        raise Refused(413, "RequestEntityTooLarge", message) from None
    except ClientGone:
        return None


def requested_events(body: bytes) -> Sequence[str]:
    """The events of a registration; none given, or null, is an empty list.

    Raises:
        Refused: 403, the body is no JSON object, or not of this form.
    """
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _bad_format("unexpected end of JSON input" if not body else f"invalid JSON: {error}") from None
    if not isinstance(document, dict):
        raise _bad_format('expected a JSON object with the list "events"')
    if "configurationKeys" in document:
        raise _bad_format("configurationKeys are deprecated; use environment variables instead")
    events = document.get("events") or []
    if not isinstance(events, list) or not all(isinstance(event, str) for event in events):
        raise _bad_format('"events": expected a list of strings')
    return events


def _bad_format(message: str) -> Refused:
    return Refused(403, "InvalidRequestFormat", message)


def event_document(event: ExtensionEvent) -> bytes:
    """An event as the extension reads it."""
    document: dict[str, Any]
    if isinstance(event, InvokeEvent):
        invocation = event.attempt.invocation
        document = {
            "eventType": "INVOKE",
            "deadlineMs": event.attempt.deadline_ms,
            "requestId": invocation.request_id,
            "invokedFunctionArn": invocation.function_arn,
            "tracing": {"type": "X-Amzn-Trace-Id", "value": invocation.trace_id},
        }
    else:
        deadline = time.time() + event.deadline - time.monotonic()
        document = {"eventType": "SHUTDOWN", "deadlineMs": int(deadline * 1000), "shutdownReason": event.reason}
    return json.dumps(document, separators=(",", ":")).encode()
