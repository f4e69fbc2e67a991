"""Process start to the first question for an event: `python -m benchmarks.startup [--rounds N]`.

Our runtime (through `bootstrap`, its shell included) and AWS's Python client take turns, with one interpreter, before a
socket that only listens: what is timed ends with the first bytes of `GET …/invocation/next`. Ratios are to be compared,
not the times of two runs or machines.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.program import AWSLAMBDARIC, PATIENCE, ROOT, environ

NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n"
OURS = "our runtime"
THEIRS = "awslambdaric"
TARGET = 0.65
BARE = "echo"
FUNCTIONS = {
    BARE: "def handler(event, context):\n    return event\n",
    "echo, imports logging": "import logging\n\n\ndef handler(event, context):\n    return event\n",
}


@dataclass
class Client:
    """A runtime interface client, and what has been measured of it, by function."""

    name: str
    words: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    measured: dict[str, list[float]] = field(default_factory=dict)

    def add(self, function: str, value: float) -> None:
        """One more figure."""
        self.measured.setdefault(function, []).append(value)

    def median(self, function: str) -> float:
        """Of all figures of that function."""
        return statistics.median(self.measured[function])

    @contextlib.contextmanager
    def running(self, folder: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
        """The process, serving `app.handler` of a folder; killed at the end of the block."""
        env = environ(
            AWS_LAMBDA_RUNTIME_API=f"127.0.0.1:{port}",
            AWS_LAMBDA_FUNCTION_NAME="function",
            LAMBDA_TASK_ROOT=folder,
            RAPID_PYTHON=sys.executable,
            **self.variables,
        )
        process = subprocess.Popen(self.words, cwd=folder, env=env, stdin=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def clients() -> tuple[Client, Client]:
    """Ours and AWS's."""
    return Client(OURS, (str(ROOT / "bootstrap"), "app.handler")), Client(THEIRS, (*AWSLAMBDARIC, "app.handler"))


@contextlib.contextmanager
def function(source: str) -> Iterator[str]:
    """A folder with the function in `app.py`, already compiled, as an image has it after its first start."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "app.py").write_text(source)
        subprocess.run((sys.executable, "-m", "compileall", "-q", folder), check=True)
        yield folder


@contextlib.contextmanager
def met(client: Client, folder: str) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """The client, started, and the connection it has made. It is killed before that is closed, and so dies in silence.

    Raises:
        TimeoutError: it has not come within `PATIENCE` seconds.
    """
    with socket.create_server(("127.0.0.1", 0)) as server, contextlib.ExitStack() as afterwards:
        server.settimeout(PATIENCE)
        with client.running(folder, server.getsockname()[1]) as process:
            connection = afterwards.enter_context(server.accept()[0])
            connection.settimeout(PATIENCE)
            yield process, connection


def start_once(client: Client, folder: str) -> float:
    """Milliseconds from the start of the process to its first `next`.

    Raises:
        ValueError: it asked for something else first, or left.
    """
    began = time.perf_counter()
    with met(client, folder) as (_, connection):
        data = connection.recv(65536)
        elapsed = time.perf_counter() - began
    if not data.startswith(NEXT):
        raise ValueError(f"{client.name}: {data[:200]!r} is no question for an event")
    return elapsed * 1000


def report(measured: Sequence[Client], functions: Sequence[str], unit: str, digits: int) -> None:
    """Print a table of the medians, and the ratio of each to awslambdaric's."""
    (base,) = (client for client in measured if client.name == THEIRS)
    print(f"{'':52}{'median ' + unit:>12}{'lowest':>10}{'ratio':>8}")
    for name in functions:
        for client in measured:
            low, middle = min(client.measured[name]), client.median(name)
            ratio = middle / base.median(name)
            print(f"{name:26}{client.name:26}{middle:12.{digits}f}{low:10.{digits}f}{ratio:8.2f}")


def main() -> None:
    """Run and print; exit status 1 when ours takes more than its part of awslambdaric's time for the bare echo.

    A function that imports `logging` pays for it here, and finds it there with awslambdaric: a row, no target.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {rounds} rounds: process start to first next")
    measured = clients()
    for name, source in FUNCTIONS.items():
        with function(source) as folder:
            for number in range(rounds + 1):
                for client in measured:
                    elapsed = start_once(client, folder)
                    if number:  # the first round only fills the page cache
                        client.add(name, elapsed)
    report(measured, list(FUNCTIONS), "ms", 1)
    ours, theirs = measured
    if ours.median(BARE) > TARGET * theirs.median(BARE):
        sys.exit(f"more than {TARGET} of awslambdaric's time")


if __name__ == "__main__":
    main()
