"""A storm: processes of all kinds are killed at random while callers ask for trouble.

Everyone is answered, and nothing stays.

RAPID_TEST_STORM_SECONDS makes it last longer, RAPID_TEST_STORM_SEED repeats the choices of one (what comes of them also
depends on when they meet).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.server.gate import Gate
from tests.server.played import begin
from tests.server.troubled import below, runtimes, templates, troubled
from tests.server.wire import connected, request
from tests.support.program import PATIENCE, Program, Reply, call, until

SECONDS = float(os.environ.get("RAPID_TEST_STORM_SECONDS", "60"))
SEED = int(os.environ.get("RAPID_TEST_STORM_SEED", random.SystemRandom().randrange(1_000_000)))
INVOKE = "/2015-03-31/functions/function/invocations"

ENVIRONMENTS = 4
CALLERS = 8
TIMEOUT = 2
"""Of the function, seconds."""

RESTING = {"idle", "absent", "snapshot"}
"""States in which an environment waits for an invocation."""

WARM_UP = 0.25
"""What part of the storm comes before the measurement that the one after it is compared with."""

MARGIN_KIB = 2 * 1024
"""How much the server's memory may differ: what an allocator has in hand."""

EXTENSION = f"""#!{sys.executable} -IS
import os, socket

API = os.environ["AWS_LAMBDA_RUNTIME_API"].rpartition(":")

def call(method, path, headers, body=""):
    with socket.create_connection((API[0], int(API[2]))) as connection:
        lines = [f"{{method}} /2020-01-01/extension/{{path}} HTTP/1.1", "Host: x", "Connection: close", *headers]
        connection.sendall("\\r\\n".join([*lines, f"Content-Length: {{len(body)}}", "", body]).encode())
        with connection.makefile() as answer:
            return answer.read()

told = call("POST", "register", ["Lambda-Extension-Name: watch"], '{{"events": ["INVOKE", "SHUTDOWN"]}}')
identifier = told.lower().partition("lambda-extension-identifier: ")[2].split()[0]
while "SHUTDOWN" not in call("GET", "event/next", [f"Lambda-Extension-Identifier: {{identifier}}"]):
    pass
"""

ERRORS = {"ValueError", "Runtime.ExitError", "Sandbox.Timedout", "Extension.Crash"}


class Storm:
    """Callers, and somebody who kills, until they are told to stop.

    Attributes:
        replies: what the callers have been answered.
        killed: how many of each kind.
    """

    def __init__(self, program: Program, seed: int) -> None:
        self.replies: list[Reply] = []
        self.killed: Counter[str] = Counter()
        self._program = program
        self._random = random.Random(seed)
        self._over = threading.Event()

    def rage(self, seconds: float) -> None:
        """Storm for so long, and until all callers have been answered."""
        self._over.clear()
        with ThreadPoolExecutor(CALLERS + 1) as threads:
            work = [threads.submit(self._call, self._random.randrange(2**32)) for _ in range(CALLERS)]
            work.append(threads.submit(self._kill, self._random.randrange(2**32)))
            try:
                deadline = time.monotonic() + seconds
                while time.monotonic() < deadline and not any(each.done() for each in work):
                    self._over.wait(0.1)
            finally:
                self._over.set()
            for each in work:
                each.result()

    def _call(self, seed: int) -> None:
        dice = random.Random(seed)
        with connected(self._program.invoke_address) as connection:
            while not self._over.is_set():
                event = trouble(dice)
                connection.send(request("POST", INVOKE, json.dumps(event).encode()))
                reply = connection.reply()
                check(reply, event)
                assert connection.is_quiet()  # one answer, and no more
                self.replies.append(reply)
                self._over.wait(dice.uniform(0, 0.2))

    def _kill(self, seed: int) -> None:
        dice = random.Random(seed)
        kinds: dict[str, Callable[[Program], list[int]]] = {
            "runtime": runtimes,
            "extension": extensions,
            "template": templates,
        }
        while not self._over.wait(dice.uniform(0.1, 0.6)):
            kind = dice.choices([*kinds], [5, 3, 2])[0]
            found = kinds[kind](self._program)
            if found:
                kill(dice.choice(found))
                self.killed[kind] += 1


def trouble(dice: random.Random) -> dict[str, Any]:
    """An event that asks for something."""
    event: dict[str, Any] = {"token": dice.randrange(10**9)}
    weights = {"answer": 8, "sleep": 4, "raise": 2, "exit": 1, "daemon": 1, "child": 1, "write": 2, "hang": 0.3}
    event["do"] = dice.choices([*weights], [*weights.values()])[0]
    if event["do"] == "hang":
        event |= {"do": "sleep", "seconds": 3600}
    elif event["do"] == "sleep":
        event["seconds"] = dice.uniform(0, 0.5)
    elif event["do"] == "exit":
        event["status"] = dice.randrange(3)
    elif event["do"] == "write":
        event["lines"] = dice.randrange(2000)
    return event


def check(reply: Reply, event: dict[str, Any]) -> None:
    """The answer is one that the event, or somebody's end, may lead to."""
    if reply.status == 429:
        assert reply.json["Reason"] == "ConcurrentInvocationLimitExceeded"
        return
    assert reply.status == 200, (event, reply)
    if "x-amz-function-error" not in reply.headers:
        assert reply.json["token"] == event["token"]
        assert event["do"] not in ("raise", "exit")
        return
    assert reply.json["errorType"] in ERRORS, (event, reply)
    if reply.json["errorType"] == "ValueError":
        assert (event["do"], reply.json["errorMessage"]) == ("raise", str(event["token"]))


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def extensions(program: Program) -> list[int]:
    return [pid for pid, command in below(program).items() if command.endswith("/watch ")]


