"""SnapStart with real processes: up to the snapshot point, restored by the first invocation, and what can fail."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from tests.server.extended import Task
from tests.server.played import error_of
from tests.support.program import AWSLAMBDARIC, ROOT, Program, call, running, until
from tests.support.sdk import lambda_client

OURS = ("app.handler",)
THEIRS = (*AWSLAMBDARIC, "app.handler")
RUNTIMES = pytest.mark.parametrize("command", [OURS, THEIRS], ids=["ours", "awslambdaric"])
SNAP_START = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start", "AWS_LAMBDA_FUNCTION_TIMEOUT": "10"}
MS = r"[\d.]+ ms"

APP = f"""
import os, sys, time
sys.path.append({str(ROOT)!r})
from snapshot_restore_py import register_after_restore, register_before_snapshot
from tests.support.extension import note, once

note("init", "function")
calls = 0

@register_before_snapshot
def first_before():
    note("first before", "function")

@register_before_snapshot
def second_before():
    note("second before", "function")

@register_after_restore
def first_after():
    note("first after", "function")

@register_after_restore
def second_after():
    note("second after", "function")

def handler(event, context):
    global calls
    calls += 1
    note("invoked", "function")
    if "exit" in event:
        os._exit(event["exit"])
    time.sleep(event.get("nap", 0))
    return {{"pid": os.getpid(), "calls": calls, "left": context.get_remaining_time_in_millis()}}
"""
INITIALISED = ["init", "second before", "first before"]
RESTORED = ["first after", "second after", "invoked"]


@contextmanager
def served(task: Path, command: tuple[str, ...], more: str = "", **env: str) -> Iterator[Program]:
    (task / "app.py").write_text(f"{APP}\n{more}")
    with running(command, task, **{**SNAP_START, **env}) as program:
        yield program
        assert program.stop() == 0
    assert "Traceback" not in "".join(program.errors)


def noted(task: Path) -> list[str]:
    path = task / "notes.ndjson"
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [json.loads(line)["what"] for line in lines]


def lines(program: Program, *kinds: str) -> list[str]:
    """The platform's lines of these kinds, by their first word."""
    return [line for line in "".join(program.output).splitlines() if line.split(" ")[0] in kinds]


@RUNTIMES
def test_hooks_run_where_they_must_and_the_log_tells_of_it(tmp_path: Path, command: tuple[str, ...]) -> None:
    with served(tmp_path, command) as program:
        program.said(rf"^INIT_REPORT Init Duration: {MS}$")
        assert noted(tmp_path) == INITIALISED  # ahead of any invocation, and nothing behind it
        assert program.invoke({}).json["calls"] == 1
        assert noted(tmp_path) == [*INITIALISED, *RESTORED]
        assert program.invoke({}).json["calls"] == 2
        assert noted(tmp_path) == [*INITIALISED, *RESTORED, "invoked"]
        program.said("REPORT RequestId.*\n(.*\n)*.*REPORT RequestId")
    first, second = lines(program, "REPORT")
    found = re.search(rf"Max Memory Used: \d+ MB\tRestore Duration: ({MS})\tBilled Restore Duration: \d+ ms\t$", first)
    assert found
    assert "Restore" not in second
    told = lines(program, "INIT_START", "INIT_REPORT", "RESTORE_START", "RESTORE_REPORT", "START", "END", "REPORT")
    kinds = [line.split(" ")[0] for line in told]
    invocation = ["START", "END", "REPORT"]
    assert kinds == ["INIT_START", "INIT_REPORT", "RESTORE_START", "RESTORE_REPORT", *invocation, *invocation]
    assert told[2].startswith("RESTORE_START Runtime Version: ")
    assert told[3] == f"RESTORE_REPORT Restore Duration: {found[1]}"
    assert "Init Duration" not in first


@RUNTIMES
def test_the_functions_time_begins_behind_the_restore(tmp_path: Path, command: tuple[str, ...]) -> None:
    slow = "register_after_restore(time.sleep, 1.2)\n"
    with served(tmp_path, command, slow, AWS_LAMBDA_FUNCTION_TIMEOUT="1") as program:
        reply = program.invoke({})
        assert (reply.status, reply.json["calls"]) == (200, 1)
        assert 0 < reply.json["left"] <= 1000
        restore = program.said(rf"^REPORT .*\tDuration: ({MS}).*\tRestore Duration: ({MS})")
    duration, restored = (float(each.removesuffix(" ms")) for each in restore.groups())
    assert restored > 1200 > 1000 > duration


