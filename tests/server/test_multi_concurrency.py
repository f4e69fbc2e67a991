"""Several invocations at once in one environment, with AWS's own client: a process for each."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.server.extended import Task
from tests.server.gate import APP, Gate, gate
from tests.server.played import Given, begin, error_of, played
from tests.server.test_lifecycle import alive
from tests.server.test_streaming import Reader, answering
from tests.server.test_telemetry_events import TELL
from tests.support.program import AWSLAMBDARIC, PATIENCE, Program, running, until

COMMANDS = {"awslambdaric": (*AWSLAMBDARIC, "app.handler"), "ours": ("app.handler",)}
each = pytest.mark.parametrize("command", COMMANDS)
WAIT = {"do": "gate"}


@pytest.fixture
def task(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@contextmanager
def serving(task: Path, count: int, command: str, **env: str) -> Iterator[tuple[Program, Gate]]:
    """A rapid that takes so many at once, and a gate for its handlers; at the end nobody and nothing is left of it."""
    scratch = task / "tmp"
    scratch.mkdir()
    told = {"AWS_LAMBDA_FUNCTION_TIMEOUT": "20", "TMPDIR": str(scratch), "RAPID_PYTHON": sys.executable, **env}
    with gate(task) as it:
        with running(COMMANDS[command], task, AWS_LAMBDA_MAX_CONCURRENCY=str(count), GATE=it.path, **told) as program:
            yield program, it
            assert (program.process.returncode if program.process.poll() is not None else program.stop()) == 0
        assert "Traceback" not in "".join(program.errors)
        assert not list(scratch.iterdir())
        for pid in {here.told["pid"] for here in it.here}:
            assert not alive(pid)


def events(program: Program) -> list[dict[str, Any]]:
    """The platform's events in the log."""
    lines = "".join(program.output).split("\n")[:-1]
    return [json.loads(line) for line in lines if line.startswith('{"time":')]


@each
def test_as_many_as_it_says_run_at_once_and_one_more_waits(task: Path, command: str) -> None:
    with serving(task, 4, command) as (program, at):
        callers = [begin(program.invoke, {**WAIT, "number": number}) for number in range(5)]
        here = at.arrived(4)
        assert len({each.told["pid"] for each in here}) == 4
        assert at.nobody()
        assert not any(caller.done() for caller in callers)
        for each in reversed(here):
            each.pass_on()
        at.arrived()[0].pass_on()
        replies = [caller.result(PATIENCE) for caller in callers]
        assert [reply.json["event"]["number"] for reply in replies] == list(range(5))
        for reply in replies:
            assert reply.json["id"] == reply.headers["x-amzn-requestid"]


@each
def test_what_is_more_goes_to_another_environment(task: Path, command: str) -> None:
    with serving(task, 2, command, RAPID_MAX_ENVIRONMENTS="2") as (program, at):
        callers = [begin(program.invoke, WAIT) for _ in range(5)]
        here = at.arrived(4)
        assert sorted(Counter(each.told["parent"] for each in here).values()) == [2, 2]
        assert at.nobody()
        for each in here:
            each.pass_on()
        at.arrived()[0].pass_on()
        assert [caller.result(PATIENCE).status for caller in callers] == [200] * 5


@each
def test_many_callers_each_get_their_own_answer(task: Path, command: str) -> None:
    with serving(task, 8, command) as (program, _):

        def caller(number: int) -> list[tuple[int, int]]:
            replies = [program.invoke({"caller": number, "turn": turn}).json["event"] for turn in range(25)]
            return [(reply["caller"], reply["turn"]) for reply in replies]

        callers = [begin(caller, number) for number in range(16)]
        for number, each in enumerate(callers):
            assert each.result(4 * PATIENCE) == [(number, turn) for turn in range(25)]


@each
def test_a_timeout_is_one_invocations_and_its_worker_serves_again_when_it_comes_back(task: Path, command: str) -> None:
    with serving(task, 2, command, AWS_LAMBDA_FUNCTION_TIMEOUT="1") as (program, at):
        slow = begin(program.invoke, WAIT)
        (hung,) = at.arrived()
        others = []
        while not slow.done():
            others.append(program.invoke({}))
        kind, text = error_of(slow.result())
        assert (kind, text.endswith("Task timed out after 1.00 seconds")) == ("Sandbox.Timedout", True)
        assert others
        assert {reply.json["pid"] for reply in others}.isdisjoint({hung.told["pid"]})
        hung.pass_on()  # its answer comes too late
        until(lambda: "InvokeTimeout" in "".join(program.output), "the late answer to be refused")
        until(lambda: _both_serve(program, at, hung.told["pid"]), "the worker to serve again")
        assert len([event for event in events(program) if event["type"] == "platform.initStart"]) == 1


def _both_serve(program: Program, at: Gate, pid: int) -> bool:
    """Two at once, one of them by that process."""
    callers = [begin(program.invoke, WAIT) for _ in range(2)]
    here = at.arrived(2)
    for each in here:
        each.pass_on()
    assert [caller.result(PATIENCE).status for caller in callers] == [200, 200]
    return pid in {each.told["pid"] for each in here}


