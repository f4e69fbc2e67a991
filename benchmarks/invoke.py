"""Echo through rapid and through AWS's emulator, in one run: `python -m benchmarks.invoke [--seconds S] [--rounds N]`.

The programs take turns, round by round, so that whatever else the machine does meets them alike; figures of one run are
to be compared, not those of two. The emulator is AWS's own, from the aws-sam-cli wheel, with AWS's own Python client;
rapid runs with its own runtime, and with AWS's client for a like-for-like row.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.emulator import binary
from tests.support.program import AWSLAMBDARIC, environ, free_port, until

EVENT = b'{"hello":"world"}'
REQUEST = b"POST /2015-03-31/functions/function/invocations HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n%s" % (
    len(EVENT),
    EVENT,
)
CALLERS = (1, 8)
EMULATOR = "AWS's emulator + awslambdaric"
RAPID = "rapid + its runtime"
ALIKE = "rapid + awslambdaric"


@dataclass
class Target:
    """One program under load, and its figures by number of callers."""

    name: str
    words: Sequence[str]
    port: int
    process: subprocess.Popen[bytes] | None = None
    rates: dict[int, list[float]] = field(default_factory=dict)
    errors: dict[int, int] = field(default_factory=dict)

    def start(self, folder: str) -> None:
        """Start it unless it runs, and wait until it answers."""
        if self.process is None or self.process.poll() is not None:
            env = environ(AWS_LAMBDA_FUNCTION_TIMEOUT="30", RAPID_LOG_LEVEL="error", LOG_LEVEL="error")
            quiet = subprocess.DEVNULL
            self.process = subprocess.Popen(self.words, cwd=folder, env=env, stdout=quiet, stderr=quiet)
        until(lambda: calls(self.port, 0.0)[0] == 1, f"{self.name} to answer")

    def stop(self) -> None:
        """End it."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)


def calls(port: int, seconds: float) -> tuple[int, int]:
    """Invoke over one connection for so long, at least once; (answers, errors)."""
    answers = 0
    deadline = time.perf_counter() + seconds
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                connection.sendall(REQUEST)
                _read_answer(connection)
                answers += 1
                if time.perf_counter() >= deadline:
                    return answers, 0
    except (OSError, ValueError):
        return answers, 1


def _read_answer(connection: socket.socket) -> None:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _receive(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise ValueError(head)
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < length:
        body += _receive(connection)


def _receive(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ValueError("connection closed")
    return data


def load(target: Target, callers: int, seconds: float, pool: multiprocessing.pool.Pool) -> None:
    """One round of one target."""
    began = time.perf_counter()
    results = pool.starmap(calls, [(target.port, seconds)] * callers, chunksize=1)
    elapsed = time.perf_counter() - began
    target.rates.setdefault(callers, []).append(sum(answers for answers, _ in results) / elapsed)
    target.errors[callers] = target.errors.get(callers, 0) + sum(errors for _, errors in results)


def targets() -> list[Target]:
    """The programs to compare."""
    made = []
    rapid = (sys.executable, "-m", "rapid")
    theirs = (*AWSLAMBDARIC, "echo.handler")
    for name, program, command in (
        (EMULATOR, (str(binary()),), theirs),
        (RAPID, rapid, ("echo.handler",)),
        (ALIKE, rapid, theirs),
    ):
        port, api = free_port(), free_port()
        flags = (
            "--runtime-interface-emulator-address",
            f"127.0.0.1:{port}",
            "--runtime-api-address",
            f"127.0.0.1:{api}",
        )
        made.append(Target(name, (*program, *flags, *command), port))
    return made


@contextlib.contextmanager
def function() -> Iterator[str]:
    """A folder with the function: it gives its event back."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "echo.py").write_text("def handler(event, context):\n    return event\n")
        yield folder


def report(measured: Sequence[Target]) -> None:
    """Print the table and the ratios to the emulator."""
    base = next(target for target in measured if target.name == EMULATOR)
    print(f"{'':32}{'callers':>8}{'per second':>12}{'errors':>8}{'ratio':>8}")
    for callers in CALLERS:
        for target in measured:
            rate = statistics.median(target.rates[callers])
            errors = target.errors[callers]
            base_rate = statistics.median(base.rates[callers])
            # An emulator that has died has no throughput to compare with.
            ratio = f"{rate / base_rate:8.2f}" if base_rate and not base.errors[callers] else f"{'-':>8}"
            print(f"{target.name:32}{callers:8}{rate:12.0f}{errors:8}{ratio}")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a round")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    measured = targets()
    print(f"{os.cpu_count()} cores, {chosen.rounds} rounds of {chosen.seconds} s, medians")
    with function() as folder, multiprocessing.get_context("spawn").Pool(max(CALLERS)) as pool:
        try:
            for callers in CALLERS:
                for _ in range(chosen.rounds):
                    for target in measured:
                        target.start(folder)
                        load(target, callers, chosen.seconds, pool)
        finally:
            for target in measured:
                target.stop()
    report(measured)


if __name__ == "__main__":
    main()
