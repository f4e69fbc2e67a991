"""Several invocations at once: what one of them, or its process, does to itself is nobody else's."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.runtime.harness import write
from tests.runtime.several import MEET, PATIENCE, Call, several

SOURCE = (
    MEET
    + """
import signal, sys, time
def handler(event, context):
    meet()
    if event:
        exec(event)
    meet()
    return os.getpid()
"""
)
WAYS = {
    "processes": SOURCE,
    "threads": SOURCE,
    "tasks": SOURCE.replace("def handler", "async def handler").replace("    meet()\n", "    await ameet()\n"),
}
PID = "import os\ndef handler(event, context):\n    return os.getpid()\n"


def wait_for_end(pid: int) -> None:
    """Until a process that is none of ours has ended; it may have already."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], PATIENCE)[0]
    finally:
        os.close(descriptor)


def exit_error(call: Call, reason: str) -> dict[str, object]:
    sentence = f"RequestId: {call.request_id} Error: Runtime {reason}"
    return {"errorMessage": sentence, "errorType": "Runtime.ExitError", "requestId": call.request_id, "stackTrace": []}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("os._exit(3)", "exited with error: exit status 3"),
        ("os._exit(0)", "exited without providing a reason"),
        ("sys.exit(4)", "exited with error: exit status 4"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "exited with error: signal: killed"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "exited with error: signal: segmentation fault"),
    ],
)
def test_a_process_that_ends_is_replaced_and_its_invocation_answered(tmp_path: Path, code: str, reason: str) -> None:
    write(tmp_path, app=SOURCE)
    with several(tmp_path, 3, meeting=3) as running:
        barrier = running.barrier
        calls = [running.api.invoke(event) for event in ("", code, "")]
        barrier.allow(1)
        assert calls[1].error() == exit_error(calls[1], reason)
        barrier.parties = 2
        barrier.allow(1)
        survivors = {calls[0].result(), calls[2].result()}
        barrier.parties = 3
        again = [running.api.invoke() for _ in range(3)]
        barrier.allow(2)
        pids = {call.result() for call in again}
        assert len(pids) == 3
        assert survivors < pids
        assert running.end() == -signal.SIGTERM
    ended = reason.removeprefix("exited with error: ").replace("exited without providing a reason", "exit status 0")
    assert f"runtime: a worker has ended: {ended}; another one takes its place\n" in running.output
    assert "[ERROR] Runtime.ExitError: RequestId: " in running.output


@pytest.mark.parametrize("way", ["threads", "tasks"])
def test_an_exit_is_the_invocations_alone_where_a_process_has_several(tmp_path: Path, way: str) -> None:
    write(tmp_path, app=WAYS[way])
    with several(tmp_path, 3, meeting=3, RAPID_CONCURRENCY=way) as running:
        calls = [running.api.invoke(event) for event in ("", "sys.exit('bye')", "")]
        running.barrier.allow(1)
        assert calls[1].error() == exit_error(calls[1], "exited with error: exit status 1")
        running.barrier.parties = 2
        running.barrier.allow(1)
        (pid,) = {calls[0].result(), calls[2].result()}
        running.barrier.parties = 3
        again = [running.api.invoke() for _ in range(3)]
        running.barrier.allow(2)
        assert {call.result() for call in again} == {pid}


@pytest.mark.parametrize("way", ["threads", "tasks"])
def test_all_invocations_of_a_process_that_ends_are_answered(tmp_path: Path, way: str) -> None:
    write(tmp_path, app=WAYS[way])
    with several(tmp_path, 3, meeting=3, RAPID_CONCURRENCY=way) as running:
        calls = [running.api.invoke(event) for event in ("", "", "os._exit(1)")]
        running.barrier.allow(1)
        for call in calls:
            assert call.error() == exit_error(call, "exited with error: exit status 1")
        again = [running.api.invoke() for _ in range(3)]
        running.barrier.allow(2)
        assert len({call.result() for call in again}) == 1


def test_an_idle_process_that_ends_is_replaced_and_none_is_left_as_a_zombie(tmp_path: Path) -> None:
    write(tmp_path, app=PID)
    with several(tmp_path, 1) as running:
        seen = set()
        for _ in range(3):
            pid = running.api.invoke().result()
            assert children(running.process.pid) == [pid]
            seen.add(pid)
            os.kill(pid, signal.SIGKILL)
            wait_for_end(pid)
        assert len(seen) == 3


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_the_error_of_an_init_is_told_once(tmp_path: Path) -> None:
    write(tmp_path, app="import nothing_like_it\n")
    with several(tmp_path, 4) as running:
        assert running.process.wait(PATIENCE) == 1
        assert running.api.kinds() == ["init/error"]
        assert running.api.kinds("GET") == []
    assert running.output.count("Runtime.ImportModuleError") == 1


