"""ASGI applications: one call for each event, on the event loop that lives as long as the environment.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

from ..event_loop import asyncio, event_loop
from .events import Request
from .exchange import Exchange, open_exchange
from .lifespan import Lifespan
from .responses import decoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import Any

    from ..context import LambdaContext
    from .events import Event

    Message = MutableMapping[str, Any]
    Scope = MutableMapping[str, Any]
    Application = Callable[[Scope, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Any]

VERSIONS = {"version": "3.0", "spec_version": "2.4"}


class AsgiHandler:
    """A handler that has `application` answer.

    `mounted`: the root path, if it is not as the event says. `streams`: send responses while they are written.
    """

    def __init__(self, application: Application, *, mounted: str | None, streams: bool) -> None:
        self._application = application
        self._mounted = mounted
        self._streams = streams
        self._lifespan = Lifespan(application)

    def start(self) -> None:
        """Run the application's startup; raises what it fails with."""
        event_loop.run(self._lifespan.start())
        self._lifespan.stop_at_exit()

    async def __call__(self, event: Event, context: LambdaContext) -> dict[str, Any] | None:
        """The response of the application to an event."""
        exchange = open_exchange(Request(event, self._mounted), context, streams=self._streams)
        channel = _Channel(exchange)
        scope = _scope(exchange.request, event, context, self._lifespan.state)
        try:
            await self._application(scope, channel.receive, channel.send)
            if not exchange.ended:
                raise RuntimeError("the ASGI application returned before its response was complete")
        except Exception as error:
            exchange.fail(error, context.aws_request_id)
        return exchange.result()


def _scope(request: Request, event: Event, context: LambdaContext, state: dict[str, Any]) -> Scope:
    return {
        "type": "http",
        "asgi": dict(VERSIONS),
        "http_version": request.http_version,
        "method": request.method,
        "scheme": request.scheme,
        "path": request.path,
        "raw_path": request.raw_path,
        "root_path": request.root_path,
        "query_string": request.query,
        "headers": [(name.encode(), value.encode()) for name, value in request.headers],
        "server": request.server,
        "client": request.client,
        "state": state.copy(),
        "aws.event": event,
        "aws.context": context,
    }


class _Channel:
    """What an application is given to speak through about one request."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._body_taken = False
        self._over: Any = asyncio.Event()

    async def receive(self) -> Message:
        """The request in one piece; after it nothing until the response is complete."""
        if not self._body_taken:
            self._body_taken = True
            return {"type": "http.request", "body": self._exchange.request.body, "more_body": False}
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """The status, or a piece of the body; RuntimeError for what must not come now, OSError when nobody reads on."""
        exchange, kind = self._exchange, message["type"]
        if kind == "http.response.start" and not exchange.started:
            exchange.start(message["status"], decoded(message.get("headers") or ()))
        elif kind == "http.response.body" and exchange.started and not exchange.ended:
            try:
                await exchange.awrite(message.get("body", b""))
            except OSError:
                self._over.set()
                raise
            if not message.get("more_body", False):
                exchange.end()
                self._over.set()
        else:
            raise RuntimeError(f"the ASGI application sent {kind!r} where it must not")
