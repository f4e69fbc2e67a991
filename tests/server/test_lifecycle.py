"""The life of an environment with real processes: init, faults, signals, the end."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.played import error_of
from tests.support.program import AWSLAMBDARIC, Program, running, until

OURS = ("app.handler",)
THEIRS = (*AWSLAMBDARIC, "app.handler")
APP = """
import os, signal, subprocess, sys, time

print("initialised", os.getpid(), flush=True)
calls = 0

def handler(event, context):
    global calls
    calls += 1
    do = event.get("do")
    if do == "exit":
        os._exit(event["status"])
    if do == "sys.exit":
        sys.exit(event["status"])
    if do == "signal":
        os.kill(os.getpid(), event["number"])
    if do == "abort":
        os.abort()
    child = subprocess.Popen(["sleep", "1000"]).pid if event.get("child") else None
    if child:
        print("child", child, flush=True)
    time.sleep(event.get("nap", 0))
    while event.get("until") and not os.path.exists(event["until"]):
        time.sleep(0.01)
    return {"pid": os.getpid(), "calls": calls, "child": child}
"""


@pytest.fixture
def task(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A function that can be broken; a new one takes its place each time."""
    folder: Path = tmp_path_factory.mktemp("task")
    (folder / "app.py").write_text(APP)
    with running(OURS, folder, AWS_LAMBDA_FUNCTION_TIMEOUT="20") as program:
        yield program


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pid: int) -> bool:
    return until(lambda: not alive(pid), f"process {pid} to be gone", 5)


# Init


def test_init_runs_before_any_invocation(task: Path) -> None:
    with running(OURS, task) as program:
        pid = int(program.said(r"^initialised (\d+)$")[1])
        assert "START RequestId" not in "".join(program.output)
        assert program.invoke({}).json == {"pid": pid, "calls": 1, "child": None}


def test_an_invocation_that_arrives_during_init_waits_for_it_and_its_timeout_begins_after(task: Path) -> None:
    (task / "app.py").write_text("import time\nprint('slow init', flush=True)\ntime.sleep(1.2)\n" + APP)
    with running(OURS, task, AWS_LAMBDA_FUNCTION_TIMEOUT="1") as program:
        program.said("^slow init$")
        reply = program.invoke({})
        assert (reply.status, reply.json["calls"]) == (200, 1)
        assert float(program.said(r"Init Duration: ([\d.]+) ms")[1]) >= 1200


def test_an_init_over_ten_seconds_is_ended_and_the_next_invocation_runs_one_of_its_own(task: Path) -> None:
    once = "import os, time\nif not os.path.exists('again'):\n    open('again', 'w').close()\n    time.sleep(60)\n"
    (task / "app.py").write_text(once + APP)
    with running(OURS, task, AWS_LAMBDA_FUNCTION_TIMEOUT="5") as program:
        reply = program.invoke({})  # waits for the first, which is ended, and then for one inside the invocation
        assert (reply.status, reply.json["calls"]) == (200, 1)
        told = program.said(r"^INIT_REPORT Init Duration: ([\d.]+) ms\tPhase: init\tStatus: timeout$")
        assert round(float(told[1]) / 1000) == 10
        assert "Init Duration" not in program.said("^REPORT.*$")[0]


@pytest.mark.parametrize("command", [OURS, THEIRS], ids=["ours", "awslambdaric"])
@pytest.mark.parametrize(
    ("source", "error_type", "message"),
    [
        (
            "import nothing_here",
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named 'nothing_here'",
        ),
        ("handler = (", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app': "),
        ("other = 1", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("raise KeyError('k')", "KeyError", "'k'"),
    ],
)
def test_a_failed_init_answers_with_its_error_and_a_later_invocation_tries_afresh(
    task: Path, command: tuple[str, ...], source: str, error_type: str, message: str
) -> None:
    (task / "app.py").write_text(source + "\n")
    with running(command, task, AWS_LAMBDA_FUNCTION_TIMEOUT="10") as program:
        kind, text = error_of(program.invoke({}))
        assert (kind, text[: len(message)]) == (error_type, message)
        logged = error_type if error_type.startswith("Runtime.") else "Runtime.Unknown"
        program.said(rf"^INIT_REPORT Init Duration: [\d.]+ ms\tPhase: init\tStatus: error\tError Type: {logged}$")
        program.said(rf"^INIT_REPORT Init Duration: [\d.]+ ms\tPhase: invoke\tStatus: error\tError Type: {logged}$")
        assert error_of(program.invoke({}))[0] == error_type
        (task / "app.py").write_text(APP)
        assert program.invoke({}).json["calls"] == 1
        assert program.invoke({}).json["calls"] == 2


def test_an_init_that_exits_is_an_exit_error_and_tried_again_by_the_next_invocation(task: Path) -> None:
    (task / "app.py").write_text("import os\nos._exit(7)\n")
    with running(OURS, task, AWS_LAMBDA_FUNCTION_TIMEOUT="10") as program:
        reply = program.invoke({})
        said = f"RequestId: {reply.headers['x-amzn-requestid']} Error: Runtime exited with error: exit status 7"
        assert error_of(reply) == ("Runtime.ExitError", said)
        (task / "app.py").write_text(APP)
        assert program.invoke({}).json["calls"] == 1


def test_an_init_inside_an_invocation_has_the_functions_timeout(task: Path) -> None:
    (task / "app.py").write_text(
        "import os, time\nif not os.path.exists('again'):\n    open('again', 'w')\n    os._exit(1)\n"
    )
    with (task / "app.py").open("a") as file:
        file.write("time.sleep(60)\n")
    with running(OURS, task, AWS_LAMBDA_FUNCTION_TIMEOUT="0.5") as program:
        program.said("Phase: init\tStatus: error")
        reply = program.invoke({})
        assert error_of(reply)[0] == "Sandbox.Timedout"
        program.said(r"Init Duration: [\d.]+ ms\tPhase: invoke\tStatus: timeout$")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"\x00\x01 no program", "exec format error"), (b"#!/no/such/interpreter\n", "no such file or directory")],
)
def test_a_runtime_that_cannot_be_started_is_an_invalid_entrypoint(task: Path, content: bytes, reason: str) -> None:
    program_file = task / "runtime"
    program_file.write_bytes(content)
    program_file.chmod(0o755)
    with running("./runtime", task) as program:
        for _ in range(2):
            reply = program.invoke({})
            assert error_of(reply)[0] == "Runtime.InvalidEntrypoint"
            assert error_of(reply)[1].lower().endswith(f"fork/exec ./runtime: {reason}")
        program_file.write_text(f"#!{sys.executable}\nimport sys\nsys.exit(4)\n")
        assert error_of(program.invoke({}))[1].endswith("exit status 4")


