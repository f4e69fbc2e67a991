"""A function with extensions under a real rapid: written into a folder, run, and what they have noted."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.server.test_lifecycle import alive
from tests.support.extension import NOTES
from tests.support.program import ANY_PORT, ROOT, Program, Reply, call, running, until

APP = """
import os, signal, sys, time
from tests.support.extension import Extension, note, once

note("init", "function")
calls = 0

def handler(event, context):
    global calls
    calls += 1
    note("invoked", "function", id=context.aws_request_id)
    if event.get("say"):
        print(event["say"])
    if "exit" in event:
        os._exit(event["exit"])
    time.sleep(event.get("nap", 0))
    while event.get("until") and not os.path.exists(event["until"]):
        time.sleep(0.005)
    return {"pid": os.getpid(), "calls": calls, "id": context.aws_request_id, "arn": context.invoked_function_arn}
"""

POLITE = """
Extension("INVOKE", "SHUTDOWN").work()
"""

Note = dict[str, Any]


class Task:
    """A folder with a function, and one with extensions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.extensions = folder / "extensions"
        self.extensions.mkdir()
        self.function("")

    def function(self, before: str) -> None:
        """The function, after other code."""
        (self.folder / "app.py").write_text(f"import sys\nsys.path.append({str(ROOT)!r})\n{APP}\n{before}")

    def extension(self, name: str, body: str = POLITE) -> None:
        """An extension: Python that has `tests.support.extension` at hand."""
        head = f"#!{sys.executable}\nimport os, signal, sys, time\nsys.path.insert(0, {str(ROOT)!r})\n"
        use = "from tests.support.extension import *\n"
        self.program(name, f"{head}{use}note('started', ppid=os.getppid(), group=os.getpgid(0))\n{body}")

    def program(self, name: str, content: str, mode: int = 0o755) -> None:
        """Any file in the folder of extensions."""
        path = self.extensions / name
        path.write_text(content)
        path.chmod(mode)

    def notes(self, who: str | None = None, what: str | None = None) -> list[Note]:
        """What has been noted, in order."""
        path = self.folder / NOTES
        lines = path.read_text().split("\n")[:-1] if path.exists() else []  # the last may not be whole yet
        told: list[Note] = [json.loads(line) for line in lines]
        return [it for it in told if who in (None, it["who"]) and what in (None, it["what"])]

    def noted(self, who: str, what: str, count: int = 1) -> list[Note]:
        """Wait until something has been noted so many times."""

        def enough() -> list[Note] | None:
            found = self.notes(who, what)
            return found if len(found) >= count else None

        return until(enough, f"{count} x {what!r} of {who}")

    def events(self, who: str) -> list[Any]:
        """The bodies of the events that an extension has heard."""
        return [it["body"] for it in self.notes(who, "event")]

    def reasons(self, who: str) -> list[str]:
        """Why it has been shut down, each time."""
        return [event["shutdownReason"] for event in self.events(who) if event["eventType"] == "SHUTDOWN"]

    def telemetry(self, who: str) -> list[Any]:
        """All events that a subscriber has been sent."""
        return [event for it in self.notes(who, "batch") for event in it["events"]]

    def told(self, who: str, kind: str, count: int = 1) -> list[Any]:
        """Wait until a subscriber has been sent so many events of a type; their records."""

        def enough() -> list[Any] | None:
            found = [event["record"] for event in self.telemetry(who) if event["type"] == kind]
            return found if len(found) >= count else None

        return until(enough, f"{count} x {kind} at {who}")

    def identifiers(self, who: str) -> list[str]:
        """Under which it was registered, each time."""
        return [it["identifier"] for it in self.notes(who, "registered") if it["status"] == 200]

    @contextmanager
    def served(self, *command: str, **env: str) -> Iterator[Program]:
        """Run it, end it, and look that rapid left with 0, nobody is left, each invocation was reported once.

        Args:
            command: what to run, ours with the handler by default.
            env: further variables.
        """
        told = {"AWS_LAMBDA_FUNCTION_TIMEOUT": "20", "RAPID_EXTENSIONS_DIR": str(self.extensions), **env}
        with running(command or ("app.handler",), self.folder, ANY_PORT, **told) as program:
            yield program
            assert (program.process.returncode if program.process.poll() is not None else program.stop()) == 0
        assert "Traceback" not in "".join(program.errors)
        reported_once("".join(program.output))
        for pid in {it["pid"] for it in self.notes()}:
            assert not alive(pid), f"process {pid} is left"


def reported_once(console: str) -> None:
    """Every invocation has one START, one END, one REPORT."""
    count = Counter(re.findall(r"^(START|END|REPORT) RequestId: (\S+)", console, re.MULTILINE))
    started = {request_id for kind, request_id in count if kind == "START"}
    assert count == {(kind, request_id): 1 for kind in ("START", "END", "REPORT") for request_id in started}


def as_extension(program: Program, identifier: str) -> Reply:
    """What an extension is answered that asks for its next event."""
    headers = {"Lambda-Extension-Identifier": identifier}
    return call(program.runtime_address, "GET", "/2020-01-01/extension/event/next", None, headers)


def works_afresh(program: Program, task: Task, *names: str) -> None:
    """After a failure: an invocation runs in a new environment, in which all earlier identifiers are unknown.

    Args:
        program: a rapid.
        task: what it runs.
        names: extensions that have been registered before.
    """
    reply = program.invoke({})
    assert (reply.status, reply.headers.get("x-amz-function-error")) == (200, None), reply
    assert reply.json["calls"] == 1
    for name in {it["who"] for it in task.notes(what="registered")}:
        *before, present = task.identifiers(name)
        assert present not in before
        assert before or name not in names, f"{name} was not registered before"
        for identifier in before:
            refused = as_extension(program, identifier)
            assert (refused.status, refused.json["errorType"]) == (403, "Extension.UnknownExtensionIdentifier")
