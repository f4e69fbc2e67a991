"""Real extensions that fail, and what follows: the records, the caller's answer, a fresh environment for the next."""

from __future__ import annotations

import os
import re
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.server.extended import Task, works_afresh
from tests.server.played import begin, error_of

REGISTERS = 'extension = Extension("INVOKE", "SHUTDOWN")\n'
AFTER_INVOKE = REGISTERS + "extension.next()\nif once('failed'):\n    {0}\nextension.work()\n"
WHILE_IDLE = f"""{REGISTERS}
if once('failed'):
    extension.work_meanwhile()
    wait('now')
    {{0}}
    wait('never')
extension.work()
"""
EXITS = "os._exit({0})"
REPORTS = "extension.fails('exit', 'Extension.Broken')"

FAILURES = [
    (EXITS.format(3), "Exited", "Extension.Crash", "exit status 3"),
    (EXITS.format(0), "Exited", "Extension.Crash", "exit code 0"),
    ("os.kill(os.getpid(), 9)", "Exited", "Extension.Crash", "signal: killed"),
    (f"{REPORTS}; os._exit(1)", "ExitError", "Extension.ExitError", "extension bad: Extension.Broken"),
    (f"{REPORTS}; time.sleep(1000)", "ExitError", "Extension.ExitError", "extension bad: Extension.Broken"),
]
NAMES = ["status", "zero", "signal", "reports", "reports-and-stays"]


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """A function with a good extension."""
    task = Task(tmp_path)
    task.extension("good")
    return task


def kind_shown(state: str, error_type: str) -> str:
    """The error type of an extension's own line: what it reported."""
    return "Extension.Broken" if state == "ExitError" else error_type


@pytest.mark.parametrize(("fails", "state", "error_type", "reason"), FAILURES, ids=NAMES)
def test_before_the_answer_the_caller_is_told(task: Task, fails: str, state: str, error_type: str, reason: str) -> None:
    task.extension("bad", AFTER_INVOKE.format(fails))
    with task.served() as program:
        reply = program.invoke({"until": "never"})
        request_id = reply.headers["x-amzn-requestid"]
        assert error_of(reply) == (error_type, f"RequestId: {request_id} Error: {reason}")
        program.said(rf"^RequestId: {request_id} Error: {reason}\n{error_type}$")
        program.said(rf"^REPORT RequestId: {request_id}\t.*\tStatus: error\tError Type: {error_type}$")
        shown = kind_shown(state, error_type)
        program.said(rf"^EXTENSION\tName: bad\tState: {state}\tEvents: \[INVOKE, SHUTDOWN\]\tError Type: {shown}$")
        works_afresh(program, task, "good", "bad")
    assert task.reasons("good") == ["failure", "spindown"]


@pytest.mark.parametrize(("fails", "state", "error_type", "reason"), FAILURES[:4], ids=NAMES[:4])
def test_after_the_answer_the_caller_keeps_it(task: Task, fails: str, state: str, error_type: str, reason: str) -> None:
    task.extension("bad", AFTER_INVOKE.format(f"wait('now'); {fails}"))
    with task.served() as program:
        reply = program.invoke({})
        assert (reply.json["calls"], reply.headers.get("x-amz-function-error")) == (1, None)
        waiting = begin(program.invoke, {})
        (task.folder / "now").touch()
        program.said(rf"^REPORT RequestId: {reply.json['id']}\t.*\tStatus: error\tError Type: {error_type}$")
        assert waiting.result(20).json["calls"] == 1
    assert task.reasons("good") == ["failure", "spindown"]


@pytest.mark.parametrize(("fails", "state", "error_type", "reason"), FAILURES[:4], ids=NAMES[:4])
def test_between_invocations_the_environment_is_replaced_at_once(
    task: Task, fails: str, state: str, error_type: str, reason: str
) -> None:
    task.extension("bad", WHILE_IDLE.format(fails))
    with task.served() as program:
        assert program.invoke({}).json["calls"] == 1
        task.noted("good", "asks", 2)
        (task.folder / "now").touch()
        program.said(rf"^Error: {reason}\n{error_type}$")
        task.noted("good", "registered", 2)  # without any invocation
        works_afresh(program, task)
    assert task.reasons("good") == ["failure", "spindown"]
    assert len(set(task.identifiers("good"))) == len(set(task.identifiers("bad"))) == 2