@each
def test_an_environment_whose_workers_all_hang_is_replaced(task: Path, command: str) -> None:
    with serving(task, 1, command, AWS_LAMBDA_FUNCTION_TIMEOUT="1") as (program, at):
        slow = begin(program.invoke, WAIT)
        (hung,) = at.arrived()
        assert error_of(slow.result(PATIENCE))[0] == "Sandbox.Timedout"
        reply = program.invoke({})
        assert "x-amz-function-error" not in reply.headers
        assert reply.json["pid"] != hung.told["pid"]
        assert not alive(hung.told["pid"])


@each
def test_one_workers_crash_is_no_others(task: Path, command: str) -> None:
    with serving(task, 2, command, AWS_LAMBDA_FUNCTION_TIMEOUT="2") as (program, _):
        crash = begin(program.invoke, {"do": "exit", "status": 3})
        others = [program.invoke({})]
        while not crash.done():
            others.append(program.invoke({}))
        # The server cannot know that it has gone. Our runtime does, and says so; awslambdaric does not.
        kind = {"ours": "Runtime.ExitError", "awslambdaric": "Sandbox.Timedout"}[command]
        assert error_of(crash.result())[0] == kind
        assert [reply for reply in others if "x-amz-function-error" in reply.headers] == []


@each
def test_the_runtimes_exit_fails_all_and_a_new_one_serves(task: Path, command: str) -> None:
    with serving(task, 3, command) as (program, at):
        callers = [begin(program.invoke, WAIT) for _ in range(3)]
        here = at.arrived(3)
        (parent,) = {each.told["parent"] for each in here}
        os.kill(parent, signal.SIGKILL)
        for caller in callers:
            kind, text = error_of(caller.result(PATIENCE))
            assert (kind, text.endswith("Runtime exited with error: signal: killed")) == ("Runtime.ExitError", True)
        reply = program.invoke({})
        assert "x-amz-function-error" not in reply.headers
        assert reply.json["parent"] != parent
        for each in here:
            assert not alive(each.told["pid"])
        reports = [event["record"] for event in events(program) if event["type"] == "platform.report"]
        assert Counter(report["status"] for report in reports)["failure"] == 3


@each
def test_what_is_running_is_finished_when_it_is_told_to_end(task: Path, command: str) -> None:
    with serving(task, 3, command) as (program, at):
        callers = [begin(program.invoke, WAIT) for _ in range(2)]
        here = at.arrived(2)
        program.process.send_signal(signal.SIGTERM)
        for each in here:
            each.pass_on()
        assert [caller.result(PATIENCE).status for caller in callers] == [200, 200]
        assert program.process.wait(PATIENCE) == 0


TOLD = {
    "AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances",
    "AWS_LAMBDA_LOG_FORMAT": "JSON",
    "AWS_LAMBDA_MAX_CONCURRENCY": "1",
}
SOCKET = "_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET"


@each
def test_the_runtime_is_told_that_it_is_one_of_this_kind_even_when_it_takes_one(task: Path, command: str) -> None:
    with serving(task, 1, command) as (program, _):
        told = program.invoke({"do": "environ", "names": [*TOLD, SOCKET, "_LAMBDA_TELEMETRY_LOG_FD"]}).json["environ"]
        assert Path(told.pop(SOCKET)).is_socket()
        assert told == {**TOLD, "_LAMBDA_TELEMETRY_LOG_FD": None}