def states(program: Program) -> dict[str, int]:
    """How many environments are in which state."""
    told = call(program.invoke_address, "GET", "/metrics").body.decode()
    found = re.findall(r'^rapid_environments\{state="(\w+)"\} (\d+)', told, re.MULTILINE)
    return {state: int(number.partition(".")[0]) for state, number in found if int(number.partition(".")[0])}


def rest(program: Program) -> None:
    """Wait until nothing goes on."""
    until(lambda: {*states(program)} <= RESTING, "all to come to rest")


def end_all(program: Program) -> None:
    """Kill all runtimes: with them ends what they have left behind."""
    before = {*runtimes(program)}
    for pid in before:
        kill(pid)
    until(lambda: not before & {*below(program)}, "what was killed to be gone")


def settle(program: Program, it: Gate, kind: str) -> list[Reply]:
    """As many environments as there may be, all of them fresh and idle; the replies that this took."""
    if kind == "fork":
        until(lambda: templates(program), "another template", 60)
    replies: list[Reply] = []
    while not replies or any("x-amz-function-error" in reply.headers for reply in replies[-ENVIRONMENTS:]):
        rest(program)
        end_all(program)
        rest(program)
        calls = [begin(call, program.invoke_address, "POST", INVOKE, b'{"gate": true}') for _ in range(ENVIRONMENTS)]
        for here in it.arrived(ENVIRONMENTS):
            here.pass_on()
        replies += [each.result(PATIENCE) for each in calls]
    until(lambda: states(program) == {"idle": ENVIRONMENTS}, "all to be idle")
    return replies


def descriptors(program: Program) -> Counter[str]:
    """What the server has open, by kind."""
    folder = Path(f"/proc/{program.process.pid}/fd")
    found: Counter[str] = Counter()
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found[re.sub(r"\d+", "N", os.readlink(folder / name))] += 1
    del found["anon_inode:[eventpoll]"]  # the console has one more once it has had to wait
    return found


def at_rest(program: Program) -> Counter[str] | None:
    """The same, if it stays the same for a moment."""
    found = descriptors(program)
    return found if all(descriptors(program) == found for _ in range(50)) else None


def memory(program: Program) -> int:
    """The server's resident memory, KiB."""
    status = Path(f"/proc/{program.process.pid}/status").read_text()
    (resident,) = re.findall(r"^VmRSS:\s+(\d+)", status, re.MULTILINE)
    return int(resident)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 180)
@pytest.mark.parametrize("kind", ["plain", "fork"])
def test_everyone_is_answered_and_nothing_stays(tmp_path: Path, kind: str) -> None:
    print(f"RAPID_TEST_STORM_SEED={SEED}")
    folder = tmp_path / "extensions"
    folder.mkdir()
    (folder / "watch").write_text(EXTENSION)
    (folder / "watch").chmod(0o755)
    env = {
        "RAPID_EXTENSIONS_DIR": str(folder),
        "RAPID_QUEUE_SIZE": "3",
        "RAPID_METRICS": "/metrics",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(TIMEOUT),
    }
    with troubled(tmp_path, kind, most=ENVIRONMENTS, **env) as (program, it):
        storm = Storm(program, SEED)
        storm.rage(SECONDS * WARM_UP)
        replies = settle(program, it, kind)
        files, before = until(lambda: at_rest(program), "no connection to come or go"), memory(program)
        storm.rage(SECONDS * (1 - WARM_UP))
        replies += settle(program, it, kind)
        now = memory(program)
        print(f"{len(storm.replies)} answers, killed: {dict(storm.killed)}; KiB: {before}, then {now}")
        print(Counter(kind_of(reply) for reply in storm.replies))
        until(lambda: descriptors(program) <= files, f"{files} to be all that is open: {descriptors(program)}")
        assert now - before <= MARGIN_KIB

        parties = Counter(command.rpartition("/")[2] for command in below(program).values())
        template = 1 if kind == "fork" else 0
        assert parties == {"__main__.py ": ENVIRONMENTS + template, "watch ": ENVIRONMENTS}
        answered = [*replies, *(reply for reply in storm.replies if reply.status == 200)]
        balanced(program, [reply.headers["x-amzn-requestid"] for reply in answered])
        assert storm.killed["runtime"]
        assert storm.killed["extension"]
        assert storm.killed["template"] or kind == "plain"
        assert {200, 429} == {reply.status for reply in storm.replies}


def kind_of(reply: Reply) -> str:
    return str(reply.json.get("errorType", "answer") if reply.status == 200 else reply.status)


def balanced(program: Program, ids: list[str]) -> None:
    """Each invocation that was answered has one line of each kind, and nobody else has."""
    wanted = Counter(ids)
    assert max(wanted.values()) == 1

    def told(word: str) -> Counter[str]:
        return Counter(re.findall(rf"{word} RequestId: ([0-9a-f-]+)", "".join(program.output)))

    until(lambda: told("REPORT").total() >= len(ids), "the last report")
    for word in ("START", "END", "REPORT"):
        lines = told(word)
        assert lines == wanted, f"{word}: {lines - wanted} too many, {wanted - lines} missing"