def test_before_the_first_invocation_the_next_one_starts_everybody(task: Task) -> None:
    task.extension("bad", WHILE_IDLE.format(EXITS.format(1)))
    with task.served() as program:
        task.noted("good", "asks")
        task.noted("function", "init")
        (task.folder / "now").touch()
        program.said("^Error: exit status 1\nExtension.Crash$")
        works_afresh(program, task, "good", "bad")
    assert len(task.notes("function", "init")) == 2


# At init


INIT_FAILURES = {
    "exits-at-once": ("os._exit(4)", "Exited", "Extension.Crash", "exit status 4"),
    "exits-registered": (f"{REGISTERS}    os._exit(0)", "Exited", "Extension.Crash", "exit code 0"),
    "reports": (
        f"{REGISTERS}    extension.fails('init', 'Extension.Broken')\n    os._exit(1)",
        "InitError",
        "Extension.InitError",
        "extension bad: Extension.Broken",
    ),
}


@pytest.mark.parametrize(
    ("fails", "state", "error_type", "reason"), list(INIT_FAILURES.values()), ids=list(INIT_FAILURES)
)
def test_at_init_the_next_invocation_tries_again(
    task: Task, fails: str, state: str, error_type: str, reason: str
) -> None:
    task.extension("bad", f"if once('first') or once('second'):\n    {fails}\n{REGISTERS}extension.work()\n")
    with task.served() as program:
        program.said(rf"^INIT_REPORT Init Duration: [\d.]+ ms\tPhase: init\tStatus: error\tError Type: {error_type}$")
        program.said(rf"^EXTENSION\tName: bad\tState: {state}\t")
        reply = program.invoke({})  # in which the init is tried again
        request_id = reply.headers["x-amzn-requestid"]
        assert error_of(reply) == (error_type, f"RequestId: {request_id} Error: {reason}")
        said = rf"^INIT_REPORT Init Duration: [\d.]+ ms\tPhase: invoke\tStatus: error\tError Type: {error_type}\n"
        program.said(
            rf"{said}START RequestId: {request_id} Version: \$LATEST\nRequestId: {request_id} Error: {reason}\n"
        )
        works_afresh(program, task)
        assert program.invoke({}).json["calls"] == 2
    assert len(task.notes("function", "invoked")) == 2


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        ("#!/bin/sh\n", 0o644, "permission denied"),
        ("#!/no/such/interpreter\n", 0o755, "no such file or directory"),
        ("\x00\x01 no program", 0o755, "exec format error"),
    ],
    ids=["not-executable", "no-interpreter", "no-program"],
)
def test_a_program_that_cannot_be_started_is_a_launch_error(task: Task, content: str, mode: int, reason: str) -> None:
    task.program("bad", content, mode)
    path = str(task.extensions / "bad")
    with task.served() as program:
        program.said(r"^INIT_REPORT .*\tPhase: init\tStatus: error\tError Type: Extension.LaunchError$")
        program.said("^EXTENSION\tName: bad\tState: LaunchError\tEvents: \\[\\]\tError Type: Extension.LaunchError$")
        for _ in range(2):
            kind, message = error_of(program.invoke({}))
            assert (kind, message.partition("Error: ")[2]) == ("Extension.LaunchError", f"fork/exec {path}: {reason}")
        task.program("bad", f"#!{sys.executable}\nraise SystemExit(5)\n")
        assert error_of(program.invoke({}))[1].endswith("Error: exit status 5")
        task.extension("bad")
        works_afresh(program, task)


@pytest.mark.parametrize("stays", ["", REGISTERS], ids=["never-registers", "never-asks"])
def test_one_that_does_not_finish_its_init_has_the_functions_timeout_inside_an_invocation(
    task: Task, stays: str
) -> None:
    stays = f"{stays}\nif once('second'):\n    time.sleep(1000)\n"
    task.extension(
        "bad",
        f"if once('first'):\n    os._exit(1)\n{stays}\n{'' if REGISTERS in stays else REGISTERS}\nextension.work()\n",
    )
    with task.served(AWS_LAMBDA_FUNCTION_TIMEOUT="1") as program:
        program.said("Phase: init\tStatus: error")
        assert error_of(program.invoke({}))[0] == "Sandbox.Timedout"
        program.said(r"^INIT_REPORT Init Duration: [\d.]+ ms\tPhase: invoke\tStatus: timeout$")
        works_afresh(program, task, "good")
    assert task.reasons("good")[-1] == "spindown"
    assert "timeout" in task.reasons("good")


