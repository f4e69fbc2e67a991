"""Runs one case under this project's runtime or under awslambdaric, and keeps all that it did."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from tests.comparison.cases import Case
from tests.comparison.server import Call, RecordingAPI
from tests.support.program import ROOT, until

_PATIENCE = 30
_OURS = [str(ROOT / "bootstrap")]
_THEIRS = [sys.executable, "-m", "awslambdaric"]
_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "LANG": "C.UTF-8",
    "TZ": ":UTC",
    "PYTHONDONTWRITEBYTECODE": "1",
    "RAPID_PYTHON": sys.executable,
    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
    "AWS_REGION": "us-east-1",
    "AWS_LAMBDA_FUNCTION_NAME": "compared",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/compared",
    "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/21/[$LATEST]0123456789abcdef",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
}


@dataclass(frozen=True)
class Run:
    """What one process did. `framed` is what it wrote to the framed log; `status` is -9 when it had to be ended."""

    calls: list[Call]
    stdout: bytes
    stderr: bytes
    framed: bytes
    status: int
    address: str


class _Pipe:
    """A pipe that a process writes to and a thread reads, to the end or until it is closed here."""

    def __init__(self) -> None:
        self.data = b""
        self._reader, self.writer = os.pipe()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while piece := os.read(self._reader, 65_536):
            self.data += piece
        os.close(self._reader)

    def finish(self) -> bytes:
        self._thread.join(_PATIENCE)
        assert not self._thread.is_alive(), "somebody keeps the output open"
        return self.data


def ours(case: Case, task: Path) -> Run:
    """Run a case, whose files are in the folder `task`, under this project's runtime."""
    return _run(case, task, _OURS)


def theirs(case: Case, task: Path) -> Run:
    """The same under awslambdaric; the wrapper program, which AWS's images start it through, is put before it."""
    wrapper = case.environ.get("AWS_LAMBDA_EXEC_WRAPPER")
    return _run(case, task, [*([str(task / wrapper)] if wrapper else []), *_THEIRS])


def _run(case: Case, task: Path, command: list[str]) -> Run:
    out = _Pipe()
    err = out if case.one_stream else _Pipe()
    framed = _Pipe() if case.framed else None
    with RecordingAPI(list(case.events), case.answer_status) as api:
        environ = {**_ENVIRONMENT, "AWS_LAMBDA_RUNTIME_API": api.address, "LAMBDA_TASK_ROOT": str(task)}
        environ["_HANDLER"] = case.handler
        if framed:
            environ["_LAMBDA_TELEMETRY_LOG_FD"] = str(framed.writer)
        for name, value in case.environ.items():
            environ[name] = str(task / value) if name == "AWS_LAMBDA_EXEC_WRAPPER" else value
        process = subprocess.Popen(
            [*command, case.handler],
            cwd=task,
            env={name: value for name, value in environ.items() if value != "<unset>"},
            stdin=subprocess.DEVNULL,
            stdout=out.writer,
            stderr=err.writer,
            pass_fds=[framed.writer] if framed else [],
            start_new_session=True,
        )
        pipes = list(dict.fromkeys([out, err, *([framed] if framed else [])]))
        for pipe in pipes:
            os.close(pipe.writer)
        until(lambda: process.poll() is not None or api.is_done, f"the end of {case.id}", _PATIENCE)
        if process.poll() is None:
            until(lambda: case.until in b"".join(pipe.data for pipe in pipes), f"{case.until!r} in the log", _PATIENCE)
        _end(process)
        texts = [pipe.finish() for pipe in pipes]
        return Run(
            calls=list(api.calls),
            stdout=texts[0],
            stderr=b"" if case.one_stream else texts[1],
            framed=texts[-1] if framed else b"",
            status=process.returncode,
            address=api.address,
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process that waits for an event, and whatever it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(_PATIENCE)