@RUNTIMES
def test_a_hook_that_fails_before_the_snapshot_is_a_failed_init(tmp_path: Path, command: tuple[str, ...]) -> None:
    broken = "@register_before_snapshot\ndef third():\n    if once('failed'):\n        raise OSError('no snapshot')\n"
    with served(tmp_path, command, broken) as program:
        program.said(rf"^INIT_REPORT Init Duration: {MS}\tPhase: init\tStatus: error\tError Type: Runtime.BeforeSnaps")
        assert program.invoke({}).json["calls"] == 1
        assert [what for what in noted(tmp_path) if what != "init"][-3:] == RESTORED


@RUNTIMES
def test_a_hook_that_fails_always_is_told_to_the_caller(tmp_path: Path, command: tuple[str, ...]) -> None:
    broken = "@register_before_snapshot\ndef third():\n    raise OSError('no snapshot')\n"
    with served(tmp_path, command, broken) as program:
        for _ in range(2):
            assert error_of(program.invoke({})) == ("OSError", "no snapshot")


@RUNTIMES
def test_a_hook_that_fails_after_the_restore_is_told_to_the_caller(tmp_path: Path, command: tuple[str, ...]) -> None:
    broken = "@register_after_restore\ndef third():\n    if once('failed'):\n        raise OSError('no way back')\n"
    with served(tmp_path, command, broken) as program:
        reply = program.invoke({})
        assert error_of(reply) == ("OSError", "no way back")
        why = "Status: error\tError Type: Runtime.AfterRestoreError"
        program.said(rf"^RESTORE_REPORT Restore Duration: {MS}\t{why}$")
        request_id = reply.headers["x-amzn-requestid"]
        program.said(rf"^REPORT RequestId: {request_id}\tDuration: 0.00 ms.*\t{why}$")
        reply = program.invoke({})  # which waits for another init, and its restore
        assert (reply.status, reply.json["calls"]) == (200, 1)
        assert "x-amz-function-error" not in reply.headers


@RUNTIMES
@pytest.mark.parametrize(("hook", "status"), [("before_snapshot", 64), ("after_restore", 65)])
def test_a_hook_that_leaves_is_an_exit_error(tmp_path: Path, command: tuple[str, ...], hook: str, status: int) -> None:
    with served(tmp_path, command, f"register_{hook}(os._exit, {status})\n") as program:
        kind, text = error_of(program.invoke({}))
        assert kind == "Runtime.ExitError"
        assert text.endswith(f" Error: Runtime exited with error: exit status {status}")


@RUNTIMES
@pytest.mark.parametrize("event", [{"exit": 3}, {"nap": 60}], ids=["crash", "timeout"])
def test_after_a_reset_it_waits_at_the_snapshot_point_again(
    tmp_path: Path, command: tuple[str, ...], event: dict[str, int]
) -> None:
    with served(tmp_path, command, AWS_LAMBDA_FUNCTION_TIMEOUT="2") as program:
        kind, _ = error_of(program.invoke(event))
        assert kind == ("Runtime.ExitError" if "exit" in event else "Sandbox.Timedout")
        anew = [*INITIALISED, *RESTORED, *INITIALISED]
        until(lambda: len(noted(tmp_path)) >= len(anew), "the second init")
        until(lambda: len(lines(program, "INIT_REPORT")) == 2, "its end")
        assert noted(tmp_path) == anew
        assert program.invoke({}).json["calls"] == 1
        assert noted(tmp_path) == [*anew, *RESTORED]


