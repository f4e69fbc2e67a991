"""One response on its way, from its status to its last piece; what an application does wrong about it is an error."""

from __future__ import annotations

import os

from ..marshal import Encoder, writes_raw_utf8
from .responses import result_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .events import Request
    from .responses import Headers


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

    def end(self) -> None:
        """There are no more pieces."""
        self.ended = True

    def fail(self, error: BaseException, request_id: str) -> None:
        """Log an application's error, and answer 500 as servers do, if the response was not whole before."""
        log_failure(error, request_id)
        if not self.ended:
            self._pieces = [b"Internal Server Error"]
            self.start(500, [("content-type", "text/plain; charset=utf-8")])
            self.end()

    def result(self) -> dict[str, Any]:
        """The handler's result."""
        return result_of(self.request, self.status, self._headers, b"".join(self._pieces))


def log_failure(error: BaseException, request_id: str) -> None:
    """Write an error to the log as that of a handler would be; `request_id` is empty outside of requests."""
    from ..formats import log_error
    from ..report import ErrorReport

    encoder = Encoder(ascii_only=not writes_raw_utf8(os.environ.get("AWS_EXECUTION_ENV")))
    log_error(ErrorReport(error), request_id, encoder)
