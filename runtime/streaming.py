"""What user code sees of a response that is sent while it is being written: `context.response_stream`."""

from __future__ import annotations

from .response import Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .marshal import Encoder

    Piece = str | bytes | bytearray | memoryview

_HTTP_INTEGRATION = "application/vnd.awslambda.http-integration-response"
_END_OF_PRELUDE = bytes(8)


class ResponseStream:
    """The response of one invocation, for its handler to write.

    Setting anything after the first piece is a ValueError, and so is writing
    after the handler has ended; BrokenPipeError: the platform takes no more. `response` is the runtime's side of it.
    """

    def __init__(self, response: Response, encoder: Encoder) -> None:
        self.response = response
        self._encoder = encoder

    @property
    def content_type(self) -> str:
        """The media type of the response; `application/octet-stream` until it is set."""
        return self.response.content_type

    @content_type.setter
    def content_type(self, media_type: str) -> None:
        self._still_unsent("the content type")
        if self.response.prelude:
            raise ValueError("with an HTTP prelude, the content type is one of its headers")
        if not (media_type.isascii() and media_type.isprintable() and media_type.strip()):
            raise ValueError(f"not a media type: {media_type!r}")
        self.response.content_type = media_type.strip()

    def http_prelude(
        self, status_code: int = 200, headers: Mapping[str, str] | None = None, cookies: Iterable[str] = ()
    ) -> None:
        """Make it an HTTP response, as function URLs and API Gateway read one: status, headers, `Set-Cookie` lines.

        It goes before the first piece, or by itself when there will be none. TypeError: it has no JSON.
        """
        self._still_unsent("the HTTP prelude")
        fields: dict[str, object] = {"statusCode": status_code, "headers": dict(headers or {})}
        if told := list(cookies):
            fields["cookies"] = told
        self.response.prelude = self._encoder.encode(fields) + _END_OF_PRELUDE
        self.response.content_type = _HTTP_INTEGRATION
        self.response.wanted = True

    def write(self, piece: Piece) -> int:
        """Send a piece at once, text as UTF-8; how many bytes it was. Waits while the reader is slow.

        Any thread may call it. In a coroutine, `awrite` lets others run meanwhile.
        """
        data = as_bytes(piece)
        if data:
            self.response.write(data)
        return len(data)

    async def awrite(self, piece: Piece) -> int:
        """`write` for coroutines."""
        data = as_bytes(piece)
        if data:
            await self.response.awrite(data)
        return len(data)

    def flush(self) -> None:
        """Begin the response now if nothing has been written yet; pieces never wait for it."""
        if not self.response.begun:
            self.response.write(b"")

    def _still_unsent(self, what: str) -> None:
        if self.response.begun:
            raise ValueError(f"{what} has been sent: it can be set before the first piece only")


def as_bytes(piece: object) -> bytes:
    """The bytes of a piece; raises TypeError, or UnicodeEncodeError for text that has no UTF-8."""
    if isinstance(piece, str):
        return piece.encode()
    if isinstance(piece, bytes):
        return piece
    if isinstance(piece, (bytearray, memoryview)):
        return bytes(piece)  # a copy: its owner may change the buffer, or its size, as soon as it has been sent
    raise TypeError(f"a piece of a streamed response is bytes or str, not {type(piece).__name__}")
