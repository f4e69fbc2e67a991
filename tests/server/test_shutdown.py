"""The end: SIGTERM and SIGINT, with and without work in hand; nobody is left behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.server.played import begin
from tests.server.test_lifecycle import APP, alive
from tests.server.wire import connected, request
from tests.support.program import ANY_PORT, PATIENCE, Program, call, environ, running, until

INVOKE = "/2015-03-31/functions/function/invocations"


@pytest.fixture
def task(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def serve(task: Path) -> AbstractContextManager[Program]:
    return running("app.handler", task, AWS_LAMBDA_FUNCTION_TIMEOUT="60")


def refuses(program: Program) -> bool:
    """Whether the shutdown has begun: new invocations are turned away. One that came before is left to wait."""
    try:
        reply = begin(program.invoke, {}).result(0.2)
    except TimeoutError:
        return False
    return (reply.status, reply.headers.get("x-amzn-errortype")) == (503, "ServiceException")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_rapid_and_its_runtime_and_what_that_has_started(task: Path, number: int) -> None:
    with serve(task) as program:
        told = program.invoke({"child": True}).json
        began = time.monotonic()
        assert program.stop(number) == 0
        assert time.monotonic() - began < 3
        assert not alive(told["pid"])
        assert not alive(told["child"])
        assert "Traceback" not in "".join(program.errors)


def test_a_signal_during_init_ends_rapid(task: Path) -> None:
    (task / "app.py").write_text("import os, time\nprint('initialised', os.getpid(), flush=True)\ntime.sleep(60)\n")
    with serve(task) as program:
        pid = int(program.said(r"^initialised (\d+)$")[1])
        assert program.stop() == 0
        assert not alive(pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_invocation_in_hand_and_those_that_wait_are_finished_first(task: Path, number: int) -> None:
    with serve(task) as program:
        first = begin(program.invoke, {"until": "done"})
        program.said("^START")
        with connected(program.invoke_address) as waiting:
            waiting.send(request("POST", INVOKE, b"{}"))
            until(lambda: _reads_all(program), "the second to be taken in")
            program.process.send_signal(number)
            until(lambda: refuses(program), "the shutdown to begin")
            (task / "done").touch()
            assert program.process.wait(PATIENCE) == 0
            assert (first.result().status, first.result().json["calls"]) == (200, 1)
            assert waiting.reply().json["calls"] == 2


def _reads_all(program: Program) -> bool:
    """A round trip: what was sent before has been taken in."""
    with connected(program.invoke_address) as connection:
        connection.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        return connection.reply().status == 200


def test_new_invocations_are_turned_away_meanwhile(task: Path) -> None:
    with serve(task) as program:
        first = begin(program.invoke, {"until": "done"})
        program.said("^START")
        program.process.send_signal(signal.SIGTERM)
        until(lambda: refuses(program), "new invocations to be turned away")
        assert not first.done()
        (task / "done").touch()
        assert first.result().status == 200
        assert program.process.wait(PATIENCE) == 0


def test_a_second_signal_hurries(task: Path) -> None:
    with serve(task) as program:
        long = begin(program.invoke, {"nap": 50})
        pid = int(program.said(r"^initialised (\d+)$")[1])
        program.said("^START")
        waiting = begin(program.invoke, {})
        program.process.send_signal(signal.SIGTERM)
        until(lambda: refuses(program), "the shutdown to begin")
        began = time.monotonic()
        assert program.stop() == 0
        assert time.monotonic() - began < 3
        assert not alive(pid)
        for caller, status in ((long, 500), (waiting, 503)):  # one was cut short, the other may be run elsewhere
            reply = caller.result()
            assert (reply.status, reply.headers["x-amzn-errortype"]) == (status, "ServiceException")
            assert "shut" in reply.json["Message"]


def test_idle_callers_connections_do_not_hold_it_up(task: Path) -> None:
    with serve(task) as program, connected(program.invoke_address) as idle, connected(program.invoke_address) as half:
        idle.send(request("POST", INVOKE, b"{}"))
        assert idle.reply().status == 200
        half.send(b"POST " + INVOKE.encode())
        began = time.monotonic()
        assert program.stop() == 0
        assert time.monotonic() - began < 3
        assert idle.ends()


@pytest.mark.parametrize("module", ["uvicorn.config", "uvloop"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_it_starts_ends_it_quietly(task: Path, module: str, number: int) -> None:
    words = [sys.executable, "-X", "importtime", "-m", "rapid", *ANY_PORT, "app.handler"]
    with subprocess.Popen(words, cwd=task, env=environ(), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.rstrip().endswith(f" {module}"):  # in the middle of its imports
                process.send_signal(number)
                break
        told = [line for line in process.stderr if not line.startswith("import time:")]
        assert process.wait(PATIENCE) == 0
    assert [line for line in told if "(rapid)" not in line] == []


def test_a_signal_is_not_lost_where_its_exception_is(task: Path) -> None:
    """One that arises in a callback is dropped by the interpreter."""
    code = f"""
import contextlib, signal, sys
from rapid import __main__, early
early.listen()
with contextlib.suppress(SystemExit):
    signal.raise_signal(signal.SIGTERM)
sys.argv = ["rapid", *{ANY_PORT!r}, "app.handler"]
__main__.main()
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=task, env=environ(), timeout=PATIENCE, capture_output=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_as_soon_as_it_listens_ends_it_quietly(task: Path, number: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    words = [sys.executable, "-m", "rapid", *ANY_PORT[2:], "app.handler"]
    with subprocess.Popen(words, cwd=task, env=environ(PORT=port), stderr=subprocess.PIPE, text=True) as process:
        until(lambda: _listens(int(port)), "the port to be taken")
        process.send_signal(number)
        assert process.stderr is not None
        assert [line for line in process.stderr if "(rapid)" not in line] == []
        assert process.wait(PATIENCE) == 0


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def test_lines_that_nobody_reads_do_not_hold_it_up(task: Path) -> None:
    (task / "app.py").write_text("def handler(event, context):\n    print('x' * 300_000)\n    return 1\n")
    words = [sys.executable, "-m", "rapid", *ANY_PORT, "app.handler"]
    with subprocess.Popen(
        words, cwd=task, env=environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        address = next(found[1] for line in process.stderr if (found := re.search(r"invoke at http://(\S+),", line)))
        assert call(address, "POST", INVOKE).body == b"1"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_lines_that_are_read_late_all_arrive_and_stdout_stays_in_its_mode(task: Path) -> None:
    (task / "app.py").write_text("def handler(event, context):\n    print('x' * 300_000)\n    return 1\n")
    ours, theirs = os.pipe()
    words = [sys.executable, "-m", "rapid", *ANY_PORT, "app.handler"]
    with subprocess.Popen(words, cwd=task, env=environ(), stdout=theirs, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        address = next(found[1] for line in process.stderr if (found := re.search(r"invoke at http://(\S+),", line)))
        assert call(address, "POST", INVOKE).body == b"1"
        assert os.get_blocking(theirs)
        os.close(theirs)
        process.send_signal(signal.SIGTERM)
        with open(ours, "rb") as stream:
            told = stream.read()
        assert process.wait(PATIENCE) == 0
    assert b"\n" + b"x" * 300_000 + b"\nEND" in told
    assert b"\nREPORT RequestId: " in told
