"""The Telemetry API (2022-07-01) and the Logs API (2020-08-15) of one environment: subscriptions.

Sources: AWS developer guide, "Lambda Telemetry API reference" and "Using the Lambda Logs API".
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from starlette.types import Receive, Scope, Send

from rapid.api.extensions import extension_identifier, small_body
from rapid.asgi import JSON_TYPE, Face, respond
from rapid.telemetry.subscription import Api, Subscription, parse

TELEMETRY = "/2022-07-01/telemetry"
LOGS = "/2020-08-15/logs"

OK = b'"OK"'


class Subscribable(Protocol):
    """An environment, as far as these calls see it."""

    def check_extension(self, identifier: str) -> None:
        """See that there is an extension of that identifier.

        Raises:
            Refused: 403, there is none.
        """

    def subscribe(self, identifier: str, subscription: Subscription) -> None:
        """Subscribe the extension of that identifier.

        Raises:
            Refused: 403, unknown extension, or `subscription.api.subscription_closed()`.
        """


class TelemetryApi:
    """The calls of both APIs, each an ASGI callable that may raise `Refused`.

    Args:
        environment: whom they concern.
        own_ports: the server's, to which no events may go.
    """

    def __init__(self, environment: Subscribable, own_ports: Collection[int]) -> None:
        self._environment = environment
        self._own_ports = own_ports

    def faces(self) -> list[Face]:
        """Method, path and server of every call; AWS's guide writes the paths with and without a slash at the end."""
        return [
            ("PUT", TELEMETRY, self.telemetry),
            ("PUT", f"{TELEMETRY}/", self.telemetry),
            ("PUT", LOGS, self.logs),
            ("PUT", f"{LOGS}/", self.logs),
        ]

    async def telemetry(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`PUT telemetry`."""
        await self._subscribe(Api.TELEMETRY, scope, receive, send)

    async def logs(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`PUT logs`."""
        await self._subscribe(Api.LOGS, scope, receive, send)

    async def _subscribe(self, api: Api, scope: Scope, receive: Receive, send: Send) -> None:
        """Who calls, then what it asks for, then whether it may."""
        identifier = extension_identifier(scope)
        self._environment.check_extension(identifier)
        body = await small_body(receive)
        if body is None:
            return
        self._environment.subscribe(identifier, parse(api, body, self._own_ports))
        await respond(send, 200, [JSON_TYPE], OK)
