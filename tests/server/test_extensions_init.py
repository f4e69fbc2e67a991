"""Real extensions at init: who is started when and with what, who may register, who hears of invocations."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from tests.server.extended import POLITE, Task, as_extension, works_afresh
from tests.server.played import begin, error_of
from tests.support.program import ANY_PORT, call, running

REGISTER = "/2020-01-01/extension/register"


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return Task(tmp_path)


def test_they_start_by_name_and_register_before_the_runtime_starts(task: Task) -> None:
    for name in ("b", "a.py", "Z", "10-x", "2-x"):
        task.extension(name)
    (task.extensions / "folder").mkdir()
    (task.extensions / "folder" / "nested").write_text("")
    with task.served() as program:
        assert program.invoke({}).status == 200
        started = re.findall(r"exec '(\S+)'", "".join(program.errors))
    assert [Path(path).name for path in started[:-1]] == ["10-x", "2-x", "Z", "a.py", "b"]
    order = [(it["who"], it["what"]) for it in task.notes()]
    assert all(order.index((name, "registered")) < order.index(("function", "init")) for name in ("b", "Z", "2-x"))


def test_the_runtime_is_not_started_before_all_have_registered(task: Task) -> None:
    task.extension("a")
    task.extension("slow", "wait('go')\nnote('goes')\n" + POLITE)
    with task.served() as program:
        task.noted("a", "asks")
        (task.folder / "go").touch()
        assert program.invoke({}).status == 200
    order = [(it["who"], it["what"]) for it in task.notes()]
    assert order.index(("slow", "goes")) < order.index(("function", "init"))


def test_each_has_a_process_group_of_its_own_and_no_descriptor_of_rapids(task: Task) -> None:
    body = "note('open', open=[os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd')[:-1]])\n"
    for name in ("a", "b"):
        task.extension(name, body + POLITE)
    with task.served() as program:
        assert program.invoke({}).status == 200
        for it in task.notes(what="started"):
            assert (it["group"], it["ppid"]) == (it["pid"], program.process.pid)
    for it in task.notes(what="open"):
        assert [path.partition(":")[0] for path in it["open"]] == ["/dev/null", "pipe", "pipe"]


def test_they_have_the_environment_that_aws_gives_them(task: Task) -> None:
    task.extension("a", "note('environment', environment=dict(os.environ))\n" + POLITE)
    secret = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
    only = {"AWS_EXECUTION_ENV": "x", "_X_AMZN_TRACE_ID": "x", "_AWS_XRAY_DAEMON_PORT": "2000", "_MINE": "x"}
    xray = {"AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR", "LAMBDA_RUNTIME_DIR": "/var/runtime"}
    with task.served(MINE="mine", AWS_LAMBDA_FUNCTION_NAME="named", **secret, **only, **xray) as program:
        assert program.invoke({}, "named").status == 200
        address = program.runtime_address
    (told,) = (it["environment"] for it in task.notes("a", "environment"))
    region = {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}
    function = {"AWS_LAMBDA_FUNCTION_NAME": "named", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST"}
    given = {**secret, **region, **function, "AWS_LAMBDA_RUNTIME_API": address, "TZ": ":UTC", "MINE": "mine"}
    given |= {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008", "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}
    assert told.items() >= given.items()
    runtimes = {*only, *xray, "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "LAMBDA_TASK_ROOT"}
    assert not runtimes & set(told)
    assert not [name for name in told if name.startswith("_") and name != "__CF_USER_TEXT_ENCODING"]


def test_what_they_write_is_on_the_console_as_it_is(task: Task) -> None:
    body = "print('to stdout', flush=True)\nprint('to stderr', file=sys.stderr, flush=True)\n"
    task.extension("a", body + POLITE)
    with task.served() as program:
        assert program.invoke({}).status == 200
    lines = "".join(program.output).splitlines()
    assert lines.index("to stdout") < lines.index("to stderr")


def test_a_registration_tells_of_the_function(task: Task) -> None:
    task.extension("a", "Extension('INVOKE', headers={'Lambda-Extension-Accept-Feature': 'x, accountId'}).work()\n")
    task.extension("b", "Extension().work()\n")
    with task.served(AWS_ACCOUNT_ID="123456789012") as program:
        assert program.invoke({}).status == 200
    told = {"functionName": "test_function", "functionVersion": "$LATEST", "handler": "app.handler"}
    assert task.notes("b", "registered")[0]["body"] == told
    assert task.notes("a", "registered")[0]["body"] == {**told, "accountId": "123456789012"}


def test_init_is_over_when_all_have_asked_for_their_next_event(task: Task) -> None:
    body = "extension = Extension()\nwait('go')\nextension.work()\n"
    task.extension("slow", body)
    with task.served() as program:
        task.noted("function", "init")
        caller = begin(program.invoke, {})
        task.noted("slow", "registered")
        assert "START RequestId" not in "".join(program.output)
        (task.folder / "go").touch()
        assert caller.result(20).status == 200
    order = [(it["who"], it["what"]) for it in task.notes()]
    assert order.index(("slow", "asks")) < order.index(("function", "invoked"))


def test_invoke_is_heard_by_those_who_asked_for_it(task: Task) -> None:
    for name, events in (("both", "'INVOKE', 'SHUTDOWN'"), ("invoke", "'INVOKE'"), ("shut", "'SHUTDOWN'"), ("no", "")):
        task.extension(name, f"Extension({events}).work()\n")
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    with task.served(AWS_LAMBDA_FUNCTION_TIMEOUT="7") as program:
        began = time.time()
        replies = [program.invoke({}), program.invoke({}, headers={"X-Amzn-Trace-Id": trace})]
        task.noted("invoke", "asks", 3)
    assert [event["eventType"] for event in task.events("both")] == ["INVOKE", "INVOKE", "SHUTDOWN"]
    assert task.events("shut") == task.events("both")[2:]
    assert task.events("no") == []
    told = task.events("invoke")
    assert told == task.events("both")[:2]
    for event, reply in zip(told, replies, strict=True):
        deadline = event.pop("deadlineMs") / 1000
        assert began + 7 - 0.002 <= deadline <= time.time() + 7
        tracing = {"type": "X-Amzn-Trace-Id", "value": event["tracing"]["value"]}
        arn = reply.json["arn"]
        assert event == {
            "eventType": "INVOKE",
            "requestId": reply.json["id"],
            "invokedFunctionArn": arn,
            "tracing": tracing,
        }
    assert told[0]["tracing"]["value"].startswith("Root=1-")
    assert told[1]["tracing"]["value"] == trace


# Internal extensions


INTERNAL = """
inner = Extension("INVOKE", name="inner")
inner.work_meanwhile()
"""


def test_an_internal_extension_registers_from_the_runtime_and_hears_invoke(task: Task) -> None:
    task.function(INTERNAL)
    with task.served() as program:
        reply = program.invoke({})
        assert reply.status == 200
        task.noted("inner", "asks", 2)
    assert [event["requestId"] for event in task.events("inner")] == [reply.json["id"]]
    assert task.reasons("inner") == []


def test_an_internal_extension_holds_the_next_invocation_up_as_any_other(task: Task) -> None:
    slow = "class Slow(Extension):\n    def next(self):\n        time.sleep(0.3)\n        return super().next()\n"
    task.function(slow + INTERNAL.replace("Extension(", "Slow("))
    with task.served() as program:
        replies = [program.invoke({}) for _ in range(2)]
        for reply in replies:
            said = program.said(rf"^REPORT RequestId: {reply.json['id']}\tDuration: ([\d.]+) ms")
            assert float(said[1]) >= 300


def test_what_an_internal_extension_may_not(task: Task) -> None:
    again = 'Extension("INVOKE", name="inner")\nExtension("SHUTDOWN", name="wants")\nExtension(name="a")\n'
    task.function(INTERNAL + again)
    task.extension("a")
    with task.served() as program:
        assert program.invoke({}).status == 200
    inner, a, (wants,) = (task.notes(name, "registered") for name in ("inner", "a", "wants"))
    assert [it["status"] for it in (*inner, *a, wants)] == [200, 403, 200, 403, 403]
    assert inner[1]["body"]["errorType"] == a[1]["body"]["errorType"] == "Extension.InvalidExtensionState"
    assert wants["body"] == {
        "errorType": "Extension.InvalidEventType",
        "errorMessage": "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension",
    }


def test_registration_is_closed_once_the_runtime_has_asked_for_its_next_event(task: Task) -> None:
    task.extension("a")
    with task.served() as program:
        assert program.invoke({}).status == 200
        headers = {"Lambda-Extension-Name": "late"}
        reply = call(program.runtime_address, "POST", REGISTER, b'{"events": []}', headers)
    assert (reply.status, reply.json["errorType"]) == (403, "Extension.RegistrationClosed")


# How many


def test_there_may_be_ten(task: Task) -> None:
    for number in range(10):
        task.extension(f"e{number}", "Extension().work()\n")
    task.function('Extension(name="inner")\n')
    with task.served() as program:
        assert program.invoke({}).status == 200
    (refused,) = task.notes("inner", "registered")
    assert (refused["status"], refused["body"]["errorType"]) == (403, "Extension.TooManyExtensions")
    assert refused["body"]["errorMessage"] == "Extension limit (10) reached"


def test_eleven_programs_are_a_failed_init(task: Task) -> None:
    for number in range(11):
        task.program(f"e{number}", "")
    with task.served() as program:
        program.said(r"^INIT_REPORT .*Phase: init\tStatus: error\tError Type: Extension.TooManyExtensions$")
        kind, message = error_of(program.invoke({}))
        assert (kind, "Extension limit (10) reached" in message) == ("Extension.TooManyExtensions", True)
        assert "exec" not in "".join(program.errors)
        assert error_of(program.invoke({}))[0] == "Extension.TooManyExtensions"


# None


@pytest.mark.parametrize("how", ["flag", "variable"])
def test_switched_off_none_is_started_and_the_api_is_not_there(task: Task, how: str) -> None:
    task.extension("a")
    flags, env = (["--extensions", "off"], {}) if how == "flag" else ([], {"RAPID_EXTENSIONS": "off"})
    folder = ["--extensions-dir", str(task.extensions)]
    with running("app.handler", task.folder, [*ANY_PORT, *folder, *flags], **env) as program:
        assert program.invoke({}).status == 200
        headers = {"Lambda-Extension-Name": "a"}
        reply = call(program.runtime_address, "POST", REGISTER, b'{"events": []}', headers)
        assert (reply.status, reply.body) == (404, b"")
        for path in ("/2022-07-01/telemetry", "/2020-08-15/logs"):
            reply = call(program.runtime_address, "PUT", path, b"{}")
            assert (reply.status, reply.body) == (404, b"")
        reply = as_extension(program, "00000000-0000-0000-0000-000000000000")
        assert (reply.status, reply.body) == (404, b"")
    assert task.notes("a") == []


@pytest.mark.skipif(Path("/opt/extensions").exists(), reason="there is a folder /opt/extensions here")
def test_the_usual_folder_need_not_be_there(task: Task) -> None:
    with running("app.handler", task.folder) as program:
        assert program.invoke({}).status == 200
        assert program.stop() == 0


# One that speaks for the runtime


ADAPTER = """
Extension().work_meanwhile()
path = "/2018-06-01/runtime/invocation"
while True:
    status, headers, event = call("GET", f"{path}/next")
    request_id = headers["lambda-runtime-aws-request-id"]
    if event.get("hang"):
        time.sleep(1000)
    call("POST", f"{path}/{request_id}/response", {"calls": 1, "adapted": event})
"""


def test_an_extension_may_ask_in_place_of_the_runtime(task: Task) -> None:
    """As AWS's Lambda Web Adapter does: the function's own process is a web server that knows of no Runtime API."""
    task.extension("adapter", ADAPTER)
    with task.served("sleep", "1000", AWS_LAMBDA_FUNCTION_TIMEOUT="1") as program:
        for number in range(3):
            assert program.invoke({"n": number}).json["adapted"] == {"n": number}
        assert error_of(program.invoke({"hang": True}))[0] == "Sandbox.Timedout"
        works_afresh(program, task, "adapter")
    assert len({it["pid"] for it in task.notes("adapter")}) == 2