def test_hooks_that_take_longer_than_ten_seconds_are_an_exception_of_boto3(tmp_path: Path) -> None:
    hook = "@register_after_restore\ndef third():\n    if once('slept'):\n        time.sleep(60)\n"
    with served(tmp_path, OURS, hook) as program, lambda_client(program.invoke_address) as client:
        with pytest.raises(ClientError) as error:
            client.invoke(FunctionName="function", Payload=b"{}")
        assert error.type is client.exceptions.SnapStartTimeoutException
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 408
        assert error.value.response["Message"].endswith(" Error: Restore hooks timed out after 10.00 seconds")
        told = program.said(r"^RESTORE_REPORT Restore Duration: ([\d.]+) ms\tStatus: timeout$")
        assert round(float(told[1]) / 1000) == 10
        program.said(r"^REPORT .*\tStatus: error\tError Type: Runtime.RestoreHookUserTimeout$")
        assert program.invoke({}).json["calls"] == 1


def test_a_streamed_invocation_is_told_the_same(tmp_path: Path) -> None:
    hook = "register_after_restore(time.sleep, 60)\n"
    with served(tmp_path, THEIRS, hook) as program, lambda_client(program.invoke_address) as client:
        with pytest.raises(ClientError) as error:
            client.invoke_with_response_stream(FunctionName="function", Payload=b"{}")
        assert error.value.response["Error"]["Code"] == "SnapStartTimeoutException"


@RUNTIMES
def test_a_runtime_that_is_killed_at_the_snapshot_point_comes_back(tmp_path: Path, command: tuple[str, ...]) -> None:
    with served(tmp_path, command) as program:
        program.said("^INIT_REPORT")
        pid = json.loads((tmp_path / "notes.ndjson").read_text().split("\n")[0])["pid"]
        os.kill(pid, 9)
        program.said("^Error: Runtime exited with error: signal: killed$")
        assert program.invoke({}).json["calls"] == 1


def test_a_long_init_is_given_its_time_by_the_invocation_that_needs_it(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import time\nfrom tests.support.extension import once\n"
        "if once('began'):\n    raise OSError('not yet')\n"
        "time.sleep(1.5)\ndef handler(event, context):\n    return 'late'\n"
    )
    env = {**SNAP_START, "AWS_LAMBDA_FUNCTION_TIMEOUT": "1", "PYTHONPATH": str(ROOT)}
    with running(THEIRS, tmp_path, **env) as program:
        program.said("^INIT_REPORT.*Status: error")
        assert program.invoke({}).json == "late"
        program.said(rf"^INIT_REPORT Init Duration: {MS}$")


def test_the_environment_is_ready_at_the_snapshot_point(tmp_path: Path) -> None:
    with served(tmp_path, OURS, RAPID_READY_AT_CAPACITY="off") as program:
        program.said("^INIT_REPORT")
        until(lambda: call(program.invoke_address, "GET", "/readyz").status == 200, "readiness")


def test_all_of_it_in_json(tmp_path: Path) -> None:
    with served(tmp_path, OURS, AWS_LAMBDA_LOG_FORMAT="JSON", RAPID_SYSTEM_LOG_LEVEL="DEBUG") as program:
        program.invoke({})
        program.said("platform.report")
    told = [json.loads(line) for line in program.output if '"platform.' in line]
    assert [event["type"].removeprefix("platform.") for event in told] == [
        *("initStart", "initRuntimeDone", "initReport", "restoreStart", "restoreRuntimeDone", "restoreReport"),
        *("start", "runtimeDone", "report"),
    ]
    assert told[0]["record"]["initializationType"] == "snap-start"


# Telemetry

TELL = """
server = listen()
extension = Extension("SHUTDOWN")
extension.subscribe(http_at(server), 'platform'{})
extension.work()
"""


def test_a_subscriber_hears_of_the_restore(tmp_path: Path) -> None:
    task = Task(tmp_path)
    task.extension("tell", TELL.format(""))
    with task.served(**SNAP_START) as program:
        assert program.invoke({}).json["calls"] == 1
        task.told("tell", "platform.report")
    told = {event["type"].removeprefix("platform."): event["record"] for event in task.telemetry("tell")}
    assert list(told) == [
        *("initStart", "telemetrySubscription", "extension", "initRuntimeDone", "initReport"),
        *("restoreStart", "restoreRuntimeDone", "restoreReport", "start", "runtimeDone", "report"),
    ]
    assert told["restoreStart"].keys() >= {"functionName", "functionVersion", "runtimeVersion", "instanceMaxMemory"}
    assert told["restoreRuntimeDone"] == {"status": "success"}
    assert told["restoreReport"]["status"] == "success"
    metrics = told["report"]["metrics"]
    assert metrics["restoreDurationMs"] == told["restoreReport"]["metrics"]["durationMs"]
    assert "initDurationMs" not in metrics