# Faults


def test_a_timeout_ends_the_process_group_and_the_next_invocation_meets_a_fresh_environment(task: Path) -> None:
    with running(OURS, task, AWS_LAMBDA_FUNCTION_TIMEOUT="0.5") as program:
        first = program.invoke({}).json["pid"]
        began = time.monotonic()
        reply = program.invoke({"nap": 60, "child": True})
        assert 0.5 <= time.monotonic() - began < 3
        request_id = reply.headers["x-amzn-requestid"]
        text = "Task timed out after 0.50 seconds"
        assert reply.body == (
            f'{{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: {request_id} Error: {text}"}}'.encode()
        )
        assert error_of(reply)[0] == "Sandbox.Timedout"
        program.said(rf"^\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z {request_id} {text}$")
        program.said(
            rf"^REPORT RequestId: {request_id}\tDuration: 500.00 ms\tBilled Duration: 500 ms\t.*Status: timeout$"
        )
        assert gone(int(program.said(r"^child (\d+)$")[1]))
        assert gone(first)
        fresh = program.invoke({}).json
        assert (fresh["calls"], fresh["pid"] != first) == (1, True)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"do": "exit", "status": 3}, "Runtime exited with error: exit status 3"),
        ({"do": "exit", "status": 0}, "Runtime exited without providing a reason"),
        ({"do": "exit", "status": 255}, "Runtime exited with error: exit status 255"),
        ({"do": "sys.exit", "status": 5}, "Runtime exited with error: exit status 5"),
        ({"do": "signal", "number": signal.SIGKILL}, "Runtime exited with error: signal: killed"),
        ({"do": "signal", "number": signal.SIGSEGV}, "Runtime exited with error: signal: segmentation fault"),
        ({"do": "signal", "number": signal.SIGTERM}, "Runtime exited with error: signal: terminated"),
        ({"do": "abort"}, "Runtime exited with error: signal: aborted"),
    ],
)
def test_a_runtime_that_leaves_is_an_exit_error_and_the_next_invocation_works(
    fragile: Program, event: dict[str, Any], reason: str
) -> None:
    reply = fragile.invoke(event)
    request_id = reply.headers["x-amzn-requestid"]
    assert reply.body == (
        f'{{"errorType":"Runtime.ExitError","errorMessage":"RequestId: {request_id} Error: {reason}"}}'.encode()
    )
    assert error_of(reply)[0] == "Runtime.ExitError"
    fragile.said(rf"^REPORT RequestId: {request_id}\t.*\tStatus: error\tError Type: Runtime.ExitError$")
    assert fragile.invoke({}).json["calls"] == 1


def test_what_a_crashed_runtime_leaves_in_its_group_is_ended(fragile: Program) -> None:
    child = fragile.invoke({"child": True}).json["child"]
    assert alive(child)
    fragile.invoke({"do": "exit", "status": 1})
    assert gone(child)


def test_a_runtime_that_is_killed_between_invocations_is_replaced(fragile: Program) -> None:
    before = fragile.invoke({}).json["pid"]
    started = "".join(fragile.errors).count("exec '")
    os.kill(before, signal.SIGKILL)
    until(lambda: "".join(fragile.errors).count("exec '") > started, "a new process")
    assert fragile.invoke({}).json["calls"] == 1


DIES = """
import http.client, os, socket
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
api = http.client.HTTPConnection(host, int(port))
api.request("GET", "/2018-06-01/runtime/invocation/next")
event = api.getresponse()
path = f"/2018-06-01/runtime/invocation/{event.headers['Lambda-Runtime-Aws-Request-Id']}/response"
body = event.read()
other = socket.create_connection((host, int(port)))
other.sendall(f"POST {path} HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n".encode() + body)
os._exit(9)
"""


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_the_answer_of_a_runtime_that_dies_right_after_posting_it_is_the_callers(task: Path, size: int) -> None:
    (task / "dies.py").write_text(DIES)
    with running([sys.executable, "dies.py"], task, AWS_LAMBDA_FUNCTION_TIMEOUT="10") as program:
        for number in range(3):
            reply = program.invoke([number, "x" * size])
            assert (reply.status, reply.json[0], len(reply.json[1])) == (200, number, size)
            assert "x-amz-function-error" not in reply.headers
