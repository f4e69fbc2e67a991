"""Runs functions under this runtime and under AWS's own (awslambdaric), against a small real Runtime API.

Both are real processes on real sockets. The API serves a list of invocations, writes down every request, and ends the
loop by answering 410 to the `next` after the last: both runtimes leave with status 1 then, by their own error path.

`RAPID_TEST_PYTHON` names another interpreter for this runtime; AWS's always runs in the interpreter of the tests.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.chunked import Chunks, read_chunks
from tests.runtime.framed import framed_log, read_frames

BOOTSTRAP = Path(__file__).parents[2] / "bootstrap"
PYTHON = os.environ.get("RAPID_TEST_PYTHON", sys.executable)
DEADLINE_MS = 4_102_444_800_000
ARN = "arn:aws:lambda:us-east-1:012345678912:function:f"


@dataclass
class Event:
    """One invocation as the API serves it. `post_status` answers the runtime's response or error.

    `refuse_after`: of a streamed response so many chunks are read; then it is answered, or dropped if `drop`.
    """

    body: bytes | str = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    chunks: int = 0
    post_status: int = 202
    close_after_next: bool = False
    close_after_post: bool = False
    refuse_after: int | None = None
    drop: bool = False


@dataclass
class Request:
    """One request of a runtime; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    chunks: Chunks | None = None

    @property
    def kind(self) -> str:
        return self.path.removeprefix("/2018-06-01/runtime/")

    def json(self) -> Any:
        return json.loads(self.body)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FakeRuntimeAPI

    def setup(self) -> None:
        super().setup()
        self.server.sockets.append(self.connection)

    def do_GET(self) -> None:
        self._record(b"")
        if self.path.endswith("/restore/next"):
            self.server.restore.wait()
            return self._reply(self.server.restore_status, b"")
        number = self.server.served
        if number >= len(self.server.events):
            self.server.last.wait()
            # Without a Content-Type awslambdaric's native client crashes.
            return self._reply(410, b'{"errorMessage":"no more"}', {"Content-Type": "application/json"})
        self.server.served += 1
        event = self.server.events[number]
        body = event.body.encode() if isinstance(event.body, str) else event.body
        headers = {
            "Lambda-Runtime-Aws-Request-Id": request_id(number),
            "Lambda-Runtime-Deadline-Ms": str(DEADLINE_MS),
            "Lambda-Runtime-Invoked-Function-Arn": ARN,
            "Content-Type": event.content_type,
            **event.headers,
        }
        self.close_connection = event.close_after_next
        return self._reply(200, body, headers, event.chunks)

    def do_POST(self) -> None:
        chunks = None
        if self.headers.get("Transfer-Encoding") == "chunked":
            event = self.server.events[self.server.served - 1]
            chunks = read_chunks(self.rfile, event.refuse_after)
            self._record(b"".join(chunks.pieces), chunks)
            if event.drop:
                self.close_connection = True
                return
        else:
            self._record(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
        status = 202
        if "/invocation/" in self.path:
            event = self.server.events[self.server.served - 1]
            status, self.close_connection = event.post_status, event.close_after_post
        self._reply(status, b'{"status":"OK"}\n')

    def _record(self, body: bytes, chunks: Chunks | None = None) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.server.lock:
            self.server.requests.append(Request(self.command, self.path, headers, body, chunks))
            self.server.connections.add(self.client_address)

    def _reply(self, status: int, body: bytes, headers: dict[str, str] | None = None, chunks: int = 0) -> None:
        lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in (headers or {}).items())]
        if not chunks:
            wire = body
            lines.append(f"Content-Length: {len(body)}")
        else:
            lines.append("Transfer-Encoding: chunked")
            size = -(-len(body) // chunks)
            pieces = [body[start : start + size] for start in range(0, len(body), size)]
            wire = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        self.wfile.write("\r\n".join(lines).encode() + b"\r\n\r\n" + wire)

    def log_message(self, format: str, *args: object) -> None:
        pass


class FakeRuntimeAPI(ThreadingHTTPServer):
    """Serves `events` on a port of its own while it is entered.

    Attributes:
        restore: a request to be restored is answered, with `restore_status`, once this is set; it is, unless cleared.
        last: the same for the request after the last event.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, events: list[Event]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.events = events
        self.served = 0
        self.restore = threading.Event()
        self.restore.set()
        self.restore_status = 200
        self.last = threading.Event()
        self.last.set()
        self.requests: list[Request] = []
        self.connections: set[Any] = set()
        self.sockets: list[socket.socket] = []
        self.lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> FakeRuntimeAPI:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.restore.set()
        self.last.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def drop_connections(self) -> None:
        """As if it had ended."""
        for connection in self.sockets:
            connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a runtime that left in the middle of a request


@dataclass
class Run:
    """What one runtime did: its requests, its output, its exit status, and what it wrote to the framed log."""

    requests: list[Request]
    stdout: str
    stderr: str
    status: int
    connections: int
    framed: bytes = b""

    @property
    def posts(self) -> list[Request]:
        return [request for request in self.requests if request.method == "POST"]

    @property
    def frames(self) -> list[tuple[str, str]]:
        """The frames of the framed log: type in hexadecimal, message."""
        return [(kind, text) for kind, _time, text in read_frames(self.framed)]

    @property
    def only(self) -> Request:
        (post,) = self.posts
        return post


def request_id(number: int) -> str:
    """The request id of the nth invocation."""
    return f"00000000-0000-0000-0000-{number:012d}"


def _run(
    command: list[str],
    task: Path,
    events: list[Event],
    env: dict[str, str],
    descriptor: int | None = None,
    restore_status: int = 200,
) -> Run:
    """`descriptor`: given to the runtime as its framed log."""
    passed = [] if descriptor is None else [descriptor]
    with FakeRuntimeAPI(list(events)) as api:
        api.restore_status = restore_status
        base = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
            "_LAMBDA_TELEMETRY_LOG_FD": "<unset>" if descriptor is None else str(descriptor),
        }
        environment = {name: value for name, value in (base | env).items() if value != "<unset>"}
        done = subprocess.run(
            command, cwd=task, env=environment, capture_output=True, timeout=60, check=False, pass_fds=passed
        )
        out, err = (stream.decode("utf-8", "surrogateescape") for stream in (done.stdout, done.stderr))
        return Run(api.requests, out, err, done.returncode, len(api.connections))


def ours(
    task: Path,
    *events: Event,
    handler: str | None = "app.handler",
    env: dict[str, str] | None = None,
    descriptor: int | None = None,
    restore_status: int = 200,
    **more: str,
) -> Run:
    """Run the function in the folder `task` under this runtime. A variable that is "<unset>" is taken away."""
    words = [str(BOOTSTRAP)] if handler is None else [str(BOOTSTRAP), handler]
    return _run(words, task, list(events), {"RAPID_PYTHON": PYTHON, **(env or {}), **more}, descriptor, restore_status)


def theirs(
    task: Path,
    *events: Event,
    handler: str = "app.handler",
    env: dict[str, str] | None = None,
    descriptor: int | None = None,
) -> Run:
    """Run the function in the folder `task` under awslambdaric."""
    run = _run([sys.executable, "-m", "awslambdaric", handler], task, list(events), env or {}, descriptor)
    run.stdout = re.sub(r"\[ERROR\] \[\d+\] LAMBDA_RUNTIME Failed to get next invocation.*\n", "", run.stdout)
    return run


def both(
    task: Path,
    *events: Event,
    handler: str = "app.handler",
    env: dict[str, str] | None = None,
    descriptors: tuple[int | None, int | None] = (None, None),
) -> tuple[Run, Run]:
    """Run the function under this runtime and under awslambdaric, at the same time."""
    mine, other = descriptors
    result: list[Run] = []
    beside = threading.Thread(
        target=lambda: result.append(theirs(task, *events, handler=handler, env=env, descriptor=other))
    )
    beside.start()
    run = ours(task, *events, handler=handler, env=env, descriptor=mine)
    beside.join()
    return run, result[0]


def both_framed(
    task: Path, *events: Event, handler: str = "app.handler", env: dict[str, str] | None = None
) -> tuple[Run, Run]:
    """The same, each with a framed log of its own."""
    with framed_log() as (mine, read_mine), framed_log() as (other, read_other):
        runs = both(task, *events, handler=handler, env=env, descriptors=(mine, other))
        runs[0].framed, runs[1].framed = read_mine(), read_other()
        return runs


def write(task: Path, **sources: str) -> Path:
    """Write modules into the folder `task`; `__` in a name stands for a folder."""
    for name, source in sources.items():
        file = task / (name.replace("__", "/") + ".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    return task


def same_everywhere(text: str) -> str:
    """A text without what differs from run to run (times) or between the Pythons that the two may run in."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "<time with milliseconds>", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<time>", text)
    text = re.sub(r"\n[ ~^]+(?=\n)", "", text)
    text = re.sub(r"\\n[ ~^]+(?=\\n)", "", text)
    return text.replace("Exceeds the limit (4300 digits)", "Exceeds the limit (4300)")


