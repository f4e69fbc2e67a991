"""Throughput, latency, memory by the number of environments: `python -m benchmarks.scaling [--seconds S] [--most N]`.

A function that computes for some milliseconds, and one that waits for 20 ms, are called by twice as many callers as
there are environments. Memory is the sum of the proportional set sizes (PSS) of all runtimes: what each environment
adds, started by itself and forked from a template, for a function that holds 20 MB from its init.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from rapid.environments.proc import children, read
from tests.support.program import environ, free_port, until

APP = """
import time

HELD = list(range(500_000))

def compute(event, context):
    return sum(n * n for n in range(40_000))

def wait(event, context):
    time.sleep(0.02)
"""
PATH = "/2015-03-31/functions/function/invocations"
NUMBERS = (1, 2, 4, 8, 16, 32, 64)


@contextlib.contextmanager
def serving(folder: str, handler: str, number: int, *flags: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """rapid with so many environments: its port and process."""
    port = free_port()
    words = [sys.executable, "-m", "rapid", "--max-environments", str(number), "--runtime-api-address", "127.0.0.1:0"]
    words += [*flags, handler]
    env = environ(PORT=str(port), AWS_LAMBDA_FUNCTION_TIMEOUT="60", RAPID_LOG_LEVEL="error")
    env.pop("RAPID_MAX_ENVIRONMENTS")
    process = subprocess.Popen(words, cwd=folder, env=env, stdout=subprocess.DEVNULL)
    try:
        until(lambda: _ready(port), "rapid to be ready", 60)
        yield port, process
    finally:
        process.terminate()
        process.wait(20)


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection), contextlib.suppress(OSError):
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    return False


def load(port: int, callers: int, seconds: float) -> list[float]:
    """The latencies of all invocations that so many callers make in that time, seconds."""
    taken: list[float] = []
    deadline = time.perf_counter() + seconds

    def call() -> None:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=120)) as connection:
            while time.perf_counter() < deadline:
                begun = time.perf_counter()
                connection.request("POST", PATH, b"{}")
                response = connection.getresponse()
                response.read()
                assert response.status == 200, response.status
                taken.append(time.perf_counter() - begun)

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken


def proportional_kib(pids: list[int]) -> int:
    """The memory of these processes, with what several share divided among them, KiB."""
    rollups = [read(f"/proc/{pid}/smaps_rollup").decode() for pid in pids]
    return sum(int(line.split()[1]) for text in rollups for line in text.splitlines() if line.startswith("Pss:"))


def measure(folder: str, handler: str, numbers: list[int], seconds: float) -> None:
    """One table: a function by the number of environments."""
    print(f"\n{handler:<14}{'per second':>12}{'times':>8}{'median ms':>12}{'p99 ms':>10}")
    first = 0.0
    for number in numbers:
        with serving(folder, f"app.{handler}", number) as (port, _):
            load(port, 2 * number, max(0.5, seconds / 4))  # until all environments are there
            taken = sorted(load(port, 2 * number, seconds))
        rate = len(taken) / seconds
        first = first or rate
        middle, late = statistics.median(taken) * 1000, taken[int(len(taken) * 0.99)] * 1000
        print(f"{number:>6} env.   {rate:>12.0f}{rate / first:>8.2f}{middle:>12.1f}{late:>10.1f}")


def memory(folder: str, numbers: list[int]) -> None:
    """What one more environment costs, by how it is started."""
    print(f"\nmemory of the runtimes, MB (PSS){'':>4}{'added by each':>16}")
    ways: Mapping[str, tuple[str, ...]] = {"each by itself": (), "forks of a template": ("--snapshot", "fork")}
    for name, flags in ways.items():
        used = {}
        for number in (numbers[0], numbers[-1]):
            with serving(folder, "app.wait", number, *flags) as (port, process):
                load(port, 2 * number, 1.0 + number / 20)
                used[number] = proportional_kib(children(process.pid)) / 1024
        few, many = numbers[0], numbers[-1]
        each = (used[many] - used[few]) / (many - few)
        print(f"{name:<20} {few:>2}: {used[few]:>7.1f}  {many:>2}: {used[many]:>8.1f}{each:>12.2f}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--most", type=int, default=NUMBERS[-1], help="environments")
    arguments = parser.parse_args()
    numbers = [number for number in NUMBERS if number <= arguments.most]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "app.py").write_text(APP)
        for handler in ("compute", "wait"):
            measure(folder, handler, numbers, arguments.seconds)
        memory(folder, numbers)


if __name__ == "__main__":
    main()