def test_one_that_never_registers_is_ended_after_ten_seconds(task: Task) -> None:
    task.extension("bad", f"if once('first'):\n    time.sleep(1000)\n{REGISTERS}extension.work()\n")
    with task.served() as program:
        assert program.invoke({}).json["calls"] == 1  # waits for the first init, then runs one of its own
        told = program.said(r"^INIT_REPORT Init Duration: ([\d.]+) ms\tPhase: init\tStatus: timeout$")
        assert float(told[1]) >= 9_990
        assert "Init Duration" not in program.said("^REPORT.*$")[0]
    assert len(task.notes("function", "init")) == 1


# The runtime fails beside extensions


def test_a_crash_of_the_runtime_is_a_failure_to_extensions(task: Task) -> None:
    with task.served() as program:
        assert error_of(program.invoke({"exit": 3}))[0] == "Runtime.ExitError"
        works_afresh(program, task, "good")
        pid = program.invoke({}).json["pid"]
        os.kill(pid, signal.SIGKILL)  # idle
        task.noted("good", "registered", 3)
        works_afresh(program, task, "good")
    assert task.reasons("good") == ["failure", "failure", "spindown"]


def test_a_failed_init_of_the_runtime_is_a_failure_to_extensions(task: Task) -> None:
    task.function("if once('first'):\n    raise KeyError('k')\n")
    with task.served() as program:
        program.said("^INIT_REPORT .*Phase: init\tStatus: error\tError Type: Runtime.Unknown$")
        works_afresh(program, task, "good")
    assert task.reasons("good") == ["failure", "spindown"]


def test_files_survive_and_failures_may_follow_one_another(task: Task, tmp_path: Path) -> None:
    kept = tmp_path / "tmp"
    crash = "while extension.next()['eventType'] == 'INVOKE':\n    os._exit(1)\n"
    task.extension("bad", f"open({str(kept)!r}, 'a').write('x')\n{REGISTERS}{crash}")
    with task.served() as program:
        for _ in range(5):
            assert error_of(program.invoke({"until": "never"}))[0] == "Extension.Crash"
    assert kept.read_text().startswith("xxxxx")
    assert len(set(task.identifiers("good"))) >= 5


STORM = """
import random

with open("starts", "a") as starts:
    starts.write("x")
    dice = random.Random(starts.tell())

def maybe(often, do):
    if dice.random() < often:
        do()

maybe(0.1, lambda: os._exit(5))
extension = Extension("INVOKE", "SHUTDOWN")
maybe(0.1, lambda: extension.fails("init", "Extension.Dice"))
while extension.next()["eventType"] == "INVOKE":
    maybe(0.1, lambda: os._exit(6))
    maybe(0.1, lambda: extension.fails("exit", "Extension.Dice"))
    maybe(0.2, lambda: time.sleep(dice.random()))
"""


def test_whatever_fails_every_caller_is_answered_and_every_invocation_reported_once(task: Task) -> None:
    task.extension("storm", STORM)
    tell = "extension = Extension('SHUTDOWN')\nextension.subscribe(http_at(listen()), 'platform')\nextension.work()\n"
    task.extension("tell", tell)
    asked = [{"exit": 3}, {"nap": 60}, {"nap": 0.2}, *[{}] * 5] * 2
    with task.served(AWS_LAMBDA_FUNCTION_TIMEOUT="0.8") as program, ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(program.invoke, asked))
        assert program.stop() == 0
        output = "".join(program.output)
    assert {reply.status for reply in replies} == {200}
    ids = {reply.headers["x-amzn-requestid"] for reply in replies}
    assert ids == set(re.findall(r"^REPORT RequestId: (\S+)", output, re.MULTILINE))
    events = [(it["type"], it["record"].get("requestId")) for it in task.telemetry("tell")]
    reports = [request_id for kind, request_id in events if kind == "platform.report"]
    assert len(reports) == len(set(reports))
    assert set(reports) <= {request_id for kind, request_id in events if kind == "platform.start"}