def said(request: Request) -> tuple[object, ...]:
    """All of a request that both runtimes must send alike."""
    cause = json.loads(request.headers.get("lambda-runtime-function-xray-error-cause") or "{}")
    cause["paths"] = sorted(cause.get("paths", []))  # awslambdaric sends them in the order of a set
    return (
        request.kind,
        request.headers.get("content-type") if request.kind != "init/error" else None,
        request.headers.get("lambda-runtime-invocation-id"),
        request.headers.get("lambda-runtime-function-error-type") if request.kind == "init/error" else None,
        same_everywhere(json.dumps(cause)),
        same_everywhere(request.body.decode("latin-1")),
    )


def assert_alike(mine: Run, other: Run) -> None:
    """Both runtimes told the API and the log the same, and left with the same status.

    Named differences: this runtime sends Lambda-Runtime-Function-Error-Type on invocation errors too, and a
    Content-Type on init errors; the User-Agent; what a runtime says when `next` fails.
    """
    for what, read in _TOLD.items():
        if read(mine) != read(other):
            pytest.fail(f"the {what} differ\n  ours:   {read(mine)!r}\n  theirs: {read(other)!r}", pytrace=False)


_TOLD: dict[str, Callable[[Run], object]] = {
    "requests": lambda run: [said(request) for request in run.posts],
    "log": lambda run: same_everywhere(run.stdout),
    "framed log": lambda run: [(kind, same_everywhere(text)) for kind, text in run.frames],
    "status": lambda run: run.status,
}
