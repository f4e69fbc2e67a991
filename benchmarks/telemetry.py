"""What a telemetry subscriber costs, and that it misses nothing: `python -m benchmarks.telemetry [--invocations N]`.

One rapid without an extension and one with a subscriber take turns, round by round, so that whatever else the machine
does meets both alike. The subscriber is a program of the extension library that counts what it is given; every
invocation must be told of, and every line of a function that writes 10,000 of them.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.support.program import ROOT, Program, running, until

LINES = 10_000
LINE_ROUNDS = 5
PATH = "/2015-03-31/functions/function/invocations"

FUNCTION = """
def handler(event, context):
    for number in range(event.get("lines", 0)):
        print(f"line {number} of an invocation that has much to say")
    return event
"""

SUBSCRIBER = f"""#!{sys.executable}
import asyncio, collections, json, sys
sys.path.insert(0, {str(ROOT)!r})
from extensions import Buffering, Extension

counted = collections.Counter()

async def count(events):
    for event in events:
        counted[event["type"]] += 1
        if event["type"] == "platform.logsDropped":
            counted["dropped"] += event["record"]["droppedRecords"]
    with open({{notes!r}} + ".new", "w") as file:
        json.dump(counted, file)
    import os
    os.replace({{notes!r}} + ".new", {{notes!r}})

async def main():
    async with Extension.register("subscriber", ["SHUTDOWN"]) as extension:
        await extension.subscribe(["platform", "function"], count, buffering=Buffering(timeout_ms=25))
        async for _ in extension.events():
            pass

asyncio.run(main())
"""


class Caller:
    """Invokes over one connection."""

    def __init__(self, program: Program) -> None:
        host, _, port = program.invoke_address.rpartition(":")
        self._connection = http.client.HTTPConnection(host, int(port), timeout=60)

    def invoke(self, event: dict[str, Any]) -> None:
        """One invocation, which must succeed."""
        self._connection.request("POST", PATH, json.dumps(event))
        response = self._connection.getresponse()
        answer = json.loads(response.read())
        assert (response.status, answer) == (200, event), answer

    def many(self, count: int) -> float:
        """Milliseconds per invocation, one after the other."""
        begun = time.perf_counter()
        for _ in range(count):
            self.invoke({})
        return (time.perf_counter() - begun) / count * 1000


class Subscriber:
    """What the subscriber has counted, by type of event."""

    def __init__(self, folder: Path) -> None:
        self._notes = folder / "counted"
        program = folder / "extensions" / "subscriber"
        program.parent.mkdir()
        program.write_text(SUBSCRIBER.format(notes=str(self._notes)))
        program.chmod(0o755)
        self.folder = program.parent

    def counted(self, kind: str) -> int:
        """How many events of a type it has been given."""
        with contextlib.suppress(FileNotFoundError):
            return int(json.loads(self._notes.read_text()).get(kind, 0))
        return 0

    def has(self, kind: str, count: int) -> None:
        """Wait until it has been given so many, and see that there are no more."""
        until(lambda: self.counted(kind) >= count, f"{count} events of type {kind}, of which {self.counted(kind)} came")
        assert self.counted(kind) == count, (kind, self.counted(kind))
        assert self.counted("dropped") == 0


@contextlib.contextmanager
def served(folder: Path, **env: str) -> Iterator[Caller]:
    """A rapid with the function."""
    (folder / "app.py").write_text(FUNCTION)
    with running("app.handler", folder, AWS_LAMBDA_FUNCTION_TIMEOUT="60", RAPID_LOG_LEVEL="info", **env) as program:
        caller = Caller(program)
        caller.invoke({})
        yield caller


def measure(invocations: int, rounds: int) -> None:
    """Run it, and print what came of it.

    Args:
        invocations: with each program, all rounds together.
        rounds: turns that each takes.
    """
    with ExitStack() as stack:
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2)]
        subscriber = Subscriber(folders[1])
        alone = stack.enter_context(served(folders[0]))
        heard = stack.enter_context(served(folders[1], RAPID_EXTENSIONS_DIR=str(subscriber.folder)))
        costs: dict[str, list[float]] = {"alone": [], "heard": []}
        each = invocations // rounds
        for _ in range(rounds):
            costs["alone"].append(alone.many(each))
            costs["heard"].append(heard.many(each))
        told = each * rounds + 1
        for kind in ("platform.start", "platform.runtimeDone", "platform.report"):
            subscriber.has(kind, told)
        timed: dict[str, list[float]] = {"alone": [], "heard": []}
        for turn in range(LINE_ROUNDS):
            for name, caller in (("alone", alone), ("heard", heard)):
                begun = time.perf_counter()
                caller.invoke({"lines": LINES})
                timed[name].append((time.perf_counter() - begun) * 1000)
            subscriber.has("function", LINES * (turn + 1))
        without, beside = (statistics.median(costs[name]) for name in ("alone", "heard"))
        quiet, told_of = (statistics.median(timed[name]) for name in ("alone", "heard"))
        lines = LINES * LINE_ROUNDS
        print(f"{each * rounds} invocations in {rounds} rounds, medians; none lost of {told}, nor of {lines} lines")
        print(f"{'':34}{'no subscriber':>14}{'subscriber':>12}{'ratio':>8}")
        print(f"{'one invocation, ms':34}{without:>14.3f}{beside:>12.3f}{beside / without:>8.2f}")
        shown = f"one that writes {LINES:,} lines, ms"
        print(f"{shown:34}{quiet:>14.0f}{told_of:>12.0f}{told_of / quiet:>8.2f}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--invocations", type=int, default=1000, help="with and without the subscriber")
    parser.add_argument("--rounds", type=int, default=10, help="turns that each takes")
    arguments = parser.parse_args()
    measure(arguments.invocations, arguments.rounds)


if __name__ == "__main__":
    main()
