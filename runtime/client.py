"""The Runtime API, from the runtime's side. https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html"""

from __future__ import annotations

import os
import sys

from .connection import BrokenReplyError, Connection, DisconnectedError, Reply, reason_of
from .errors import RuntimeAPIError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .upload import Upload

_PREFIX = "/2018-06-01/runtime"
_STREAMED = (
    "Lambda-Runtime-Function-Response-Mode: streaming\r\n"
    "Transfer-Encoding: chunked\r\n"
    "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n"
)
_MAX_CAUSE = 1024 * 1024
"""Bytes; AWS drops a `Lambda-Runtime-Function-XRay-Error-Cause` of this length or more."""


class Invocation:
    """One event and what came with it. Headers that were absent or empty are None.

    `deadline_ms` is in milliseconds of the epoch, 0 if it was not given; `function_arn` is then empty, as AWS has it.
    """

    __slots__ = (
        "body",
        "client_context",
        "cognito_identity",
        "content_type",
        "deadline_ms",
        "function_arn",
        "invocation_id",
        "request_id",
        "tenant_id",
        "trace_id",
    )

    def __init__(self, request_id: str, headers: dict[str, str], body: bytes | bytearray) -> None:
        get = headers.get
        deadline = get("lambda-runtime-deadline-ms", "")
        self.request_id = request_id
        self.body = body
        self.content_type = get("content-type")
        self.deadline_ms = int(deadline) if deadline.isascii() and deadline.isdigit() else 0
        self.function_arn = get("lambda-runtime-invoked-function-arn", "")
        self.trace_id = get("lambda-runtime-trace-id") or None
        self.client_context = get("lambda-runtime-client-context") or None
        self.cognito_identity = get("lambda-runtime-cognito-identity") or None
        self.tenant_id = get("lambda-runtime-aws-tenant-id") or None
        self.invocation_id = get("lambda-runtime-invocation-id") or None


