"""Real extensions during invocations: who waits for whom, what it costs, polls that are lost."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest

from tests.server.extended import Task, works_afresh
from tests.server.played import begin, error_of
from tests.server.wire import connected, request
from tests.support.program import Program, Reply

SLOW = """
extension = Extension("INVOKE", "SHUTDOWN")
while extension.next()["eventType"] == "INVOKE":
    wait("go")
    note("worked")
"""

STUCK = """
extension = Extension("INVOKE", "SHUTDOWN")
extension.next()
if once("stuck"):
    time.sleep(1000)
extension.work()
"""

TELL = """
server = listen()
extension = Extension("SHUTDOWN")
extension.subscribe(http_at(server), "platform")
extension.work()
"""

LOSES = """
import socket

def park():
    host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
    poll = socket.create_connection((host, int(port)))
    head = f"Host: x\\r\\nLambda-Extension-Identifier: {extension.identifier}\\r\\n\\r\\n"
    poll.sendall(f"GET /2020-01-01/extension/event/next HTTP/1.1\\r\\n{head}".encode())
    call("GET", "/")  # a round trip: the poll has been taken in
    return poll

extension = Extension("INVOKE", "SHUTDOWN")
"""


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return Task(tmp_path)


def report(program: Program, reply: Reply) -> re.Match[str]:
    """Duration, billed duration and the rest of an invocation's REPORT line."""
    request_id = reply.headers["x-amzn-requestid"]
    return program.said(rf"^REPORT RequestId: {request_id}\tDuration: ([\d.]+) ms\tBilled Duration: (\d+) ms\t(.*)$")


def order(task: Task, who: str, what: str, nth: int = 0) -> int:
    """Where something stands among all notes."""
    return [number for number, it in enumerate(task.notes()) if (it["who"], it["what"]) == (who, what)][nth]


def test_the_caller_has_its_answer_while_an_extension_works_on_and_the_next_invocation_waits(task: Task) -> None:
    task.extension("slow", SLOW)
    with task.served() as program:
        assert program.invoke({}).json["calls"] == 1  # comes back although the extension is at work
        task.noted("slow", "event")
        second = begin(program.invoke, {})
        assert "END RequestId" not in "".join(program.output)
        (task.folder / "go").touch()
        assert second.result(20).json["calls"] == 2
        task.noted("slow", "asks", 3)
    assert order(task, "slow", "worked") < order(task, "function", "invoked", 1)


def test_an_extensions_time_is_in_duration_and_billed_duration_and_a_span_of_its_own(task: Task) -> None:
    task.extension("slow", 'extension = Extension("INVOKE")\nwhile extension.next():\n    time.sleep(0.4)\n')
    task.extension("tell", TELL)
    with task.served() as program:
        reply = program.invoke({})
        duration, billed, rest = report(program, reply).groups()
        init = re.search(r"Init Duration: ([\d.]+)", rest)
        assert init is not None
        assert float(duration) >= 400
        assert int(billed) >= float(duration) + float(init[1])
        (record,) = task.told("tell", "platform.report")
        (done,) = task.told("tell", "platform.runtimeDone")
    assert record["requestId"] == reply.json["id"]
    (span,) = record["spans"]
    assert span["name"] == "extensionOverhead"
    assert done["metrics"]["durationMs"] + span["durationMs"] == pytest.approx(float(duration), abs=0.02)
    assert "extensionOverhead" not in [each["name"] for each in done["spans"]]
    assert done["spans"][-1]["start"] <= span["start"]


def test_the_timeout_covers_extensions_and_an_answer_that_was_given_stands(task: Task) -> None:
    for name in ("stuck", "other"):
        task.extension(name, STUCK if name == "stuck" else "Extension('INVOKE', 'SHUTDOWN').work()\n")
    with task.served(AWS_LAMBDA_FUNCTION_TIMEOUT="1") as program:
        reply = program.invoke({})
        assert (reply.status, reply.headers.get("x-amz-function-error")) == (200, None)
        duration, _, rest = report(program, reply).groups()
        assert (duration, rest.endswith("\tStatus: timeout")) == ("1000.00", True)
        program.said(rf"Z {reply.json['id']} Task timed out after 1.00 seconds$")
        program.said("^EXTENSION\tName: stuck\tState: ShutdownFailed\tEvents: ")
        works_afresh(program, task, "stuck", "other")
    assert task.reasons("other") == ["timeout", "spindown"]
    assert task.reasons("stuck") == ["spindown"]


