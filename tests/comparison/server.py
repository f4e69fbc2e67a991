"""A small Runtime API that hands out given events and keeps every request byte for byte.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass, field

REQUEST_ID = "8476a536-e9f4-11e8-9739-2dfe598c3fc{}"
HEADERS = {
    "Content-Type": "application/json",
    "Lambda-Runtime-Deadline-Ms": "4102444800000",
    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:compared",
    "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1",
    "Lambda-Runtime-Client-Context": '{"client":{"app_title":"title"},"custom":{"a":1},"env":{"locale":"en"},'
    '"w3c":{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","tracestate":"a=1"}}',
    "Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId":"us-east-1:id","cognitoIdentityPoolId":"us-east-1:pool"}',
    "Lambda-Runtime-Aws-Tenant-Id": "tenant-1",
    "Lambda-Runtime-Invocation-Id": "invocation-{}",
}
"""What comes with every event. `{}` is replaced by the number of the event."""

_PATH = "/2018-06-01/runtime/"
_NO_CONTENT = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Event:
    """One event: its body, and headers other than `HEADERS`; one whose value is empty is not sent."""

    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """One request as it came: the request line, the header lines, the body."""

    line: bytes
    headers: tuple[bytes, ...]
    body: bytes

    @property
    def path(self) -> str:
        """Method and path without the API's version: `POST init/error`."""
        method, path, _version = self.line.decode().split(" ")
        return f"{method} {path.removeprefix(_PATH)}"


class RecordingAPI:
    """Serves on a port of its own while it is entered; takes any number of connections.

    A question for an event when there is none left is never answered.
    `status` is what answers and errors of invocations are answered with.
    """

    def __init__(self, events: list[Event], status: int = 202) -> None:
        self.calls: list[Call] = []
        self._asked_in_vain = False
        self._unanswered: set[str] = set()
        self._events = iter(list(enumerate(events)))
        self._status = status
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def is_done(self) -> bool:
        """Whether all events have been answered, and somebody waits for one more."""
        with self._lock:
            return self._asked_in_vain and not self._unanswered

    def __enter__(self) -> RecordingAPI:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _peer = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            try:
                while line := stream.readline().rstrip(b"\r\n"):
                    headers = tuple(iter(lambda: stream.readline().rstrip(b"\r\n"), b""))
                    call = Call(line, headers, stream.read(_length(headers)))
                    reply = self._reply_to(call)
                    if reply is None:
                        stream.read()  # nothing more comes: until the other side is gone
                        return
                    connection.sendall(reply)
            except OSError:
                return

    def _reply_to(self, call: Call) -> bytes | None:
        """The answer; None when there is no event left to be the answer."""
        with self._lock:
            self.calls.append(call)
            if call.path == "GET invocation/next":
                number, event = next(self._events, (0, None))
                if event is None:
                    self._asked_in_vain = True
                    return None
                self._unanswered.add(REQUEST_ID.format(number))
                return _message(200, _headers_of(number, event), event.body)
            answered = call.path.removeprefix("POST invocation/").rpartition("/")[0]
            self._unanswered.discard(answered)
        if call.path == "GET restore/next":
            return _message(200, _NO_CONTENT, b"")
        return _message(self._status if "invocation/" in call.path else 202, _NO_CONTENT, b'{"status":"OK"}\n')


def _length(headers: tuple[bytes, ...]) -> int:
    for header in headers:
        name, _, value = header.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _headers_of(number: int, event: Event) -> dict[str, str]:
    merged = {"Lambda-Runtime-Aws-Request-Id": REQUEST_ID.format(number), **HEADERS, **event.headers}
    return {name: value.replace("{}", str(number)) for name, value in merged.items() if value}


def _message(status: int, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body
