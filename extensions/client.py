"""The Extensions API (2020-01-01): register, wait for events, report errors.

Source: AWS developer guide, "Using the Lambda Extensions API to create extensions".
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx

PREFIX = "/2020-01-01/extension"
IDENTIFIER = "Lambda-Extension-Identifier"
CALL_TIMEOUT = 10.0
"""Seconds that a call may take; waiting for an event has no limit, for an environment may rest for hours."""


class ExtensionsApiError(Exception):
    """A call that was refused.

    Attributes:
        status: HTTP status.
        error_type: AWS's `errorType`, e.g. `Extension.RegistrationClosed`; empty if there was none.
    """

    def __init__(self, response: httpx.Response) -> None:
        try:
            document: Any = response.json()
        except ValueError:
            document = None
        told: Mapping[str, Any] = document if isinstance(document, dict) else {}
        self.status = response.status_code
        self.error_type = str(told.get("errorType", ""))
        message = told.get("errorMessage") or response.text
        super().__init__(f"{response.request.method} {response.request.url.path}: {self.status} {message}")


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the environment.

    Attributes:
        type: `INVOKE` or `SHUTDOWN`.
        deadline_ms: milliseconds since the epoch by which the extension must be done with it.
        request_id: of an INVOKE.
        function_arn: of an INVOKE.
        trace_id: of an INVOKE that is traced.
        shutdown_reason: of a SHUTDOWN: `spindown`, `timeout` or `failure`.
    """

    type: str
    deadline_ms: int
    request_id: str | None = None
    function_arn: str | None = None
    trace_id: str | None = None
    shutdown_reason: str | None = None

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Event:
        """An event from the API's JSON; fields that are absent are None."""
        return cls(
            type=document["eventType"],
            deadline_ms=document["deadlineMs"],
            request_id=document.get("requestId"),
            function_arn=document.get("invokedFunctionArn"),
            trace_id=(document.get("tracing") or {}).get("value"),
            shutdown_reason=document.get("shutdownReason"),
        )


class Extension:
    """A registered extension; a context manager that closes its connection.

    Attributes:
        identifier: what the API knows it by.
        function_name: the function beside it.
        function_version: the function's version.
        handler: the function's handler.
        account_id: the function's account, where the server tells it.
    """

    def __init__(self, client: httpx.AsyncClient, identifier: str, function: Mapping[str, str]) -> None:
        self._client = client
        self.identifier = identifier
        self.function_name = function.get("functionName", "")
        self.function_version = function.get("functionVersion", "")
        self.handler = function.get("handler", "")
        self.account_id = function.get("accountId")

    @classmethod
    async def register(
        cls,
        name: str | None = None,
        events: Sequence[str] = ("INVOKE", "SHUTDOWN"),
        *,
        address: str | None = None,
    ) -> Extension:
        """Register with the environment.

        Args:
            name: must be the file name of an external extension's program, which is the default.
            events: any of `INVOKE` and `SHUTDOWN`; an internal extension may not ask for `SHUTDOWN`.
            address: host:port of the API, `AWS_LAMBDA_RUNTIME_API` by default.

        Raises:
            ExtensionsApiError: the API refused.
            httpx.TransportError: the API cannot be reached.
        """
        client = httpx.AsyncClient(
            base_url=f"http://{address or os.environ['AWS_LAMBDA_RUNTIME_API']}{PREFIX}",
            timeout=CALL_TIMEOUT,
            trust_env=False,  # the API is on this host, whatever proxy the function is told to use
        )
        headers = {
            "Lambda-Extension-Name": name or os.path.basename(sys.argv[0]),
            "Lambda-Extension-Accept-Feature": "accountId",
        }
        try:
            response = await client.post("/register", headers=headers, json={"events": list(events)})
            _check(response)
        except BaseException:
            await client.aclose()
            raise
        return cls(client, response.headers[IDENTIFIER], response.json())

    async def __aenter__(self) -> Extension:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()

    async def next(self) -> Event:
        """Wait for the next event; asking for it tells that the extension is done with the last one.

        Raises:
            ExtensionsApiError: the API refused.
            httpx.TransportError: the API is gone.
        """
        response = await self._client.get("/event/next", headers={IDENTIFIER: self.identifier}, timeout=None)
        _check(response)
        return Event.parse(response.json())

    async def events(self) -> AsyncIterator[Event]:
        """Every event, SHUTDOWN the last."""
        while True:
            event = await self.next()
            yield event
            if event.type == "SHUTDOWN":
                return

    async def init_error(self, error_type: str, message: str) -> None:
        """Report that the extension cannot start; it should exit then."""
        await self._report("/init/error", error_type, message)

    async def exit_error(self, error_type: str, message: str) -> None:
        """Report that the extension cannot go on; it should exit then."""
        await self._report("/exit/error", error_type, message)

    async def _report(self, path: str, error_type: str, message: str) -> None:
        headers = {IDENTIFIER: self.identifier, "Lambda-Extension-Function-Error-Type": error_type}
        body = {"errorMessage": message, "errorType": error_type, "stackTrace": []}
        _check(await self._client.post(path, headers=headers, json=body))


def _check(response: httpx.Response) -> None:
    if not response.is_success:
        raise ExtensionsApiError(response)
