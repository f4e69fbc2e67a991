"""What a real subscriber hears of real invocations: which events, in which order, with what in them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from tests.server.extended import Task, works_afresh
from tests.support.program import AWSLAMBDARIC

ALL = "'platform', 'function', 'extension'"
TELL = """
server = listen()
extension = Extension("SHUTDOWN")
extension.subscribe(http_at(server), {0})
extension.work()
"""
THEIRS = (*AWSLAMBDARIC, "app.handler")
INVOCATION = ["platform.start", "function", "platform.runtimeDone", "platform.report"]


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return Task(tmp_path)


def kinds(events: list[Any]) -> list[str]:
    return [event["type"] for event in events]


@pytest.mark.parametrize("command", [("app.handler",), THEIRS], ids=["ours", "awslambdaric"])
def test_all_events_of_an_init_and_its_invocations_in_order(task: Task, command: tuple[str, ...]) -> None:
    task.function("print('made ready')\n")
    task.extension("tell", TELL.format(ALL))
    with task.served(*command) as program:
        replies = [program.invoke({"say": f"number {number}"}) for number in range(3)]
        task.told("tell", "platform.report", 3)
    events = task.telemetry("tell")
    init = ["platform.initStart", "platform.telemetrySubscription", "platform.extension", "function"]
    init += ["platform.initRuntimeDone", "platform.initReport"]
    assert kinds(events) == [*init, *INVOCATION * 3]
    assert [event["record"] for event in events if event["type"] == "function"] == [
        "made ready",
        *(f"number {number}" for number in range(3)),
    ]
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    for kind in ("start", "runtimeDone", "report"):
        told = [event["record"]["requestId"] for event in events if event["type"] == f"platform.{kind}"]
        assert told == [reply.json["id"] for reply in replies]


def test_what_is_in_them(task: Task) -> None:
    task.extension("tell", TELL.format("'platform', schemaVersion='2025-01-29'"))
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    with task.served(AWS_LAMBDA_FUNCTION_MEMORY_SIZE="512") as program:
        reply = program.invoke({}, headers={"X-Amzn-Trace-Id": trace})
        task.told("tell", "platform.report")
    told = {event["type"].removeprefix("platform."): event["record"] for event in task.telemetry("tell")}
    init = {"initializationType": "on-demand", "phase": "init"}
    assert told["initStart"].items() >= {**init, "functionName": "test_function", "functionVersion": "$LATEST"}.items()
    assert told["initStart"]["instanceMaxMemory"] == 512 * 1024 * 1024
    assert told["telemetrySubscription"] == {"name": "tell", "state": "Subscribed", "types": ["platform"]}
    assert told["extension"] == {"name": "tell", "state": "Ready", "events": ["SHUTDOWN"]}
    assert told["initRuntimeDone"] == {**init, "status": "success"}
    assert told["initReport"].items() >= {**init, "status": "success"}.items()
    start, done, report = told["start"], told["runtimeDone"], told["report"]
    assert start["functionArn"] == reply.json["arn"]
    assert (start["version"], start["tracing"]["value"]) == ("$LATEST", trace)
    assert start["tracing"] == done["tracing"] == report["tracing"]
    assert (done["status"], report["status"]) == ("success", "success")
    assert done["metrics"]["producedBytes"] == len(reply.body)
    assert [span["name"] for span in done["spans"]] == ["responseLatency", "responseDuration", "runtimeOverhead"]
    metrics = report["metrics"]
    assert (metrics["memorySizeMB"], 0 < metrics["maxMemoryUsedMB"] < 512) == (512, True)
    assert metrics["initDurationMs"] == told["initReport"]["metrics"]["durationMs"]
    assert metrics["billedDurationMs"] >= metrics["durationMs"] + metrics["initDurationMs"]


def test_only_the_types_that_were_asked_for(task: Task) -> None:
    task.extension("chatty", "print('from chatty', flush=True)\nExtension().work()\n")
    task.extension("f", TELL.format("'function'"))
    task.extension("e", TELL.format("'extension'"))
    with task.served() as program:
        program.invoke({"say": "from the function"})
        task.told("f", "function")
        task.told("e", "extension")
    assert [event["record"] for event in task.telemetry("f")] == ["from the function"]
    assert [event["record"] for event in task.telemetry("e")] == ["from chatty"]
    assert kinds(task.telemetry("f") + task.telemetry("e")) == ["function", "extension"]


def test_who_subscribes_late_in_init_hears_what_was_before(task: Task) -> None:
    task.function("print('early')\n")
    late = "extension = Extension('SHUTDOWN')\nserver = listen()\nwait('go')\n"
    task.extension("late", f"{late}extension.subscribe(http_at(server), {ALL})\nextension.work()\n")
    with task.served() as program:
        program.said("^early$")
        task.noted("function", "init")
        (task.folder / "go").touch()
        assert program.invoke({}).status == 200
        task.told("late", "platform.report")
    told = kinds(task.telemetry("late"))
    assert told[0] == "platform.initStart"
    assert told.index("function") < told.index("platform.telemetrySubscription")
    assert told[-4:-1] == ["platform.initReport", "platform.start", "platform.runtimeDone"]


def test_a_message_of_several_lines_in_awslambdarics_frames_is_one_record(task: Task) -> None:
    task.function("import logging\nlogging.getLogger().error('one\\n two\\n\\nthree')\nprint('a\\nb')\n")
    task.extension("tell", TELL.format("'function'"))
    with task.served(*THEIRS) as program:
        program.invoke({"say": "x\ny"})
        task.told("tell", "function", 3)
        output = "".join(program.output)
    messages = [event["record"] for event in task.telemetry("tell")]
    (logged,) = [message for message in messages if "three" in message]
    assert logged.rstrip("\n").endswith("one\n two\n\nthree")
    assert "one\n two\n\nthree\n" in output
    assert "x\ny\n" in output


def test_json_messages_are_objects_to_newer_schemas_and_text_to_older_ones(task: Task) -> None:
    task.function("print('{\"a\": 1}')\n")
    log = "import logging\nlogging.getLogger().error('said')\n"
    task.function(log)
    task.extension("new", TELL.format("'function', schemaVersion='2022-12-13'"))
    task.extension("old", TELL.format("'function', schemaVersion='2022-07-01'"))
    with task.served(*THEIRS, AWS_LAMBDA_LOG_FORMAT="JSON") as program:
        assert program.invoke({}).status == 200
        (new,), (old,) = task.told("new", "function"), task.told("old", "function")
    assert (new["message"], new["level"]) == ("said", "ERROR")
    assert isinstance(old, str)
    assert '"message"' in old


# Failures


def test_a_crash_and_a_timeout_are_told_before_the_shutdown(task: Task) -> None:
    task.extension("tell", TELL.format("'platform', 'function', buffering={'timeoutMs': 30000}"))
    with task.served(AWS_LAMBDA_FUNCTION_TIMEOUT="1") as program:
        program.invoke({"exit": 3, "say": "crashing"})
        works_afresh(program, task, "tell")
        program.invoke({"nap": 60, "say": "too long"})
        works_afresh(program, task, "tell")
    heard = [it["what"] for it in task.notes("tell") if it["what"] in ("batch", "event")]
    assert heard == ["batch", "event"] * 3
    first, second, _ = [it["events"] for it in task.notes("tell", "batch")]
    assert kinds(first)[-4:] == INVOCATION
    assert (first[-3]["record"], first[-1]["record"]["status"]) == ("crashing", "failure")
    assert (first[-2]["record"]["status"], first[-1]["record"]["errorType"]) == ("failure", "Runtime.ExitError")
    assert kinds(second)[-4:] == INVOCATION
    assert (second[-2]["record"]["status"], second[-1]["record"]["status"]) == ("timeout", "timeout")
    assert second[-1]["record"]["metrics"]["durationMs"] == 1000
    assert kinds(second)[0] == "platform.initStart"


def test_an_invocation_with_an_init_of_its_own_is_told_from_its_start(task: Task) -> None:
    task.function("print('here')\nif once('x'):\n    raise KeyError('k')\n")
    task.extension("tell", TELL.format("'platform', 'function'"))
    with task.served() as program:
        program.said("Phase: init\tStatus: error")
        reply = program.invoke({"say": "a line"}, headers={"X-Amz-Log-Type": "Tail"})
        (report,) = task.told("tell", "platform.report")
        assert report["requestId"] == reply.json["id"]
    events = task.telemetry("tell")
    begun = max(number for number, kind in enumerate(kinds(events)) if kind == "platform.initStart")
    assert events[begun]["record"]["phase"] == "invoke"
    init = ["platform.initStart", "platform.telemetrySubscription", "platform.extension", "function"]
    assert kinds(events)[begun:] == [*init, "platform.initRuntimeDone", "platform.initReport", *INVOCATION]
    tail = base64.b64decode(reply.headers["x-amz-log-result"]).decode()
    assert [
        line.split()[0] for line in tail.splitlines() if not line.startswith(("EXTENSION", "INIT", "TELEMETRY"))
    ] == [
        "here",
        "START",
        "a",
        "END",
        "REPORT",
    ]


def test_the_last_report_is_heard_before_the_shutdown(task: Task) -> None:
    task.extension("tell", TELL.format(f"{ALL}, buffering={{'timeoutMs': 30000}}"))
    with task.served() as program:
        program.invoke({"say": "something"})
        assert program.stop() == 0
    batch, event = [it for it in task.notes("tell") if it["what"] in ("batch", "event")]
    assert kinds(batch["events"])[-4:] == INVOCATION
    assert event["body"]["shutdownReason"] == "spindown"


def test_an_extension_that_crashes_is_told_to_the_others(task: Task) -> None:
    task.extension("tell", TELL.format("'platform'"))
    task.extension(
        "bad", "extension = Extension('INVOKE')\nextension.next()\nif once('x'):\n    os._exit(2)\nextension.work()\n"
    )
    with task.served() as program:
        program.invoke({"until": "never"})
        works_afresh(program, task, "tell", "bad")
    told = [it["record"] for it in task.telemetry("tell") if it["type"] == "platform.extension"]
    assert {"name": "bad", "state": "Exited", "events": ["INVOKE"], "errorType": "Extension.Crash"} in told
