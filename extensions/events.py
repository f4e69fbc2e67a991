"""What the Extensions API tells an extension, and how it refuses.

Source: AWS developer guide, "Using the Lambda Extensions API to create extensions".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx


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
        shutdown_reason: of a SHUTDOWN: `spindown`, `timeout` or `failure`; `SIGTERM` if it was that signal.
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
