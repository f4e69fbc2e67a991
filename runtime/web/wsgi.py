"""WSGI applications: one call for each event, on the thread that user code knows as the main one.

https://peps.python.org/pep-3333/
"""

from __future__ import annotations

import os
import sys
from io import BytesIO

from ..concurrency.settings import has_threads
from .events import Request
from .exchange import open_exchange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Any

    from ..context import LambdaContext
    from .events import Event
    from .exchange import Exchange

    Environ = dict[str, Any]
    Headers = list[tuple[str, str]]
    ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType]
    Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class WsgiHandler:
    """A handler that has `application` answer; the arguments are those of `AsgiHandler`."""

    def __init__(self, application: Application, *, mounted: str | None, streams: bool) -> None:
        self._application = application
        self._mounted = mounted
        self._streams = streams

    def __call__(self, event: Event, context: LambdaContext) -> dict[str, Any] | None:
        """The response of the application to an event."""
        request = Request(event, self._mounted)
        exchange = open_exchange(request, context, streams=self._streams)
        try:
            self._run(_environ(request, event, context), exchange)
        except Exception as error:
            exchange.fail(error, context.aws_request_id)
        return exchange.result()

    def _run(self, environ: Environ, exchange: Exchange) -> None:
        call = _Call(exchange)
        pieces = self._application(environ, call.start_response)
        try:
            for piece in pieces:
                call.write(piece)
            if not exchange.started:
                raise RuntimeError("the WSGI application returned without having called start_response")
            exchange.end()
        finally:
            if close := getattr(pieces, "close", None):
                close()


class _Call:
    """What an application is given to speak through about one request."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._written = False

    def start_response(
        self, status: str, headers: Headers, exc_info: ExceptionInfo | None = None
    ) -> Callable[[bytes], None]:
        """The status and the headers; may be called again in an error, until the first piece."""
        if exc_info:
            try:
                if self._written:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # it may hold this frame
        elif self._exchange.started:
            raise RuntimeError("the WSGI application called start_response again, without exc_info")
        self._exchange.start(int(status[:3]), [(name.lower(), _utf8(value.strip())) for name, value in headers])
        return self.write

    def write(self, piece: bytes) -> None:
        """The next piece of the body."""
        if not self._exchange.started:
            raise RuntimeError("the WSGI application wrote before it called start_response")
        if piece:
            self._written = True
            self._exchange.write(piece)


def _environ(request: Request, event: Event, context: LambdaContext) -> Environ:
    root = request.root_path
    environ = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": _latin1(root),
        "PATH_INFO": _latin1(request.path.removeprefix(root)),
        "QUERY_STRING": request.query.decode("latin-1"),
        "REQUEST_URI": _target(request),
        "RAW_URI": _target(request),
        "CONTENT_LENGTH": str(len(request.body)),
        "REMOTE_ADDR": request.client[0] if request.client else "",
        "SERVER_NAME": request.server[0],
        "SERVER_PORT": str(request.server[1]),
        "SERVER_PROTOCOL": f"HTTP/{request.http_version}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": BytesIO(request.body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": has_threads(os.environ),
        "wsgi.multiprocess": True,  # other environments
        "wsgi.run_once": False,
        "aws.event": event,
        "aws.context": context,
    }
    for name, value in request.headers:
        _add(environ, name, _latin1(value))
    return environ


def _add(environ: Environ, name: str, value: str) -> None:
    """A header, joined to those of the same name."""
    if "_" in name or name == "content-length":
        return  # an underscore would be taken for a hyphen, so that a client could give a proxy's header
    key = name.upper().replace("-", "_")
    key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
    environ[key] = f"{environ[key]},{value}" if key in environ else value


def _target(request: Request) -> str:
    query = request.query.decode("latin-1")
    return request.raw_path.decode("latin-1") + (f"?{query}" if query else "")


def _latin1(text: str) -> str:
    """Text as WSGI has it: each letter stands for one byte of its UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _utf8(value: str) -> str:
    """The other way round; what is not UTF-8 was meant as Latin-1."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value
