"""Runs the real `rapid` command and speaks to it over real sockets."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0
T = TypeVar("T")
ANY_PORT = ("--runtime-interface-emulator-address", "127.0.0.1:0", "--runtime-api-address", "127.0.0.1:0")


def until(ask: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
    """The first true answer of `ask`; fails with `what` when none comes in time."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for: {what}")
        threading.Event().wait(0.01)


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Reply:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def call(
    address: str, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Reply:
    """One HTTP request on a connection of its own; header names come back in lower case."""
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


class Program:
    """A running `rapid`: what it says on each stream, where it listens."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.output: list[str] = []
        self.errors: list[str] = []
        self._readers = [
            threading.Thread(target=_collect, args=(stream, lines), daemon=True)
            for stream, lines in ((process.stdout, self.output), (process.stderr, self.errors))
        ]
        for reader in self._readers:
            reader.start()
        self.invoke_address, self.runtime_address = until(self._addresses, "rapid to say where it listens")

    def _addresses(self) -> tuple[str, str] | None:
        said = re.search(r"invoke at http://(\S+), Runtime API at (\S+)", "".join(self.errors))
        if said is None and self.process.poll() is not None:
            raise AssertionError(f"rapid left with {self.process.returncode}: {''.join(self.errors)}")
        return (said[1], said[2]) if said else None

    def invoke(self, event: Any = None, name: str = "function", headers: Mapping[str, str] | None = None) -> Reply:
        """Invoke with a JSON event (`None` sends an empty body)."""
        body = b"" if event is None else json.dumps(event).encode()
        return call(self.invoke_address, "POST", f"/2015-03-31/functions/{name}/invocations", body, headers)

    def runtime(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """A call to the Runtime API; `path` without the version."""
        return call(self.runtime_address, method, f"/2018-06-01{path}", body, headers)

    def said(self, pattern: str) -> re.Match[str]:
        """Wait until the console shows a line that `pattern` finds."""
        return until(lambda: re.search(pattern, "".join(self.output), re.MULTILINE), f"{pattern!r} on the console")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal it, and wait for its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        return code


def _collect(stream: Any, lines: list[str]) -> None:
    with stream:
        lines.extend(stream)


def environ(**more: str) -> dict[str, str]:
    """The environment of the tests without what would steer rapid, and with `more`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "RAPID_", "LAMBDA_", "_")) and k != "PORT"}
    return {**kept, "RAPID_MAX_ENVIRONMENTS": "1", **more}


@contextmanager
def running(command: Sequence[str] | str, cwd: Path, flags: Sequence[str] = ANY_PORT, **env: str) -> Iterator[Program]:
    """`rapid FLAGS COMMAND` in folder `cwd`, ended at the end of the block."""
    words = [command] if isinstance(command, str) else list(command)
    process = subprocess.Popen(
        [sys.executable, "-m", "rapid", *flags, *words],
        cwd=cwd,
        env=environ(**env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    try:
        yield Program(process)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


AWSLAMBDARIC = (sys.executable, "-m", "awslambdaric")
"""AWS's own Python client, to be followed by a handler."""
