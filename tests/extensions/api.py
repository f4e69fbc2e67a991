"""A server of the Extensions and the Telemetry API whose part the test plays."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.program import PATIENCE, ROOT, Reply, call, environ, until

IDENTIFIER = "01234567-89ab-4def-8123-456789abcdef"
HANG_UP = None


class Api:
    """Keeps the calls that came as (path, headers, JSON body); hands out the events it is given."""

    def __init__(self, telemetry_status: int = 200) -> None:
        self.telemetry_status = telemetry_status
        self.calls: list[tuple[str, Mapping[str, str], Any]] = []
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": self}))
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        self._server = server
        self.address = f"127.0.0.1:{server.server_address[1]}"

    def close(self) -> None:
        self._events.put(HANG_UP)
        self._server.shutdown()
        self._server.server_close()

    def event(self) -> dict[str, Any] | None:
        return self._events.get()

    def invoke(self, request_id: str = "r-1", seconds: float = PATIENCE) -> None:
        """Send an INVOKE."""
        arn = "arn:aws:lambda:us-east-1:012345678912:function:f"
        told = {"requestId": request_id, "invokedFunctionArn": arn}
        self._events.put({"eventType": "INVOKE", "deadlineMs": _in(seconds), **told})

    def shutdown(self, seconds: float = 2.0) -> None:
        """Send a SHUTDOWN."""
        self._events.put({"eventType": "SHUTDOWN", "deadlineMs": _in(seconds), "shutdownReason": "spindown"})

    def called(self, path: str, times: int = 1) -> list[tuple[Mapping[str, str], Any]]:
        """Headers and bodies of the calls of a path, once there were so many."""

        def found() -> list[tuple[Mapping[str, str], Any]] | None:
            calls = [(headers, body) for called, headers, body in self.calls if called.endswith(path)]
            return calls if len(calls) >= times else None

        return until(found, f"{times} calls of {path}")

    @property
    def destination(self) -> str:
        """host:port where telemetry is wanted; a sandbox name is this host."""
        (_, body), *_ = self.called("/telemetry")
        return "127.0.0.1:" + str(body["destination"]["URI"]).rstrip("/").rpartition(":")[2]

    def send(self, *events: Mapping[str, Any]) -> Reply:
        """Send a batch."""
        return call(self.destination, "POST", "/", json.dumps(events).encode())


class _Handler(BaseHTTPRequestHandler):
    api: Api
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.api.calls.append((self.path, dict(self.headers.items()), json.loads(body or b"null")))
        status, told = 202, {"status": "OK"}
        if self.path.endswith("/register"):
            status, told = 200, {"functionName": "f", "functionVersion": "7", "handler": "app.handler"}
        elif self.path.endswith("/telemetry"):
            status = self.api.telemetry_status
        elif self.path.endswith("/event/next"):
            event = self.api.event()
            if event is HANG_UP:
                self.close_connection = True
                return
            status, told = 200, event
        answer = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Lambda-Extension-Identifier", IDENTIFIER)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = _answer  # noqa: N815  http.server's names

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # the extension has left while it was asking
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


def _in(seconds: float) -> int:
    return int((time.time() + seconds) * 1000)


def stamp(ms: int = 0) -> str:
    """A time of an event, so many milliseconds into a certain minute."""
    return f"2026-01-02T03:04:{ms // 1000:02d}.{ms % 1000:03d}Z"


def event(kind: str, record: Any, ms: int = 0) -> dict[str, Any]:
    """An event of telemetry."""
    return {"time": stamp(ms), "type": kind, "record": record}


@contextmanager
def serving(telemetry_status: int = 200) -> Iterator[Api]:
    """The server above, for as long as the block."""
    api = Api(telemetry_status)
    try:
        yield api
    finally:
        api.close()


class Process:
    """A running extension: what it prints on either stream, its exit code."""

    def __init__(self, words: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        self._printed = cwd / "printed"
        with self._printed.open("wb") as output:
            self._process = subprocess.Popen(
                words, cwd=cwd, env=env, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )

    def signal(self, number: int = signal.SIGTERM) -> None:
        self._process.send_signal(number)

    def end(self) -> tuple[int, str]:
        """Wait for its end; exit code and what it printed."""
        code = self._process.wait(PATIENCE)
        return code, self._printed.read_text()

    def printed(self, text: str) -> None:
        """Wait until it has printed some text."""
        until(lambda: text in self._printed.read_text(), f"{text!r} from the extension")

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@contextmanager
def started(words: Sequence[str], api: Api, cwd: Path, **env: str) -> Iterator[Process]:
    """A program as an extension beside the API; it finds the checkout's packages."""
    told = environ(AWS_LAMBDA_RUNTIME_API=api.address, PYTHONPATH=str(ROOT), PYTHONUNBUFFERED="1", **env)
    process = Process([sys.executable if word == "python" else word for word in words], cwd, told)
    try:
        yield process
    finally:
        process.kill()


def program(text: str, folder: Path, name: str = "watcher") -> list[str]:
    """A Python program of that text, as a command."""
    path = folder / name
    path.write_text(text)
    os.chmod(path, 0o755)
    return ["python", str(path)]
