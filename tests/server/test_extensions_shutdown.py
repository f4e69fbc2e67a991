"""The end of an environment with real processes: who is signalled, who is told, how long each has."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.server.extended import Task, works_afresh
from tests.server.played import begin
from tests.server.test_lifecycle import alive
from tests.server.test_shutdown import refuses
from tests.support.program import call, until

HEARS_SIGTERM = "signal.signal(signal.SIGTERM, lambda *_: note('SIGTERM', 'function'))\n"
INTERNAL = "inner = Extension(name='inner')\ninner.work_meanwhile()\n"
LEAVES = "signal.signal(signal.SIGTERM, lambda *_: (note('SIGTERM', 'function'), os._exit(0)))\n"
STAYS = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
extension = Extension("SHUTDOWN")
extension.work()
{0}
time.sleep(1000)
"""
BUSY = 'extension = Extension("INVOKE", "SHUTDOWN")\nextension.next()\nwait("go")\nextension.work()\n'


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return Task(tmp_path)


def ended(task: Task, number: int = signal.SIGTERM) -> float:
    """Invoke once, end rapid, and tell how long that took, seconds."""
    with task.served() as program:
        assert program.invoke({}).status == 200
        program.said("^REPORT")
        began = time.monotonic()
        assert program.stop(number) == 0
        return time.monotonic() - began


def sigterm_at(task: Task) -> float:
    (note,) = task.notes("function", "SIGTERM")
    return float(note["at"])


# The runtime's part


def test_without_extensions_the_runtime_is_killed_at_once(task: Task) -> None:
    task.function(HEARS_SIGTERM)
    assert ended(task) < 2
    assert task.notes("function", "SIGTERM") == []


def test_with_an_internal_extension_the_runtime_may_finish(task: Task) -> None:
    task.function(LEAVES + INTERNAL)
    assert ended(task) < 2
    assert sigterm_at(task)


def test_with_internal_extensions_alone_the_runtime_has_500_ms(task: Task) -> None:
    task.function(HEARS_SIGTERM + INTERNAL)
    assert 0.5 <= ended(task) < 2
    assert sigterm_at(task)


def test_with_an_external_one_the_runtime_has_300_ms_and_then_the_extensions_are_told(task: Task) -> None:
    task.function(HEARS_SIGTERM)
    task.extension("a")
    assert 0.3 <= ended(task) < 2
    heard = task.notes("a", "event")[-1]
    assert heard["body"]["shutdownReason"] == "spindown"
    assert heard["at"] - sigterm_at(task) >= 0.29


def test_a_runtime_that_leaves_is_not_waited_for(task: Task) -> None:
    task.function(LEAVES)
    task.extension("a")
    ended(task)
    assert [it["what"] for it in task.notes()][-2:] == ["SIGTERM", "event"]


# The extensions' part


def test_an_extension_that_does_not_leave_is_killed_after_two_seconds(task: Task) -> None:
    task.extension("a")
    task.extension("stays", STAYS.format(""))
    with task.served() as program:
        assert program.invoke({}).status == 200
        began = time.monotonic()
        assert program.stop() == 0
        assert 2 <= time.monotonic() - began < 5
        output = "".join(program.output)
    assert "EXTENSION\tName: stays\tState: ShutdownFailed\tEvents: [SHUTDOWN]\n" in output
    assert "Name: a\tState: ShutdownFailed" not in output
    deadline = task.events("stays")[-1]["deadlineMs"]
    assert deadline == task.events("a")[-1]["deadlineMs"]


def test_an_extension_that_asks_again_after_shutdown_hears_nothing_more(task: Task) -> None:
    task.extension("again", STAYS.format("extension.next()"))
    assert 2 <= ended(task) < 5
    assert task.reasons("again") == ["spindown"]
    assert [it["what"] for it in task.notes("again")][-1] == "asks"


def test_an_extension_that_did_not_ask_for_shutdown_is_killed_at_once(task: Task) -> None:
    hears = "signal.signal(signal.SIGTERM, lambda *_: note('SIGTERM'))\n"
    task.extension("a", hears + "Extension('INVOKE').work()\n")
    assert ended(task) < 2
    assert task.notes("a", "SIGTERM") == []
    assert task.reasons("a") == []


def test_an_extension_in_error_may_use_the_time_that_is_left(task: Task) -> None:
    task.extension("a")
    task.extension(
        "bad",
        "extension = Extension('INVOKE')\nextension.next()\nextension.fails('exit', 'Extension.X')\n"
        "time.sleep(0.5)\nnote('finished')\n",
    )
    with task.served() as program:
        program.invoke({"until": "never"})
        task.noted("bad", "finished")


