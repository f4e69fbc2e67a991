"""`--snapshot fork`: environments are forks of one template, with real processes."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rapid.readiness import FIRST_PAUSE
from tests.support.program import AWSLAMBDARIC, Program, call, running, until

APP = """
import os, random, threading, time, uuid
INIT = str(uuid.uuid4())
VERSION = 1
def handler(event, context):
    if "nap" in event:
        time.sleep(event["nap"])
    if "exit" in event:
        os._exit(event["exit"])
    drawn = {"random": random.random(), "urandom": os.urandom(8).hex()}
    return {"init": INIT, "version": VERSION, "pid": os.getpid(), **drawn}
"""


@pytest.fixture
def task(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@contextmanager
def forking(task: Path, *command: str, most: int = 4, **env: str) -> Iterator[Program]:
    env = {"RAPID_SNAPSHOT": "fork", "RAPID_MAX_ENVIRONMENTS": str(most), **env}
    with running(command or ("app.handler",), task, **env) as program:
        yield program
        below = {pid for pid in _all() if _parent(pid) == program.process.pid}
        assert program.stop() == 0
        until(lambda: not below & _all(), "everybody to be gone")
    assert "Traceback" not in "".join(program.errors)


def at_once(program: Program, count: int, nap: float = 0.3) -> list[dict[str, Any]]:
    with ThreadPoolExecutor(count) as pool:
        return [reply.json for reply in pool.map(lambda _: program.invoke({"nap": nap}), range(count))]


def warnings(program: Program) -> list[str]:
    return re.findall(r"\[WARNING\] \(rapid\) (.*)", "".join(program.errors))


def template_of(program: Program) -> int:
    """The only child that is told to be a template, and the oldest of them."""
    return min(pid for pid in _all() if _parent(pid) == program.process.pid and b"RAPID_TEMPLATE" in _environ(pid))


def test_all_environments_have_one_init_and_randomness_of_their_own(task: Path) -> None:
    with forking(task) as program:
        answers = at_once(program, 4)
        for name, different in (("init", 1), ("pid", 4), ("random", 4), ("urandom", 4)):
            assert len({answer[name] for answer in answers}) == different, name
        assert len(re.findall("^INIT_START", "".join(program.output), re.MULTILINE)) == 1
        assert len(re.findall("^RESTORE_REPORT", "".join(program.output), re.MULTILINE)) == 4
    assert warnings(program) == []


def test_an_environment_that_has_crashed_is_replaced_by_another_fork(task: Path) -> None:
    with forking(task, most=1) as program:
        first = program.invoke({}).json
        assert program.invoke({"exit": 3}).json["errorType"] == "Runtime.ExitError"
        second = program.invoke({}).json
        assert first["init"] == second["init"]
        assert first["pid"] != second["pid"]


def test_a_template_that_dies_takes_nothing_with_it(task: Path) -> None:
    with forking(task, most=1) as program:
        first = program.invoke({}).json
        os.kill(template_of(program), signal.SIGKILL)
        assert program.invoke({}).json["pid"] == first["pid"]
        until(lambda: len(warnings(program)), "a warning")
        assert program.invoke({"exit": 3}).json["errorType"] == "Runtime.ExitError"
        second = program.invoke({}).json  # initialised by itself, or a fork of the new template
        assert second["init"] != first["init"]
    assert warnings(program) == ["snapshot: the template has left: the template is made anew"]


def test_a_fork_that_dies_before_it_is_needed_fails_nobody(task: Path) -> None:
    """It was made for an invocation that another environment has taken meanwhile."""
    with forking(task, most=2, RAPID_METRICS="/metrics") as program:

        def rest(count: int) -> bool:
            metrics = call(program.invoke_address, "GET", "/metrics").body.decode()
            return f'rapid_environments{{state="snapshot"}} {count}.0\n' in metrics

        template, first = template_of(program), program.invoke({}).json["pid"]
        os.kill(template, signal.SIGSTOP)
        assert {answer["pid"] for answer in at_once(program, 2)} == {first}
        os.kill(template, signal.SIGCONT)
        until(lambda: rest(1), "a fork to wait")
        (waiting,) = {pid for pid in _all() if _parent(pid) == program.process.pid} - {template, first}
        os.kill(waiting, signal.SIGKILL)
        until(lambda: rest(0), "its death to be known")
        answered = {answer["pid"] for answer in at_once(program, 2)}
        assert first in answered
        assert waiting not in answered


def test_templates_that_die_all_the_time_lose_no_invocation(task: Path) -> None:
    """Every caller gets exactly one answer."""
    stopped = threading.Event()

    def kill() -> None:
        while not stopped.wait(0.05):
            for pid in _all():
                if _parent(pid) == program.process.pid and b"RAPID_TEMPLATE" in _environ(pid) and _is_template(pid):
                    os.kill(pid, signal.SIGKILL)

    with forking(task, most=2) as program:
        killer = threading.Thread(target=kill)
        killer.start()
        try:
            for _ in range(10):
                for answer in at_once(program, 2, nap=0.02):
                    assert answer["version"] == 1
                program.invoke({"exit": 3})
        finally:
            stopped.set()
            killer.join()


def test_new_code_is_served_by_the_next_environment(task: Path) -> None:
    with forking(task, most=1) as program:
        assert program.invoke({}).json["version"] == 1
        stamp = (task / "app.py").stat().st_mtime_ns
        (task / "app.py").write_text(APP.replace("VERSION = 1", "VERSION = 2"))
        assert (task / "app.py").stat().st_mtime_ns != stamp

        def renewed() -> bool:
            program.invoke({"exit": 3})
            return bool(program.invoke({}).json["version"] == 2)

        until(renewed, "the new code")
    assert warnings(program) == [f"snapshot: {task / 'app.py'} has changed: the template is made anew"]


@pytest.mark.parametrize(
    "command", [(*AWSLAMBDARIC, "app.handler"), ("python3", "bare.py")], ids=["awslambdaric", "bare"]
)
def test_a_runtime_that_is_no_template_serves_without(task: Path, command: tuple[str, ...]) -> None:
    (task / "bare.py").write_text(
        """
