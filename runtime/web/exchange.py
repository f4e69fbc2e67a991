"""One response on its way, from its status to its last piece; what an application does wrong about it is an error."""

from __future__ import annotations

import os

from ..marshal import Encoder, writes_raw_utf8
from ..response import StreamBrokenError
from .events import BALANCER
from .responses import joined_headers, result_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..context import LambdaContext
    from ..streaming import ResponseStream
    from .events import Request
    from .responses import Headers

_ERROR_HEADERS = [("content-type", "text/plain; charset=utf-8")]
_ERROR_BODY = b"Internal Server Error"


class Exchange:
    """The response to one request, kept until it is whole."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.status = 0
        self.ended = False
        self._headers: Headers = []
        self._pieces: list[bytes] = []

    @property
    def started(self) -> bool:
        """Whether the application has told the status."""
        return bool(self.status)

    def start(self, status: int, headers: Headers) -> None:
        """The status and the headers; names of headers in lower case. In WSGI both may be replaced until the end."""
        self.status, self._headers = status, headers

    def write(self, piece: bytes) -> None:
        """The next piece of the body; TypeError if it is not bytes."""
        self._pieces.append(bytes(memoryview(piece)))

    async def awrite(self, piece: bytes) -> None:
        """The same in a coroutine."""
        self.write(piece)

    def end(self) -> None:
        """There are no more pieces."""
        self.ended = True

    def fail(self, error: Exception, request_id: str) -> None:
        """Log an application's error, and answer 500 as servers do, if the response was not whole before."""
        log_failure(error, request_id)
        if not self.ended:
            self._pieces = [_ERROR_BODY]
            self.start(500, _ERROR_HEADERS)
            self.end()

    def result(self) -> dict[str, Any] | None:
        """The handler's result; None if there is a streamed response in its place."""
        return result_of(self.request, self.status, self._headers, b"".join(self._pieces))


class StreamedExchange(Exchange):
    """The response to one request, sent while it is being written.

    Nothing is sent before the first piece. An error after that cannot become a 500 any more: it is raised, so that the
    response ends with it.
    """

    def __init__(self, request: Request, stream: ResponseStream) -> None:
        super().__init__(request)
        self._stream = stream
        self._told = False
        self._broken = False

    def write(self, piece: bytes) -> None:
        """Send a piece. Raises OSError when the platform takes no more."""
        self._tell()
        try:
            self._stream.write(piece)
            self._stream.flush()
        except StreamBrokenError:
            self._broken = True
            raise

    async def awrite(self, piece: bytes) -> None:
        """The same; others run while it waits."""
        self._tell()
        try:
            await self._stream.awrite(piece)
            self._stream.flush()  # the status, if the piece was empty
        except StreamBrokenError:
            self._broken = True
            raise

    def _tell(self) -> None:
        if not self._told:
            headers, cookies = joined_headers(self._headers)
            self._stream.http_prelude(self.status, headers, cookies)
            self._told = True

    def end(self) -> None:
        """There are no more pieces."""
        self._tell()
        self.ended = True

    def fail(self, error: Exception, request_id: str) -> None:
        """Log an error after the end; answer 500 before the first piece; raise in between, unless it is told."""
        if self._broken:
            return
        if self._told and not self.ended:
            raise error
        log_failure(error, request_id)
        if not self.ended:
            self.start(500, _ERROR_HEADERS)
            self.write(_ERROR_BODY)
            self.end()

    def result(self) -> None:
        """None: all has been sent."""


def open_exchange(request: Request, context: LambdaContext, *, streams: bool) -> Exchange:
    """The response to a request; `streams`: sent while it is written, where there is a reader. Balancers are none."""
    if streams and request.source != BALANCER:
        return StreamedExchange(request, context.response_stream)
    return Exchange(request)


def log_failure(error: BaseException, request_id: str) -> None:
    """Write an error to the log as that of a handler would be; `request_id` is empty outside of requests."""
    from ..formats import log_error
    from ..report import ErrorReport

    encoder = Encoder(ascii_only=not writes_raw_utf8(os.environ.get("AWS_EXECUTION_ENV")))
    log_error(ErrorReport(error), request_id, encoder)