def test_an_init_that_ends_its_process_ends_all(tmp_path: Path) -> None:
    write(tmp_path, app="import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    with several(tmp_path, 2) as running:
        assert running.process.wait(PATIENCE) == -signal.SIGKILL
    write(tmp_path, app="raise SystemExit(7)\n")
    with several(tmp_path, 2) as running:
        assert running.process.wait(PATIENCE) == 7


def test_a_process_that_cannot_load_the_handler_is_tried_five_times(tmp_path: Path) -> None:
    source = "import os\ntry:\n    os.mkdir('taken')\nexcept FileExistsError:\n    raise ValueError('no second one')\n"
    write(tmp_path, app=source + PID)
    with several(tmp_path, 2) as running:
        running.wait_for_output("that was the last attempt of 5")
        running.api.invoke().result()
        assert running.api.kinds() == ["invocation/00000000-0000-0000-0000-000000000001/response"]
        assert running.end() == -signal.SIGTERM
    assert running.output.count("[ERROR] ValueError: no second one") == 5


@pytest.mark.parametrize("way", list(WAYS))
def test_a_question_for_an_event_that_fails_is_asked_again(tmp_path: Path, way: str) -> None:
    write(tmp_path, app=WAYS[way])
    with several(tmp_path, 2, meeting=2, refusals=3, RAPID_CONCURRENCY=way) as running:
        running.api.wait_until_asked(2)
        calls = [running.api.invoke() for _ in range(2)]
        running.barrier.allow(2)
        for call in calls:
            call.result()
        assert running.api.refusals <= 0
    told = "the Runtime API answered 500 to the request for the next invocation; trying again in 0.1 s"
    assert told in running.output


@pytest.mark.parametrize("way", list(WAYS))
def test_without_a_runtime_api_the_process_ends(tmp_path: Path, way: str) -> None:
    write(tmp_path, app=WAYS[way])
    with several(tmp_path, 2, refusals=1000, RAPID_CONCURRENCY=way) as running:
        assert running.process.wait(PATIENCE) == 1
        assert len(running.api.kinds("GET")) == 10
    assert running.output.count("trying again in 0.8 s") == 2


@pytest.mark.parametrize("way", list(WAYS))
def test_an_answer_that_is_refused_is_the_end_of_its_invocation_only(tmp_path: Path, way: str) -> None:
    write(tmp_path, app=WAYS[way])
    with several(tmp_path, 2, meeting=2, RAPID_CONCURRENCY=way) as running:
        calls = [running.api.invoke() for _ in range(2)]
        running.api.open.clear()
        running.barrier.allow(2)
        again = [running.api.invoke() for _ in range(2)]
        running.barrier.allow(2)
        for call in again:
            call.result()
        assert calls
    assert running.output.count("runtime: the Runtime API answered 400 to POST") == 2


@pytest.mark.parametrize("way", list(WAYS))
def test_sigterm_ends_everything(tmp_path: Path, way: str) -> None:
    write(tmp_path, app=PID if way != "tasks" else PID.replace("def", "async def"))
    with several(tmp_path, 3, RAPID_CONCURRENCY=way) as running:
        pid = running.api.invoke().result()
        running.api.wait_until_asked(4)
        workers = children(running.process.pid)
        assert pid in workers
        assert running.end() == -signal.SIGTERM
        for worker in workers:
            assert not Path(f"/proc/{worker}").exists()
    assert running.output == ""


def test_sigterm_ends_the_first_process_of_a_container_too(tmp_path: Path) -> None:
    namespace = ["unshare", "--pid", "--fork", "--mount-proc"]
    if not shutil.which("unshare") or subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode:
        pytest.skip("a process cannot be given process ids of its own")
    write(tmp_path, app=PID)
    with several(tmp_path, 2, through=namespace) as running:
        assert running.api.invoke().result() > 1
        running.api.wait_until_asked(3)
        (first,) = children(running.process.pid)
        workers = children(first)
        os.kill(first, signal.SIGTERM)
        assert running.process.wait(PATIENCE) == 0
        assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


def test_a_process_that_ignores_sigterm_ends_too(tmp_path: Path) -> None:
    write(tmp_path, app="import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + PID)
    with several(tmp_path, 2) as running:
        pid = running.api.invoke().result()
        assert running.end() == -signal.SIGTERM
        assert not Path(f"/proc/{pid}").exists()


def test_no_process_outlives_the_first_one(tmp_path: Path) -> None:
    write(tmp_path, app=PID)
    with several(tmp_path, 3) as running:
        running.api.wait_until_asked(3)
        workers = children(running.process.pid)
        assert len(workers) == 3
        running.end(signal.SIGKILL)
        for worker in workers:
            wait_for_end(worker)
