"""Runs our runtime as a template, and forks it: a client of the template's protocol, before small real Runtime APIs."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.runtime.harness import BOOTSTRAP, PYTHON, Event, FakeRuntimeAPI
from tests.support.program import until

PR_SET_CHILD_SUBREAPER = 36
PATIENCE = 30.0


class Client:
    """One connection to a template."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(str(path))
        self._answers = self.socket.makefile("rb")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self._answers.close()
        self.socket.close()

    def ask(self, line: dict[str, Any] | bytes, *descriptors: int) -> Any:
        """Send a request and return its answer; None if the connection is closed instead."""
        data = line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n"
        socket.send_fds(self.socket, [data], descriptors)
        return self.answer()

    def answer(self) -> Any:
        answer = self._answers.readline()
        return json.loads(answer) if answer else None


@dataclass
class Template:
    """A running template: its process, its socket, the API that it waits at, what it has written."""

    process: subprocess.Popen[bytes]
    path: Path
    api: FakeRuntimeAPI
    output: Path

    def ask(self, line: dict[str, Any] | bytes, *descriptors: int) -> Any:
        with Client(self.path) as client:
            return client.ask(line, *descriptors)

    def written(self) -> str:
        return self.output.read_text()

    def descriptors(self) -> list[str]:
        """What its descriptors are of."""
        folder = Path(f"/proc/{self.process.pid}/fd")
        return [os.readlink(entry) for entry in sorted(folder.iterdir(), key=lambda entry: int(entry.name))]


@contextlib.contextmanager
def template(
    task: Path, handler: str = "app.handler", *, restored: bool = False, framed: int | None = None, **env: str
) -> Iterator[Template]:
    """The function in the folder `task`, initialised and waiting to be forked; SIGKILL ends it.

    `restored`: the Runtime API restores the process itself at once. `framed`: a descriptor for its framed log.
    """
    path, output = task / "template", task / "output"
    with FakeRuntimeAPI([]) as api, output.open("wb") as stream, adopting_orphans():
        if not restored:
            api.restore.clear()
        process = subprocess.Popen(
            [str(BOOTSTRAP), handler],
            cwd=task,
            env={
                "PATH": os.environ["PATH"],
                "LANG": "C.UTF-8",
                "PYTHONDONTWRITEBYTECODE": "1",
                "RAPID_PYTHON": PYTHON,
                "AWS_LAMBDA_RUNTIME_API": api.address,
                "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
                "RAPID_TEMPLATE_SOCKET": str(path),
                **({} if framed is None else {"_LAMBDA_TELEMETRY_LOG_FD": str(framed)}),
                **env,
            },
            pass_fds=[] if framed is None else [framed],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            process_group=0,
        )
        running = Template(process, path, api, output)
        try:
            until(lambda: api.requests or process.poll() is not None, "the template to be ready", PATIENCE)
            yield running
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)


@contextlib.contextmanager
def adopting_orphans() -> Iterator[None]:
    """Processes below this one that lose their parent become its children, as they become rapid's."""
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


class Environment:
    """A process that has been forked, and waits for `go`; `api` is its Runtime API."""

    def __init__(self, template: Template, *events: Event, framed: bool = False, **fields: Any) -> None:
        self.api = FakeRuntimeAPI(list(events))
        self._pipes = [os.pipe() for _ in range(2 if framed else 1)]
        self._client = Client(template.path)
        environ = {"AWS_LAMBDA_RUNTIME_API": self.api.address, **fields.pop("environ", {})}
        request = {"do": "fork", "environ": environ, **fields}
        self.answer = self._client.ask(request, *(writer for _reader, writer in self._pipes))
        for _reader, writer in self._pipes:
            os.close(writer)
        assert "pid" in self.answer, self.answer
        self.pid: int = self.answer["pid"]

    def __enter__(self) -> Environment:
        self.api.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        with self._client:
            for reader, _writer in self._pipes:
                os.close(reader)
            self.api.__exit__()

    def go(self) -> None:
        """Have it serve."""
        assert self._client.ask({"do": "go"}) is None

    def leave(self) -> None:
        """Have it end before it has begun."""
        self._client.__exit__()

    def ended(self) -> tuple[int, str]:
        """Its exit status, and what it has written."""
        written = self._read(0)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]), written.decode()

    def framed(self) -> bytes:
        """What it has written to its framed log."""
        return self._read(1)

    def _read(self, number: int) -> bytes:
        with open(self._pipes[number][0], "rb", closefd=False) as stream:
            return stream.read()

    @property
    def results(self) -> list[Any]:
        """What it has answered its invocations with."""
        return [post.json() for post in self.api.requests if post.method == "POST"]


def serve(template: Template, *events: Event, **fields: Any) -> list[Any]:
    """The results of a fork's invocations, after the last of which it ends because there is no next one."""
    with Environment(template, *events, **fields) as environment:
        environment.go()
        status, written = environment.ended()
        assert status == 1, written
        return environment.results
