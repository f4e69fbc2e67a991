"""Many environments: how many there are, who waits, who is throttled, who is shut down."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.server.played import played
from tests.support.program import Program, Reply, call, running, until
from tests.support.sdk import lambda_client

APP = """
import os

TOLD = {name: os.environ[name] for name in ("AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_RUNTIME_API")}
print("init of", os.getpid())

def handler(event, context):
    if "gate" in event:
        print("at gate", event["gate"].rpartition("/")[2])
        open(event["gate"]).close()
    return {"pid": os.getpid(), "stream": context.log_stream_name, **TOLD}
"""

EXTENSION = """#!/bin/sh
api=http://$AWS_LAMBDA_RUNTIME_API/2020-01-01/extension
id=$(curl -s -o /dev/null -D - -H "Lambda-Extension-Name: ${0##*/}" -d '{"events":["SHUTDOWN"]}' "$api/register" |
    sed -n 's/^lambda-extension-identifier: *//Ip' | tr -d '\\r')
echo "extension at $AWS_LAMBDA_RUNTIME_API"
echo "extension heard $(curl -s -H "Lambda-Extension-Identifier: $id" "$api/event/next")"
"""


class Scene:
    """A rapid, and callers whose invocations stay at a gate until it is opened."""

    def __init__(self, program: Program, folder: Path, callers: ThreadPoolExecutor) -> None:
        self.program = program
        self._folder = folder
        self._callers = callers
        self._gates = 0

    def invoke(self) -> Any:
        """An invocation that ends at once: what it answers."""
        reply = self.program.invoke({})
        assert reply.status == 200, reply.body
        return reply.json

    def send(self) -> tuple[str, Future[Reply]]:
        """Send an invocation that is going to stay at a gate of its own; the gate, and the reply to come."""
        self._gates += 1
        gate = str(self._folder / f"gate-{self._gates}")
        os.mkfifo(gate)
        return gate, self._callers.submit(self.program.invoke, {"gate": gate})

    def hold(self) -> tuple[str, Future[Reply]]:
        """The same, and it is there."""
        gate, reply = self.send()
        self.program.said(rf"^at gate {gate.rpartition('/')[2]}$")
        return gate, reply

    def waiting(self, number: int) -> None:
        """So many invocations wait for an environment."""
        assert until(lambda: self.metric("rapid_queue_depth") == number, f"{number} in the queue")

    def metric(self, name: str) -> float:
        told = call(self.program.invoke_address, "GET", "/metrics").body.decode()
        return sum(float(line.split()[-1]) for line in told.splitlines() if line.partition("{")[0].split()[0] == name)

    def inits(self) -> list[str]:
        """The processes that have been initialised."""
        return [line.split()[-1] for line in self.program.output if line.startswith("init of ")]


def open_gate(gate: str, reply: Future[Reply]) -> Any:
    """Let an invocation go on: what it answers."""
    with open(gate, "w"):
        pass
    return reply.result().json


@contextmanager
def scene(folder: Path, most: int, *flags: str, **env: str) -> Iterator[Scene]:
    (folder / "app.py").write_text(APP)
    command = ["--metrics", "/metrics", *flags, "app.handler"]
    env = {"AWS_LAMBDA_FUNCTION_TIMEOUT": "60", "RAPID_MAX_ENVIRONMENTS": str(most), **env}
    with ThreadPoolExecutor(16) as callers, running(command, folder, **env) as program:
        program.said(r"init of \d+$")  # short times to wait are for other things than an init
        yield Scene(program, folder, callers)


def too_many(client: Any) -> type[Any]:
    """boto3's exception."""
    return client.exceptions.TooManyRequestsException  # type: ignore[no-any-return]


def throttled(reply: Reply) -> str:
    assert (reply.status, reply.headers["x-amzn-errortype"]) == (429, "TooManyRequestsException")
    assert int(reply.headers["retry-after"]) >= 1
    return str(reply.json["Reason"])


# How many


def test_an_invocation_that_finds_nobody_free_has_another_environment_started(tmp_path: Path) -> None:
    with scene(tmp_path, 3) as it:
        held = [it.hold() for _ in range(3)]
        told = [open_gate(*each) for each in held]
        for what in ("pid", "stream", "AWS_LAMBDA_RUNTIME_API"):
            assert len({each[what] for each in told}) == 3
        assert {each["AWS_LAMBDA_INITIALIZATION_TYPE"] for each in told} == {"on-demand"}