class RuntimeClient:
    """Speaks to the Runtime API at `address` (`host:port`).

    `pipelined`: keep the answer to an invocation back until the next one is asked for, and send both in one segment. It
    saves a system call, a wake-up and a wait here and as much on the other side; the answers still come one by one.
    """

    def __init__(self, address: str, *, pipelined: bool) -> None:
        self._connection = Connection(address)
        self.address = address
        self.pipelined = pipelined
        self._kept: tuple[str, bytes, bytes] | None = None
        self._process = os.getpid()
        version = ".".join(map(str, sys.version_info[:3]))
        self._common = f" HTTP/1.1\r\nHost: {address}\r\nUser-Agent: lambda-rapid-python/{version}\r\n"
        self._next = f"GET {_PREFIX}/invocation/next{self._common}\r\n".encode()

    def next(self) -> Invocation:
        """Wait for the next invocation; raises `RuntimeAPIError` when there will be none."""
        kept, self._kept = self._kept, None
        return self._invocation_in(self._exchange(self._next) if kept is None else self._exchange_both(kept))

    def _invocation_in(self, reply: Reply) -> Invocation:
        if reply.status != 200:
            raise RuntimeAPIError(f"the Runtime API answered {reply.status} to the request for the next invocation")
        request_id = reply.headers.get("lambda-runtime-aws-request-id")
        if not request_id:
            raise RuntimeAPIError("the Runtime API gave an invocation without Lambda-Runtime-Aws-Request-Id")
        return Invocation(request_id, reply.headers, reply.body)

    def respond(self, invocation: Invocation, body: bytes, content_type: str) -> None:
        """Answer an invocation with its result."""
        self._leave_if_forked(0)
        self._answer(invocation, "response", f"Content-Type: {content_type}\r\n", body)

    def fail(self, invocation: Invocation, body: bytes, error_type: str, cause: str) -> None:
        """Answer an invocation with an error: its JSON, its type, and its JSON for X-Ray (ASCII)."""
        self._leave_if_forked(1)
        headers = "Content-Type: application/json\r\n" + _error_type_header(error_type)
        if cause and len(cause) < _MAX_CAUSE:
            headers += f"Lambda-Runtime-Function-XRay-Error-Cause: {cause}\r\n"
        self._answer(invocation, "error", headers, body)

    def open_response(self, request_id: str, invocation_id: str | None, content_type: str) -> Upload:
        """A result that is going to be sent while it is being made."""
        from .upload import Upload

        path = f"{_PREFIX}/invocation/{request_id}/response"
        headers = f"Content-Type: {content_type}\r\n{_STREAMED}{_invocation_id_header(invocation_id)}"
        return Upload(self.address, path, f"POST {path}{self._common}{headers}\r\n".encode())

    def close_response(self, upload: Upload, trailers: bytes = b"") -> None:
        """Send the end of a result. That it was not taken is the end of the invocation, not of the loop."""
        self._leave_if_forked(1 if trailers else 0)
        try:
            self._check(upload.path, upload.finish(trailers))
        except Exception as error:
            complain(f"POST {upload.path} failed: {reason_of(error)}")
        finally:
            upload.close()

    def error_trailers(self, body: bytes, error_type: str) -> bytes:
        """What ends a result of which some has been sent with an error: its JSON, if that is no longer than headers may
        be, and its type.
        """
        from .paths import library_module

        kind = _error_type_header(error_type) or _error_type_header("Unknown")
        document = library_module("binascii").b2a_base64(body, newline=False)
        trailers = kind.encode()
        if len(document) < _MAX_CAUSE:
            trailers += b"Lambda-Runtime-Function-Error-Body: %b\r\n" % document
        return trailers

    def ask_to_be_restored(self) -> int:
        """Tell that the process is to be snapshot now; the descriptor on which the answer will be heard.

        Raises `RuntimeAPIError`.
        """
        try:
            self._connection.send(f"GET {_PREFIX}/restore/next{self._common}\r\n".encode())
        except OSError as error:
            raise self._failure(error) from error
        return self._connection.fileno()

    def wait_to_be_restored(self) -> None:
        """Wait for the answer, which comes after the restore; raises `RuntimeAPIError` for any but 200."""
        try:
            status = self._connection.read().status
        except (DisconnectedError, OSError, BrokenReplyError) as error:
            raise self._failure(error) from error
        if status != 200:
            raise RuntimeAPIError(f"the Runtime API answered {status} to the request to be restored")

    def disconnect(self) -> None:
        """Close the connection, if there is one; the next request makes another."""
        self._connection.close()

    def fail_restore(self, body: bytes, error_type: str) -> None:
        """Report that the runtime cannot serve after its restore; raises `RuntimeAPIError` when that cannot be told."""
        self._fail("restore/error", body, error_type)

    def fail_init(self, body: bytes, error_type: str) -> None:
        """Report that the runtime cannot serve invocations; raises `RuntimeAPIError` when that cannot be told."""
        self._fail("init/error", body, error_type)

    def _fail(self, name: str, body: bytes, error_type: str) -> None:
        path = f"{_PREFIX}/{name}"
        head = self._head(path, "Content-Type: application/json\r\n" + _error_type_header(error_type), body)
        self._check(path, self._exchange(head, body))

    def _answer(self, invocation: Invocation, kind: str, headers: str, body: bytes) -> None:
        path = f"{_PREFIX}/invocation/{invocation.request_id}/{kind}"
        headers += _invocation_id_header(invocation.invocation_id)
        head = self._head(path, headers, body)
        if self.pipelined:
            self._kept = path, head, body
        else:
            self._post(path, head, body)

    def _post(self, path: str, *request: bytes) -> None:
        """Send an answer. That it was not taken is the end of the invocation, not of the loop."""
        try:
            self._check(path, self._exchange(*request))
        except RuntimeAPIError as error:
            complain(f"POST {path}: {error}")

    def _head(self, path: str, headers: str, body: bytes) -> bytes:
        return f"POST {path}{self._common}{headers}Content-Length: {len(body)}\r\n\r\n".encode()

    def _check(self, path: str, reply: Reply) -> None:
        # 413 is the server's own finding about the function's result: it has told the caller and the log already.
        if not 200 <= reply.status < 300 and reply.status != 413:
            text = bytes(reply.body[:1000]).decode("utf-8", "replace").strip()
            complain(f"the Runtime API answered {reply.status} to POST {path}: {text}")

    def _exchange(self, *request: bytes) -> Reply:
        """Send one request and read its reply, once more on a new connection if the old one had been closed."""
        connection = self._connection
        try:
            while True:
                was_open = connection.is_open
                connection.send(*request)
                try:
                    return connection.read()
                except DisconnectedError:
                    if not was_open:
                        raise
        except (DisconnectedError, OSError, BrokenReplyError) as error:
            raise self._failure(error) from error

    def _exchange_both(self, answer: tuple[str, bytes, bytes]) -> Reply:
        """Send an answer and the request for the next invocation together; the second reply is returned."""
        path, *request = answer
        connection = self._connection
        try:
            connection.send(*request, self._next)
            self._check(path, connection.read())
        except DisconnectedError:
            self._post(path, *request)  # an old connection had been closed: one by one on a new one
        except (OSError, BrokenReplyError) as error:
            complain(f"POST {path} failed: {error}")
        else:
            if connection.is_open:
                try:
                    return connection.read()
                except DisconnectedError:
                    pass
                except (OSError, BrokenReplyError) as error:
                    raise self._failure(error) from error
        return self._exchange(self._next)

    def _leave_if_forked(self, status: int) -> None:
        """End a child that the function has forked and that has come out of the handler: the invocation, its connection
        and all that follow are its parent's.
        """
        if os.getpid() != self._process:
            complain("a process that the function has forked has left the handler: it ends here, and answers nothing")
            os._exit(status)

    def _failure(self, error: Exception) -> RuntimeAPIError:
        return RuntimeAPIError(f"the Runtime API at {self.address} failed: {reason_of(error)}")


def _invocation_id_header(invocation_id: str | None) -> str:
    return "" if invocation_id is None else f"Lambda-Runtime-Invocation-Id: {invocation_id}\r\n"


def _error_type_header(error_type: str) -> str:
    """The header line for an error type: class names may hold any letter, a header only printable ASCII."""
    text = "".join(letter if " " <= letter <= "~" else "?" for letter in error_type).strip()
    return f"Lambda-Runtime-Function-Error-Type: {text}\r\n" if text else ""


def complain(sentence: str) -> None:
    """Say something to the log in the runtime's own name, also where user code has closed or replaced the stream."""
    text = f"runtime: {sentence}\n"
    try:
        sys.stderr.write(text)
    except Exception:
        try:  # noqa: SIM105 - contextlib costs a millisecond
            os.write(2, text.encode("utf-8", "backslashreplace"))
        except OSError:
            pass
