"""Metrics for Prometheus over HTTP: on a path beside the Invoke API, or at an address of their own."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from rapid.asgi import Face, header, respond, router

PATH = "/metrics"
"""Where metrics are at an address of their own: where Prometheus looks unless it is told."""

Exposition = Callable[[str], tuple[str, bytes]]
"""From what a scraper accepts to the content type and the body of an answer."""


class MetricsFace:
    """Answers scrapes.

    Args:
        exposition: renders all metrics.
    """

    def __init__(self, exposition: Exposition) -> None:
        self._exposition = exposition

    def at(self, path: str) -> Face:
        """The metrics at a path."""
        return ("GET", path, self.scrape)

    def alone(self) -> ASGIApp:
        """An application that serves nothing else."""
        return router([self.at(PATH)], {HTTPStatus.NOT_FOUND: _elsewhere})

    async def scrape(self, scope: Scope, _: Receive, send: Send) -> None:
        """All metrics as they are now."""
        content_type, body = self._exposition(header(scope, b"accept") or "")
        await respond(send, 200, [(b"content-type", content_type.encode())], body)


async def _elsewhere(_: Request, __: Exception) -> Response:
    return PlainTextResponse(f"metrics are at {PATH}\n", 404)
