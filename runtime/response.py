"""A response that is sent while it is being written: from its first piece to its end, its error, or its refusal."""

from __future__ import annotations

from _thread import allocate_lock

from .upload import RefusedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .client import RuntimeClient
    from .upload import Upload

OCTETS = "application/octet-stream"


class StreamBrokenError(BrokenPipeError):
    """The Runtime API takes no more of this response, which is over for it: too large, timed out, or gone."""


class Response:
    """Any thread may write, and coroutines may; each piece goes out whole, and in one go.

    Nothing is sent before the first piece, so that an error until then is an ordinary one. `content_type` and
    `prelude` (what goes before the first piece) count until then; `wanted`: there is to be a response of this kind
    even if no piece comes.
    """

    def __init__(self, client: RuntimeClient, request_id: str, invocation_id: str | None) -> None:
        self.content_type = OCTETS
        self.prelude = b""
        self.wanted = False
        self._client = client
        self._ids = request_id, invocation_id
        self._lock = allocate_lock()
        self._upload: Upload | None = None
        self._broken = False
        self._over = False

    @property
    def begun(self) -> bool:
        """Whether it is on its way, so that its head cannot be changed any more."""
        return self._upload is not None

    def write(self, piece: bytes) -> None:
        """Send a piece; waits while the connection takes no more. An empty one only begins the response.

        Raises `StreamBrokenError`, or ValueError after the end.
        """
        upload = self._enqueue(piece)
        while not self._push(upload):
            upload.wait()

    async def awrite(self, piece: bytes) -> None:
        """The same in a coroutine: others run while it waits."""
        upload = self._enqueue(piece)
        while not self._push(upload):
            from .event_loop import room

            await room(upload.fileno())

    def _enqueue(self, piece: bytes) -> Upload:
        with self._lock:
            if self._over:
                raise ValueError("the response is over: its invocation has ended")
            self._raise_if_broken()
            upload = self._upload or self._begin()
            if piece:
                upload.put(piece)
            return upload

    def _begin(self) -> Upload:
        self._upload = self._client.open_response(*self._ids, self.content_type)
        if self.prelude:
            self._upload.put(self.prelude)
        return self._upload

    def _push(self, upload: Upload) -> bool:
        with self._lock:
            self._raise_if_broken()
            try:
                return self._over or upload.push()
            except (RefusedError, OSError):
                self._broken = True
                self._client.close_response(upload)
            return self._raise_if_broken()

    def _raise_if_broken(self) -> bool:
        if self._broken:
            raise StreamBrokenError("the Runtime API takes no more of this response")
        return False

    def finish(self) -> bool:
        """End it; False if there is none, and the handler's result is to be sent instead."""
        with self._lock:
            self._over = True
            if self._upload is None and not self.wanted:
                return False
            if not self._broken:
                self._client.close_response(self._upload or self._begin())
            return True

    def fail(self, body: bytes, error_type: str) -> bool:
        """End it with an error; False if nothing has been sent, and the error is to be reported as any other."""
        with self._lock:
            self._over = True
            if self._upload is None:
                return False
            if not self._broken:
                self._client.close_response(self._upload, self._client.error_trailers(body, error_type))
            return True

    async def adrain(self, trailers: bytes = b"") -> None:
        """Have what there is sent to its end and answered, while others run; `finish` or `fail` need not wait then."""
        from .event_loop import readable, room

        with self._lock:
            self._over = True
            if self._broken or (self._upload is None and not self.wanted):
                return
            upload = self._upload or self._begin()
            upload.end(trailers)
        try:
            while not upload.push():
                await room(upload.fileno())
        except (RefusedError, OSError):
            pass  # told by what comes next, which reads the answer
        await readable(upload.fileno())