def test_a_subscriber_hears_of_a_restore_that_failed_and_is_shut_down(tmp_path: Path) -> None:
    task = Task(tmp_path)
    task.function("from snapshot_restore_py import register_after_restore\nregister_after_restore(int, 'x')\n")
    task.extension("tell", TELL.format(""))
    with task.served(**SNAP_START) as program:
        assert error_of(program.invoke({}))[0] == "ValueError"
        task.noted("tell", "event")
    told: dict[str, Any] = {event["type"]: event["record"] for event in task.telemetry("tell")}
    failed = {"status": "error", "errorType": "Runtime.AfterRestoreError"}
    assert told["platform.restoreRuntimeDone"] == failed
    assert told["platform.restoreReport"].items() >= failed.items()
    assert told["platform.report"]["errorType"] == "Runtime.AfterRestoreError"
    assert task.reasons("tell") == ["failure"]


def test_a_subscriber_to_the_logs_api_hears_of_it_in_that_form(tmp_path: Path) -> None:
    task = Task(tmp_path)
    task.extension("tell", TELL.format(", api='logs', schemaVersion='2021-03-18'"))
    with task.served(**SNAP_START) as program:
        program.invoke({})
        task.told("tell", "platform.report")
    told = {event["type"].removeprefix("platform."): event["record"] for event in task.telemetry("tell")}
    assert told["restoreStart"] == {}
    assert told["restoreReport"]["metrics"].keys() == {"durationMs", "billedDurationMs"}


# Credentials

ASK = """
import boto3, os
from snapshot_restore_py import register_after_restore

def handler(event, context):
    found = boto3.Session().get_credentials()
    keys = found.get_frozen_credentials()
    return {
        "method": found.method,
        "keys": [keys.access_key, keys.secret_key, keys.token],
        "names": [name for name in os.environ if "KEY" in name or "TOKEN" in name or "CREDENTIALS" in name],
        "token": os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"],
    }
"""
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "very/secret", "AWS_SESSION_TOKEN": "a session"}


@RUNTIMES
@pytest.mark.parametrize("session", [True, False], ids=["of a role", "of a user"])
def test_boto3_asks_for_the_credentials_that_are_not_in_the_snapshot(
    tmp_path: Path, command: tuple[str, ...], session: bool
) -> None:
    (tmp_path / "app.py").write_text(ASK)
    keys = {name: value for name, value in KEYS.items() if session or "SESSION" not in name}
    misleading = {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/nowhere", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/no"}
    env = {**SNAP_START, **keys, **misleading, "RAPID_LOG_LEVEL": "trace"}
    with running(command, tmp_path, **env) as program:
        answer = program.invoke({}).json
        assert answer["method"] == "container-role"
        assert answer["keys"] == ["AKIDEXAMPLE", "very/secret", "a session" if session else ""]
        wanted = ["AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_CREDENTIALS_FULL_URI"]
        assert sorted(answer["names"]) == wanted
        assert program.stop() == 0
    said = "".join([*program.output, *program.errors])
    assert not [secret for secret in ("very/secret", "a session", answer["token"]) if secret in said]


def test_without_credentials_nothing_is_promised(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import os\ndef handler(event, context):\n    return [n for n in os.environ if n.startswith('AWS_CONTAINER')]\n"
    )
    own = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/of-the-cluster"}
    for env, names in (({}, []), (own, list(own))):
        with running(OURS, tmp_path, **SNAP_START, **env) as program:
            assert program.invoke({}).json == names


def test_on_demand_the_keys_stay_where_they_were(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import os\ndef handler(event, context):\n    return {n: os.environ.get(n) for n in event}\n"
    )
    names = [*KEYS, "AWS_CONTAINER_CREDENTIALS_FULL_URI"]
    with running(OURS, tmp_path, **KEYS) as program:
        assert program.invoke(names).json == {**KEYS, "AWS_CONTAINER_CREDENTIALS_FULL_URI": None}