@pytest.mark.parametrize("value", [None, ""])
@each
def test_one_of_the_other_kind_is_told_nothing_of_it(task: Path, command: str, value: str | None) -> None:
    env = {} if value is None else {"AWS_LAMBDA_MAX_CONCURRENCY": value}
    with running(COMMANDS[command], task, **env) as program:
        told = program.invoke({"do": "environ", "names": [*TOLD, SOCKET]}).json["environ"]
        assert told == {**dict.fromkeys([*TOLD, SOCKET]), "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}


@each
def test_the_log_may_be_text(task: Path, command: str) -> None:
    with serving(task, 2, command, AWS_LAMBDA_LOG_FORMAT="Text") as (program, _):
        reply = program.invoke({"do": "environ", "names": ["AWS_LAMBDA_LOG_FORMAT"]})
        assert reply.json["environ"] == {"AWS_LAMBDA_LOG_FORMAT": "Text"}
        request_id = reply.headers["x-amzn-requestid"]
        program.said(rf"^START RequestId: {request_id} Version: \$LATEST$")
        program.said(rf"^REPORT RequestId: {request_id}\tDuration: \d+\.\d\d ms\t$")
        program.said(r"^INIT_REPORT Init Duration: ")


@each
def test_the_lines_of_workers_do_not_mix(task: Path, command: str) -> None:
    with serving(task, 4, command) as (program, _):
        callers = [begin(program.invoke, {"do": "print", "say": f"caller {n}", "lines": 300}) for n in range(4)]
        for caller in callers:
            assert caller.result(PATIENCE).status == 200
    lines = "".join(program.output).split("\n")
    for number in range(4):
        mine = [line for line in lines if line.startswith(f"caller {number} ")]
        assert mine == [f"caller {number} {line} " + "." * 50 for line in range(300)]
    assert not [line for line in lines if line and not re.match(r'caller \d \d+ \.{50}$|\{"time":', line)]


@each
def test_the_end_of_the_log_is_the_environments(task: Path, command: str) -> None:
    with serving(task, 2, command) as (program, at):
        first = begin(program.invoke, WAIT)
        (here,) = at.arrived()
        reply = program.invoke({"do": "print", "say": "second", "lines": 1}, headers={"X-Amz-Log-Type": "Tail"})
        tail = base64.b64decode(reply.headers["x-amz-log-result"]).decode()
        here.pass_on()
        ids = [first.result(PATIENCE).json["id"], reply.json["id"]]
    told = [json.loads(line) for line in tail.split("\n")[:-1] if line.startswith("{")]
    assert [(event["type"], event["record"]["requestId"]) for event in told] == [
        ("platform.start", ids[0]),
        ("platform.start", ids[1]),
        ("platform.report", ids[1]),
    ]
    assert "second 0 ..." in tail


@each
def test_subscribers_hear_of_each_and_extensions_of_the_end_alone(tmp_path: Path, command: str) -> None:
    task = Task(tmp_path)
    (tmp_path / "app.py").write_text(APP)
    task.extension("tell", TELL.format("'platform', 'function', schemaVersion='2025-01-29'"))
    with gate(tmp_path) as at:
        env = {"AWS_LAMBDA_MAX_CONCURRENCY": "2", "GATE": at.path}
        with task.served(*COMMANDS[command], **env) as program:
            callers = [begin(program.invoke, WAIT) for _ in range(2)]
            for each in at.arrived(2):
                each.pass_on()
            ids = {caller.result(PATIENCE).json["id"] for caller in callers}
            program.invoke({"do": "print", "say": "a line", "lines": 1})
            task.told("tell", "platform.report", 3)
    heard = task.telemetry("tell")
    init = {"initializationType": "lambda-managed-instances", "phase": "init"}
    records = {event["type"]: event["record"] for event in heard}
    assert records["platform.initStart"].items() >= init.items()
    assert records["platform.initReport"].items() >= {**init, "status": "success"}.items()
    assert records["platform.report"]["metrics"].keys() == {"durationMs"}
    for request_id in ids:
        kinds = [event["type"] for event in heard if request_id in str(event["record"])]
        assert kinds == ["platform.start", "platform.runtimeDone", "platform.report"]
    assert [event["type"] for event in heard][-4:] == [
        "platform.start",
        "function",
        "platform.runtimeDone",
        "platform.report",
    ]
    assert [event["eventType"] for event in task.events("tell")] == ["SHUTDOWN"]


COROUTINE = """
import asyncio, json, os

async def handler(event, context):
    told = {"event": event, "pid": os.getpid(), "id": context.aws_request_id}
    reader, writer = await asyncio.open_unix_connection(os.environ["GATE"])
    writer.write(json.dumps(told).encode() + b"\\n")
    await reader.read(1)
    writer.close()
    return told
"""


def test_coroutines_run_side_by_side_in_one_process(task: Path) -> None:
    (task / "app.py").write_text(COROUTINE)
    with serving(task, 8, "ours") as (program, at):
        callers = [begin(program.invoke, {"number": number}) for number in range(8)]
        here = at.arrived(8)
        assert len({each.told["pid"] for each in here}) == 1
        for each in reversed(here):
            each.pass_on()
        for number, caller in enumerate(callers):
            assert caller.result(PATIENCE).json["event"] == {"number": number}


def test_responses_stream_side_by_side(tmp_path: Path) -> None:
    with played(tmp_path, AWS_LAMBDA_MAX_CONCURRENCY="2") as it:
        readers, given = [], []
        for number in range(2):
            readers.append(Reader(it.program, str(number).encode()))
            given.append(Given(it.program, it.next()))
            assert given[-1].event.json == number
        with answering(given[0]) as first, answering(given[1]) as second:
            for piece in (b"one", b"two"):
                for reader, answer in zip(readers, (first, second), strict=True):
                    answer.write(piece)
                    assert reader.piece() == piece
            assert (second.finish().status, first.finish().status) == (202, 202)
        assert [reader.end() for reader in readers] == [{}, {}]


@pytest.mark.parametrize("workers", [1, 3])
@each
def test_a_function_that_cannot_be_initialised_tells_why(task: Path, command: str, workers: int) -> None:
    (task / "app.py").write_text("import nothing_here\n")
    with serving(task, workers, command) as (program, _):
        for _ in range(2):
            kind, text = error_of(program.invoke({}))
            assert (kind, "nothing_here" in text) == ("Runtime.ImportModuleError", True)