import os, urllib.request
api = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"
while True:
    with urllib.request.urlopen(f"{api}/next") as event:
        name = event.headers["Lambda-Runtime-Aws-Request-Id"]
    urllib.request.urlopen(f"{api}/{name}/response", b'{"init": "%d"}' % os.getpid()).close()
"""
    )
    with forking(task, *command, most=2) as program:
        assert program.invoke({}).status == 200
        assert len(at_once(program, 2)) == 2
    (warning,) = warnings(program)
    assert warning.startswith("snapshot: the runtime ")
    assert warning.endswith("every environment is initialised by itself")


def test_an_init_that_fails_is_told_to_every_caller(task: Path) -> None:
    (task / "app.py").write_text("raise RuntimeError('no')")
    with forking(task, most=1) as program:
        for _ in range(3):
            assert program.invoke({}).json["errorType"] == "RuntimeError"
    assert set(warnings(program)) == {
        "snapshot: there is no template: its init has failed: environments are initialised by themselves"
    }


def test_the_end_does_not_wait_for_an_init_that_goes_on(task: Path) -> None:
    (task / "app.py").write_text("import os; print('loading', flush=True); os.open('gate', os.O_RDONLY)")
    os.mkfifo(task / "gate")
    with forking(task) as program:
        program.said("^loading")


def test_a_restore_that_fails_is_tried_again_while_somebody_asks_whether_it_is_ready(task: Path) -> None:
    """Else no invocation would come that starts another environment, for none that has failed is kept."""
    hook = """
from snapshot_restore_py import register_after_restore
@register_after_restore
def fail():
    assert os.path.exists("go")
"""
    (task / "app.py").write_text(APP + hook)
    with forking(task) as program:

        def ready() -> tuple[int, str | None]:
            reply = call(program.invoke_address, "GET", "/readyz")
            return reply.status, reply.json.get("reason")

        until(lambda: ready() == (503, "init has failed"), "the restore to fail")
        (task / "go").touch()
        until(lambda: ready() == (200, None), "it to be ready", seconds=3 * FIRST_PAUSE)


def test_threads_and_connections_of_the_init_are_named(task: Path) -> None:
    more = """
import socket
threading.Thread(target=threading.Event().wait, name="poller", daemon=True).start()
listener = socket.create_server(("127.0.0.1", 0))
connection = socket.create_connection(listener.getsockname())
"""
    (task / "app.py").write_text(APP + more)
    with forking(task, most=1) as program:
        assert program.invoke({}).json["version"] == 1
    assert warnings(program)[0] == "snapshot: threads of the init that no environment has: poller"
    assert warnings(program)[1].startswith("snapshot: 1 connections that were opened in the init are shared")


def _all() -> set[int]:
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def _environ(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def _is_template(pid: int) -> bool:
    """Whether it listens: forks have let go of the socket."""
    try:
        kept = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return False
    listening = {
        line.split()[6] for line in Path("/proc/net/unix").read_text().splitlines() if "rapid-template-" in line
    }
    return any(link.removeprefix("socket:[").removesuffix("]") in listening for link in kept)