def test_at_the_limit_invocations_wait_in_the_order_they_came(tmp_path: Path) -> None:
    with scene(tmp_path, 2) as it:
        first, second = it.hold(), it.hold()
        third = it.send()
        it.waiting(1)
        fourth = it.send()
        it.waiting(2)
        assert len(it.inits()) == 2
        free = open_gate(*second)
        it.program.said(r"^at gate gate-3$")
        assert open_gate(*third) == free
        assert open_gate(*fourth) == free
        open_gate(*first)


def test_the_environment_that_was_used_last_is_used_next(tmp_path: Path) -> None:
    with scene(tmp_path, 3) as it:
        held = [it.hold() for _ in range(3)]
        open_gate(*held[0])
        open_gate(*held[2])
        last = open_gate(*held[1])
        until(lambda: it.metric("rapid_concurrent_executions") == 0 or None, "all to be idle")
        assert [it.invoke()["pid"] for _ in range(3)] == [last["pid"]] * 3


def test_a_caller_who_sends_one_after_the_other_needs_one_environment(tmp_path: Path) -> None:
    with scene(tmp_path, 8) as it:
        assert len({it.invoke()["pid"] for _ in range(100)}) == 1


def test_an_environment_that_takes_long_behind_its_answer_is_not_waited_for(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as callers, played(tmp_path, RAPID_MAX_ENVIRONMENTS="2") as it:
        first = callers.submit(it.program.invoke, {})
        it.take().respond(b"1")
        assert first.result().json == 1  # and the runtime does not ask for more
        callers.submit(it.program.invoke, {})
        until(lambda: "".join(it.program.output).count("INIT_START") == 2, "another environment to be started")


def test_what_cores_and_memory_allow_is_the_default(tmp_path: Path) -> None:
    with scene(tmp_path, 1, AWS_LAMBDA_FUNCTION_MEMORY_SIZE="100000000", RAPID_MAX_ENVIRONMENTS="") as it:
        first = it.hold()
        second = it.send()
        it.waiting(1)  # there is no memory for two of these
        assert open_gate(*first) == open_gate(*second)


def test_the_scaling_rate_holds_environments_back(tmp_path: Path) -> None:
    with scene(tmp_path, 3, "--scaling-rate", "1", "--queue-timeout", "0.3") as it:
        first = it.hold()  # by the environment that was started at first
        _, reply = it.send()
        assert throttled(reply.result()) == "ConcurrentInvocationLimitExceeded"
        assert len(it.inits()) == 1
        open_gate(*first)


# Who waits


def test_who_has_waited_long_enough_is_throttled(tmp_path: Path) -> None:
    with scene(tmp_path, 1, "--queue-timeout", "0.2") as it:
        first = it.hold()
        replies = [it.send()[1] for _ in range(3)]
        assert {throttled(reply.result()) for reply in replies} == {"ConcurrentInvocationLimitExceeded"}
        open_gate(*first)
        assert it.invoke()
        assert it.metric("rapid_throttles_total") == 3


def test_who_would_be_one_too_many_in_the_queue_is_throttled_at_once(tmp_path: Path) -> None:
    with scene(tmp_path, 1, "--queue-size", "1") as it:
        first = it.hold()
        second = it.send()
        it.waiting(1)
        assert throttled(it.program.invoke({})) == "ConcurrentInvocationLimitExceeded"
        assert open_gate(*first) == open_gate(*second)


def test_without_a_queue_environments_are_still_started(tmp_path: Path) -> None:
    with scene(tmp_path, 2, "--queue-size", "0") as it:
        held = [it.hold(), it.hold()]
        assert throttled(it.program.invoke({})) == "ConcurrentInvocationLimitExceeded"
        assert len({open_gate(*each)["pid"] for each in held}) == 2


def test_a_throttled_stream_is_an_error_of_the_api(tmp_path: Path) -> None:
    with scene(tmp_path, 1, "--queue-timeout", "0.2") as it:
        first = it.hold()
        with (
            lambda_client(it.program.invoke_address) as client,
            pytest.raises(client.exceptions.TooManyRequestsException) as error,
        ):
            client.invoke_with_response_stream(FunctionName="function", Payload=b"{}")
        assert error.value.response["Error"]["Code"] == "TooManyRequestsException"
        assert error.value.response["Reason"] == "ConcurrentInvocationLimitExceeded"
        open_gate(*first)


# Reserved and provisioned


def test_reserved_concurrency_of_zero_switches_the_function_off(tmp_path: Path) -> None:
    with scene(tmp_path, 2, "--reserved-concurrency", "0") as it:
        assert throttled(it.program.invoke({})) == "ReservedFunctionConcurrentInvocationLimitExceeded"


def test_reserved_concurrency_counts_those_that_are_on(tmp_path: Path) -> None:
    with scene(tmp_path, 3, "--reserved-concurrency", "2") as it:
        for _ in range(20):  # one after the other they are never two
            assert it.invoke()
        held = [it.hold(), it.hold()]
        with (
            lambda_client(it.program.invoke_address) as client,
            pytest.raises(client.exceptions.TooManyRequestsException) as error,
        ):
            client.invoke(FunctionName="function")
        assert error.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
        open_gate(*held[0])
        assert it.invoke()
        open_gate(*held[1])


def test_provisioned_environments_are_initialised_ahead_and_go_first(tmp_path: Path) -> None:
    with scene(tmp_path, 3, "--provisioned-concurrency", "2") as it:
        until(lambda: len(it.inits()) == 2, "two to be initialised before there is an invocation")
        held = [it.hold() for _ in range(3)]
        kinds = [open_gate(*each)["AWS_LAMBDA_INITIALIZATION_TYPE"] for each in held]
        assert kinds == ["provisioned-concurrency", "provisioned-concurrency", "on-demand"]
        assert it.metric("rapid_provisioned_concurrency_spillover_invocations_total") == 1
        it.program.said(r"^INIT_REPORT Init Duration: \d+\.\d\d ms$")  # logged for these
        assert it.invoke()["AWS_LAMBDA_INITIALIZATION_TYPE"] == "provisioned-concurrency"


# Who is shut down


def test_environments_that_have_been_idle_for_long_are_shut_down_but_for_the_last(tmp_path: Path) -> None:
    folder = tmp_path / "extensions"
    folder.mkdir()
    extension = folder / "listener"
    extension.write_text(EXTENSION)
    extension.chmod(0o755)
    flags = ("--idle-timeout", "0.3", "--extensions-dir", str(folder))
    with scene(tmp_path, 3, *flags) as it:
        held = [it.hold() for _ in range(3)]
        told = [open_gate(*each) for each in held]
        apis = {each["AWS_LAMBDA_RUNTIME_API"] for each in told}
        assert {line.split()[-1] for line in it.program.output if line.startswith("extension at")} == apis
        until(lambda: "".join(it.program.output).count('"shutdownReason":"spindown"') == 2, "two to be told")
        until(lambda: it.metric("rapid_environments") == 1, "one to be left")
        assert it.invoke()["pid"] in {each["pid"] for each in told}
        assert it.program.stop() == 0
        assert "".join(it.program.output).count('"shutdownReason":"spindown"') == 3


def test_provisioned_environments_are_kept(tmp_path: Path) -> None:
    with scene(tmp_path, 3, "--provisioned-concurrency", "2", "--idle-timeout", "0.2") as it:
        held = [it.hold() for _ in range(3)]
        told = [open_gate(*each) for each in held]
        until(lambda: it.metric("rapid_environments") == 2, "the third to be gone")
        held = [it.hold(), it.hold()]
        assert {open_gate(*each)["pid"] for each in held} == {each["pid"] for each in told[:2]}


# Its log


def test_lines_are_tagged_with_their_environment_if_that_is_asked_for(tmp_path: Path) -> None:
    with scene(tmp_path, 2, "--log-tags", "on") as it:
        it.program.said(r"^\[1\] INIT_START ")
        gate, reply = it.send()
        it.program.said(r"^\[1\] at gate gate-1$")
        second = it.send()
        it.program.said(r"^\[2\] at gate gate-2$")
        open_gate(gate, reply)
        open_gate(*second)
        it.program.said(r"^\[2\] REPORT RequestId: ")
        it.program.stop()
        assert all(line.startswith(("[1] ", "[2] ")) for line in it.program.output)