def test_what_an_extension_has_started_ends_with_it(task: Task) -> None:
    child = "import subprocess\nnote('child', child=subprocess.Popen(['sleep', '1000'], stdout=-3, stderr=-3).pid)\n"
    task.extension("polite", child + "Extension('SHUTDOWN').work()\n")
    task.extension("silent", child + "Extension().work()\n")
    ended(task)
    for note in task.notes(what="child"):
        until(lambda pid=note["child"]: not alive(pid), "the child to be gone", 5)  # type: ignore[misc]


def test_shutdown_reaches_an_extension_that_is_at_work_when_it_asks(task: Task) -> None:
    task.extension("busy", BUSY)
    with task.served(AWS_LAMBDA_FUNCTION_TIMEOUT="0.5") as program:
        assert program.invoke({}).status == 200
        program.said("^REPORT .*Status: timeout$")
        (task.folder / "go").touch()
        task.noted("busy", "event", 2)
        works_afresh(program, task, "busy")
    assert task.reasons("busy")[0] == "timeout"


# SIGTERM to rapid at all times


def test_an_extension_at_work_is_waited_for(task: Task) -> None:
    task.extension("busy", BUSY)
    with task.served() as program:
        assert program.invoke({}).status == 200
        program.process.send_signal(signal.SIGTERM)
        until(lambda: refuses(program), "the shutdown to begin")
        assert task.reasons("busy") == []
        (task.folder / "go").touch()
        assert program.process.wait(20) == 0
    assert task.reasons("busy") == ["spindown"]


def test_a_second_signal_hurries(task: Task) -> None:
    task.extension("busy", BUSY)
    with task.served() as program:
        assert program.invoke({}).status == 200
        program.process.send_signal(signal.SIGTERM)
        until(lambda: refuses(program), "the shutdown to begin")
        began = time.monotonic()
        assert program.stop() == 0
        assert time.monotonic() - began < 4
        assert "State: ShutdownFailed" in "".join(program.output)


@pytest.mark.parametrize("stays", ["", "Extension('SHUTDOWN')\n"], ids=["unregistered", "registered"])
def test_in_the_middle_of_init(task: Task, stays: str) -> None:
    task.extension("a", f"signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{stays}note('ready')\ntime.sleep(1000)\n")
    with task.served() as program:
        caller = begin(program.invoke, {})
        task.noted("a", "ready")
        program.process.send_signal(signal.SIGTERM)
        program.process.send_signal(signal.SIGINT)
        assert caller.result(20).headers["x-amzn-errortype"] == "ServiceException"
        assert program.process.wait(5) == 0


def test_in_the_middle_of_a_reset(task: Task) -> None:
    task.extension("stays", STAYS.format(""))
    with task.served() as program:
        assert program.invoke({"exit": 1}).headers["x-amz-function-error"] == "Unhandled"
        task.noted("stays", "event")
        began = time.monotonic()
        assert program.stop() == 0
        assert time.monotonic() - began < 4
    assert task.reasons("stays") == ["failure"]
    assert len(task.notes("function", "init")) == 1


def test_once_it_has_begun_nobody_registers(task: Task) -> None:
    task.extension("stays", STAYS.format(""))
    with task.served() as program:
        assert program.invoke({}).status == 200
        program.process.send_signal(signal.SIGTERM)
        task.noted("stays", "event")
        headers = {"Lambda-Extension-Name": "late"}
        reply = call(program.runtime_address, "POST", "/2020-01-01/extension/register", b'{"events": []}', headers)
        assert (reply.status, reply.json["errorType"]) == (403, "Extension.RegistrationClosed")
        assert program.process.wait(5) == 0


def test_an_extension_that_is_stopped_is_ended_all_the_same(task: Task) -> None:
    """A stopped process takes no signal but SIGKILL."""
    task.extension(
        "stopped",
        "extension = Extension('SHUTDOWN')\nextension.work_meanwhile()\nwait('now')\n"
        "os.kill(os.getpid(), signal.SIGSTOP)\n",
    )
    with task.served() as program:
        assert program.invoke({}).status == 200
        (task.folder / "now").touch()
        pid = task.notes("stopped")[0]["pid"]
        until(lambda: b"\nState:\tT" in Path(f"/proc/{pid}/status").read_bytes(), "it to stop")
        assert program.stop() == 0
