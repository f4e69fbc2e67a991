"""The test plays the runtime: rapid runs a process that never asks for anything, and the test speaks in its place."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.server.wire import connected, head
from tests.support.program import PATIENCE, Program, Reply, running, until

T = TypeVar("T")
IDLE = ("sleep", "1000")


def begin(do: Callable[..., T], *words: Any, **more: Any) -> Future[T]:
    """Do it in a thread."""
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(do(*words, **more))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


@dataclass(frozen=True)
class Given:
    """An event that the runtime was given, and the ways to answer it."""

    program: Program
    event: Reply

    @property
    def id(self) -> str:
        return self.event.headers["lambda-runtime-aws-request-id"]

    @property
    def path(self) -> str:
        """Path of its answers, with the version."""
        return f"/2018-06-01/runtime/invocation/{self.id}"

    def post(self, what: str, headers: Mapping[str, str], *pieces: bytes) -> Reply:
        """Post `response` or `error` byte for byte: the head, then each piece."""
        with connected(self.program.runtime_address) as connection:
            connection.send(head("POST", f"{self.path}/{what}", headers))
            for piece in pieces:
                connection.send(piece)
            return connection.reply()

    def respond(self, body: bytes = b"null", headers: Mapping[str, str] | None = None) -> Reply:
        """Post a response."""
        return self.program.runtime("POST", f"/runtime/invocation/{self.id}/response", body, headers)

    def fail(self, body: bytes = b"{}", headers: Mapping[str, str] | None = None) -> Reply:
        """Post an error."""
        return self.program.runtime("POST", f"/runtime/invocation/{self.id}/error", body, headers)


@dataclass(frozen=True)
class Turn(Given):
    """One invocation as both ends see it: the event, and the caller who waits."""

    caller: Future[Reply]

    @property
    def answer(self) -> Reply:
        """What the caller received."""
        return self.caller.result(PATIENCE)


class Played:
    """A rapid whose runtime is the test."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def next(self) -> Reply:
        """Ask for an event, as soon as there is a process in whose place to ask."""
        return until(self._asked, "a process to speak for")

    def _asked(self) -> Reply | None:
        reply = self.program.runtime("GET", "/runtime/invocation/next")
        return None if b"from Exited" in reply.body else reply

    def take(self) -> Given:
        """The next event, whoever has sent it."""
        return Given(self.program, self.next())

    def turn(self, event: Any = None, headers: Mapping[str, str] | None = None, name: str = "function") -> Turn:
        """Invoke, and take the event."""
        caller = begin(self.program.invoke, event, name, headers)
        return Turn(self.program, self.next(), caller)

    def works(self) -> None:
        """A whole invocation."""
        turn = self.turn({"still": "here"})
        assert turn.event.json == {"still": "here"}
        assert turn.respond(b'{"it": "works"}').status == 202
        assert (turn.answer.status, turn.answer.body) == (200, b'{"it": "works"}')
        assert "x-amz-function-error" not in turn.answer.headers


@contextmanager
def played(cwd: Path, **env: str) -> Iterator[Played]:
    """Such a rapid; ended in a hurry, for nobody asks for its next event any more."""
    with running(IDLE, cwd, **{"AWS_LAMBDA_FUNCTION_TIMEOUT": "30", **env}) as program:
        try:
            yield Played(program)
        finally:
            until(lambda: _ended(program), "rapid to end")
            assert "Traceback" not in "".join(program.errors)


def _ended(program: Program) -> bool:
    if program.process.poll() is None:
        program.process.terminate()
    return program.process.poll() is not None


def error_of(reply: Reply) -> tuple[str, str]:
    """Type and message of the function error that a caller received."""
    assert (reply.status, reply.headers.get("x-amz-function-error")) == (200, "Unhandled"), reply
    document = json.loads(reply.body)
    return document["errorType"], document["errorMessage"]
