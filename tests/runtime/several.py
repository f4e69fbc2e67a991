"""Several invocations at once: a small Runtime API that hands out events to whoever asks, and a barrier for handlers.

Functions run under this runtime or AWS's as real processes, until the block ends; then they are asked to by SIGTERM.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.runtime.chunked import read_chunks
from tests.runtime.harness import ARN, BOOTSTRAP, DEADLINE_MS, PYTHON, Request

PATIENCE = 60.0


class Call:
    """One invocation, seen from its caller; `answer` is the request that answered it.

    Its body is read when `reading` is set, as it is at first if nobody `holds` it; `begun` is set before that.
    """

    def __init__(self, request_id: str, body: bytes, headers: dict[str, str]) -> None:
        self.request_id = request_id
        self.body = body
        self.headers = headers
        self.begun, self.reading = threading.Event(), threading.Event()
        self._answers: queue.Queue[Request] = queue.Queue()

    def put(self, request: Request) -> None:
        self._answers.put(request)

    def answer(self) -> Request:
        return self._answers.get(timeout=PATIENCE)

    def result(self) -> Any:
        request = self.answer()
        assert request.kind.endswith("/response"), request
        return request.json()

    def error(self) -> Any:
        request = self.answer()
        assert request.kind.endswith("/error"), request
        return request.json()


def is_gone(connection: socket.socket) -> bool:
    """Whether the peer has closed its end."""
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: ParallelAPI

    def do_GET(self) -> None:
        self.server.note(Request("GET", self.path, dict(self.headers), b""))
        if self.server.refuses():
            return self._reply(500, b"{}", {"Content-Type": "application/json"})
        self.server.asked.release()
        call = self._take()
        if call is None:
            self.close_connection = True
            return None
        headers = {
            "Lambda-Runtime-Aws-Request-Id": call.request_id,
            "Lambda-Runtime-Deadline-Ms": str(DEADLINE_MS),
            "Lambda-Runtime-Invoked-Function-Arn": ARN,
            "Content-Type": "application/json",
            **call.headers,
        }
        return self._reply(200, call.body, headers)

    def _take(self) -> Call | None:
        """The next call; None if whoever has asked for it is gone."""
        while not is_gone(self.connection):
            with contextlib.suppress(queue.Empty):
                call = self.server.calls.get(timeout=0.02)
                if not is_gone(self.connection):
                    return call
                self.server.calls.put(call)
        return None

    def do_POST(self) -> None:
        chunks = None
        call = self.server.open.pop(self.path.split("/")[-2], None)
        if call:
            call.begun.set()
            call.reading.wait(PATIENCE)
        if self.headers.get("Transfer-Encoding") == "chunked":
            chunks = read_chunks(self.rfile)
            body = b"".join(chunks.pieces)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request("POST", self.path, headers, body, chunks)
        self.server.note(request)
        if call:
            call.put(request)
        status = 202 if call or "/init/" in self.path else 400
        self.close_connection = chunks is not None
        self._reply(status, b'{"status":"OK"}\n')

    def _reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in (headers or {}).items())]
        self.wfile.write("\r\n".join([*lines, f"Content-Length: {len(body)}"]).encode() + b"\r\n\r\n" + body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class ParallelAPI(ThreadingHTTPServer):
    """`asked`: one for each question for an event. `refusals`: so many questions are answered 500."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 100

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.calls: queue.Queue[Call] = queue.Queue()
        self.open: dict[str, Call] = {}
        self.asked = threading.Semaphore(0)
        self._refusing = threading.Lock()
        self.refusals = 0
        self.requests: list[Request] = []
        self._count = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def refuses(self) -> bool:
        with self._refusing:
            self.refusals -= 1
            return self.refusals >= 0

    def note(self, request: Request) -> None:
        self.requests.append(request)

    def kinds(self, method: str = "POST") -> list[str]:
        return [request.kind for request in self.requests if request.method == method]

    def invoke(self, event: object = None, *, holds: bool = False, **headers: str) -> Call:
        """Hand an event out to whoever asks next. `Lambda-Runtime-…` headers by the name that comes after that."""
        self._count += 1
        named = {f"Lambda-Runtime-{name.replace('_', '-')}": value for name, value in headers.items()}
        call = Call(f"00000000-0000-0000-0000-{self._count:012d}", json.dumps(event).encode(), named)
        if not holds:
            call.reading.set()
        self.open[call.request_id] = call
        self.calls.put(call)
        return call

    def wait_until_asked(self, times: int) -> None:
        for _ in range(times):
            assert self.asked.acquire(timeout=PATIENCE)

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a runtime that left in the middle of a request


class Barrier:
    """Lets those who connect go when there are `parties` of them and it is allowed once more: each is sent a byte."""

    def __init__(self, parties: int) -> None:
        self.parties = parties
        self._allowed = threading.Semaphore(0)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def port(self) -> str:
        return str(self._listener.getsockname()[1])

    def allow(self, times: int) -> None:
        for _ in range(times):
            self._allowed.release()

    def _serve(self) -> None:
        while True:
            self._allowed.acquire()
            met: list[socket.socket] = []
            try:
                while len(met) < self.parties:
                    met.append(self._listener.accept()[0])
                    for gone in filter(is_gone, met[:]):
                        met.remove(gone)
                        gone.close()
            except OSError:
                return
            for connection in met:
                connection.sendall(b"!")
                connection.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._allowed.release()


MEET = """
import os, socket, asyncio
PORT = int(os.environ["BARRIER"])
def meet():
    with socket.create_connection(("127.0.0.1", PORT)) as connection:
        assert connection.recv(1) == b"!"
async def ameet():
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    assert await reader.read(1) == b"!"
    writer.close()
"""
"""For functions: to wait until all others are there."""


class Running:
    """A runtime that serves; `output` once it has ended."""

    def __init__(self, api: ParallelAPI, barrier: Barrier, process: subprocess.Popen[bytes], log: Path) -> None:
        self.api = api
        self.barrier = barrier
        self.process = process
        self._log = log

    @property
    def output(self) -> str:
        return self._log.read_text(errors="surrogateescape")

    def wait_for_output(self, text: str) -> None:
        """Until the output has it; the process writes to a file, which nobody tells of."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.output:
            assert time.monotonic() < deadline, self.output
            self.process.poll()
            select.select([], [], [], 0.02)

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def several(
    task: Path,
    count: int | str,
    handler: str = "app.handler",
    *,
    theirs: bool = False,
    meeting: int = 1,
    refusals: int = 0,
    through: Sequence[str] = (),
    env: dict[str, str] | None = None,
    **more: str,
) -> Iterator[Running]:
    """Run the function in the folder `task`, `count` invocations at once, `through` a program that starts it.

    At its barrier `meeting` handlers meet.
    """
    api, barrier = ParallelAPI(), Barrier(meeting)
    api.refusals = refusals
    thread = threading.Thread(target=api.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    words = [sys.executable, "-m", "awslambdaric", handler] if theirs else [*through, str(BOOTSTRAP), handler]
    environ = {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "RAPID_PYTHON": PYTHON,
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12",
        "AWS_LAMBDA_MAX_CONCURRENCY": str(count),
        "BARRIER": barrier.port,
        **(env or {}),
        **more,
    }
    log = task / f"{'theirs' if theirs else 'ours'}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            words, cwd=task, env=environ, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield Running(api, barrier, process, log)
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # AWS's leaves its workers behind
            process.wait()
            api.shutdown()
            thread.join()
            api.server_close()
            barrier.close()
