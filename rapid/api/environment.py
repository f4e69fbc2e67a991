"""The listener of one environment: the Runtime, Extensions, Telemetry and Logs APIs at one address.

`next` and `response` make up an invocation: they are found without a router. Everything else, and every error of path
or method, goes through Starlette.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from rapid.api.extensions import ExtensionsApi, FunctionFacts
from rapid.api.runtime import INVOCATION, NEXT, RuntimeApi
from rapid.api.telemetry import TelemetryApi
from rapid.asgi import JSON_TYPE, Face, json_line, respond, router
from rapid.core.errors import Refused
from rapid.environments.environment import Environment

EXTENSION_VERSIONS = ("/2020-01-01/", "/2020-08-15/", "/2022-07-01/")


class EnvironmentApi:
    """The ASGI application of one environment's listener.

    Args:
        environment: whom the calls concern.
        function: what extensions are told at registration; None when extensions are switched off.
        own_ports: the server's, which telemetry must not be sent to.
        more: what else is served.
    """

    def __init__(
        self,
        environment: Environment,
        function: FunctionFacts | None,
        own_ports: Collection[int] = (),
        more: Sequence[Face] = (),
    ) -> None:
        runtime = RuntimeApi(environment)
        faces = [*runtime.faces(), *more]
        if function is not None:
            faces += (
                ExtensionsApi(environment.extensions, function).faces()
                + TelemetryApi(environment.extensions, own_ports).faces()
            )
        self._extensions_off = function is None
        self._next, self._response = runtime.next, runtime.response
        self._router = _router(faces)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request: the paths of an invocation at once, others through the router."""
        path: str = scope.get("path", "")
        method = scope.get("method")
        serve: ASGIApp = self._router
        if path == NEXT and method == "GET":
            serve = self._next
        elif method == "POST" and path.startswith(INVOCATION) and path.endswith("/response") and path.count("/") == 5:
            serve = self._response
        elif self._extensions_off and path.startswith(EXTENSION_VERSIONS):
            serve = Response(status_code=404)
        try:
            await serve(scope, receive, send)
        except Refused as refused:
            await respond(send, refused.status, [JSON_TYPE], refusal(refused))


def refusal(refused: Refused) -> bytes:
    """The body of a refusal, in the Runtime API's form."""
    return json_line({"errorMessage": refused.message, "errorType": refused.error_type})


def _router(faces: list[Face]) -> ASGIApp:
    """Every path, and the answers to paths and methods that there are not."""
    return router(
        faces,
        {
            Refused: _refused,
            HTTPStatus.NOT_FOUND: _not_found,
            HTTPStatus.METHOD_NOT_ALLOWED: _wrong_method,
            HTTPStatus.INTERNAL_SERVER_ERROR: _failed,
        },
    )


async def _refused(_: Request, refused: Exception) -> Response:
    assert isinstance(refused, Refused)
    return Response(refusal(refused), refused.status, media_type="application/json")


async def _failed(_: Request, __: Exception) -> Response:
    body = refusal(Refused(500, "InternalServerError", "Internal Server Error"))
    return Response(body, 500, media_type="application/json")


async def _not_found(_: Request, __: Exception) -> Response:
    return PlainTextResponse("404 page not found\n", 404, headers={"X-Content-Type-Options": "nosniff"})


async def _wrong_method(_: Request, error: Exception) -> Response:
    allowed = error.headers if isinstance(error, HTTPException) else None
    return Response(status_code=405, headers=allowed)