def test_a_timeout_while_runtime_and_extension_work_is_the_callers_error(task: Task) -> None:
    task.extension("a")
    with task.served(AWS_LAMBDA_FUNCTION_TIMEOUT="0.5") as program:
        began = time.monotonic()
        reply = program.invoke({"nap": 60})
        assert time.monotonic() - began >= 0.5
        assert error_of(reply)[0] == "Sandbox.Timedout"
        assert report(program, reply)[3].endswith("\tStatus: timeout")
        works_afresh(program, task, "a")
    assert task.reasons("a") == ["timeout", "spindown"]


def test_deadline_of_the_shutdown_event_is_within_two_seconds_of_the_timeout(task: Task) -> None:
    task.extension("a")
    with task.served(AWS_LAMBDA_FUNCTION_TIMEOUT="0.3") as program:
        program.invoke({"nap": 60})
        began = time.time()
        task.noted("a", "event", 2)
        event = task.events("a")[1]
        assert event["eventType"] == "SHUTDOWN"
        assert began < event["deadlineMs"] / 1000 <= time.time() + 2


# Polls


def test_an_extension_that_lost_its_connection_hears_the_event_that_it_missed(task: Task) -> None:
    lost = "poll = park()\npoll.close()\ncall('GET', '/')\nnote('lost')\nwait('again')\nextension.work()\n"
    task.extension("a", LOSES + lost)
    with task.served() as program:
        task.noted("a", "lost")
        reply = program.invoke({})
        assert "END RequestId" not in "".join(program.output)
        (task.folder / "again").touch()
        assert program.invoke({}).json["calls"] == 2
        task.noted("a", "asks", 3)
    assert task.events("a")[0]["requestId"] == reply.json["id"]
    assert [event["eventType"] for event in task.events("a")] == ["INVOKE", "INVOKE", "SHUTDOWN"]


def test_an_event_that_meets_a_lost_connection_is_kept(task: Task) -> None:
    """rapid stands still, so that it finds the closed connection and the invocation at the same moment."""
    closes = (
        "poll = park()\nnote('parked')\nwait('close')\npoll.close()\nnote('closed')\nwait('again')\nextension.work()\n"
    )
    task.extension("a", LOSES + closes)
    with task.served() as program, connected(program.invoke_address) as caller:
        task.noted("a", "parked")
        task.noted("function", "init")
        caller.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert caller.reply().status == 200
        program.process.send_signal(signal.SIGSTOP)
        (task.folder / "close").touch()
        task.noted("a", "closed")
        caller.send(request("POST", "/2015-03-31/functions/function/invocations", b"{}"))
        program.process.send_signal(signal.SIGCONT)
        reply = caller.reply()
        (task.folder / "again").touch()
        task.noted("a", "asks", 2)
    assert task.events("a")[0].get("requestId") == reply.json["id"]


def test_an_extension_that_lost_its_connection_hears_of_the_shutdown(task: Task) -> None:
    task.function("signal.signal(signal.SIGTERM, lambda *_: (note('SIGTERM', 'function'), os._exit(0)))\n")
    lost = "poll = park()\npoll.close()\ncall('GET', '/')\nnote('lost')\nwait('again')\nextension.work()\n"
    task.extension("a", LOSES.replace('"INVOKE", ', "") + lost)
    with task.served() as program:
        task.noted("a", "lost")
        assert program.invoke({}).status == 200
        ending = begin(program.stop)
        task.noted("function", "SIGTERM")
        (task.folder / "again").touch()
        assert ending.result(20) == 0
    assert task.reasons("a") == ["spindown"]


def test_the_newer_of_two_polls_is_served_and_the_older_waits_on(task: Task) -> None:
    two = """
first, second = park(), park()
note("both")
second.settimeout(15)
note("heard", data=second.recv(4096).decode())
first.setblocking(False)
try:
    note("first", data=first.recv(4096).decode())
except BlockingIOError:
    note("first", data=None)
extension.work()
"""
    task.extension("a", LOSES + two)
    with task.served() as program:
        task.noted("a", "both")
        reply = program.invoke({})
        (heard,), (first,) = task.noted("a", "heard"), task.noted("a", "first")
        assert reply.json["id"] in heard["data"]
        assert first["data"] is None
        assert program.invoke({}).json["calls"] == 2
