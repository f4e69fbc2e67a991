"""Probes: alive whatever the handler does; ready when an init is done, and not on the way out."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.played import begin
from tests.server.test_lifecycle import APP
from tests.server.test_shutdown import refuses
from tests.server.wire import connected, request
from tests.support.program import Program, Reply, call, environ, running, until

INVOKE = "/2015-03-31/functions/function/invocations"
HELD = """
import os, time
print("loading", flush=True)
while not os.path.exists("go"):
    time.sleep(0.01)
if os.path.exists("fail"):
    raise RuntimeError("no")
def handler(event, context):
    return event
"""


@pytest.fixture
def task(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def ready(program: Program, path: str = "/readyz") -> Reply:
    return call(program.invoke_address, "GET", path)


def told(reply: Reply) -> tuple[int, str | None]:
    """Status and reason."""
    return reply.status, reply.json.get("reason")


def test_it_is_alive_at_once_and_ready_when_the_init_is_done(task: Path) -> None:
    (task / "app.py").write_text(HELD)
    with running("app.handler", task) as program:
        program.said("^loading")
        assert call(program.invoke_address, "GET", "/healthz").json == {"status": "ok"}
        reply = ready(program)
        assert (reply.status, reply.headers["content-type"]) == (503, "application/json")
        assert reply.json == {"status": "not ready", "reason": "initialising"}
        (task / "go").touch()
        until(lambda: ready(program).status == 200, "it to be ready")
        assert ready(program).json == {"status": "ready"}


def test_a_failed_init_is_alive_and_not_ready_until_an_invocation_gets_it_to_work(task: Path) -> None:
    (task / "app.py").write_text(HELD)
    (task / "go").touch()
    (task / "fail").touch()
    with running("app.handler", task) as program:
        until(lambda: told(ready(program)) == (503, "init has failed"), "the init to fail")
        assert call(program.invoke_address, "GET", "/healthz").status == 200
        (task / "fail").unlink()
        assert program.invoke({}).status == 200
        assert ready(program).status == 200


def test_a_busy_handler_is_alive_and_ready_unless_capacity_counts(task: Path) -> None:
    for capacity, answer in (("on", (200, None)), ("off", (503, "no environment is free"))):
        env = {"RAPID_READY_AT_CAPACITY": capacity, "RAPID_MAX_ENVIRONMENTS": "1"}
        (task / "done").unlink(missing_ok=True)
        with running("app.handler", task, AWS_LAMBDA_FUNCTION_TIMEOUT="60", **env) as program:
            until(lambda: ready(program).status == 200, "it to be ready")
            busy = begin(program.invoke, {"until": "done"})
            program.said("^START")
            assert call(program.invoke_address, "GET", "/healthz").status == 200
            assert told(ready(program)) == answer
            (task / "done").touch()
            assert busy.result().status == 200
            until(lambda: ready(program).status == 200, "it to be ready again")


def test_the_paths_can_be_renamed_and_the_old_ones_are_gone(task: Path) -> None:
    with running("app.handler", task, RAPID_HEALTH_PATH="/-/live", RAPID_READY_PATH="/-/ready") as program:
        assert call(program.invoke_address, "GET", "/-/live").status == 200
        until(lambda: ready(program, "/-/ready").status == 200, "it to be ready")
        for path in ("/healthz", "/readyz"):
            assert call(program.invoke_address, "GET", path).status == 404
        assert call(program.invoke_address, "POST", "/-/ready").status == 405


def test_after_sigterm_it_is_not_ready_and_serves_for_the_grace_time(task: Path) -> None:
    env = {"RAPID_DRAIN_GRACE": "60", "AWS_LAMBDA_FUNCTION_TIMEOUT": "60"}
    with running("app.handler", task, **env) as program, connected(program.invoke_address) as kept:
        kept.send(request("POST", INVOKE, b"{}"))
        assert "connection" not in kept.reply().headers
        program.process.send_signal(signal.SIGTERM)
        until(lambda: told(ready(program)) == (503, "draining"), "the shutdown to begin")
        reply = program.invoke({})
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        kept.send(request("POST", INVOKE, b"{}"))
        reply = kept.reply()
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert kept.ends()
        assert call(program.invoke_address, "GET", "/healthz").status == 200
        assert program.stop() == 0


def test_an_invocation_that_began_before_sigterm_has_its_connection_closed_after_its_answer(task: Path) -> None:
    env = {"RAPID_DRAIN_GRACE": "60", "AWS_LAMBDA_FUNCTION_TIMEOUT": "60"}
    with running("app.handler", task, **env) as program, connected(program.invoke_address) as kept:
        kept.send(request("POST", INVOKE, b'{"until": "done"}'))
        program.said("^START")
        program.process.send_signal(signal.SIGTERM)
        until(lambda: told(ready(program)) == (503, "draining"), "the shutdown to begin")
        (task / "done").touch()
        reply = kept.reply()
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert kept.ends()
        assert program.stop() == 0


def test_after_the_grace_time_new_invocations_are_refused_with_503_and_the_rest_is_finished(task: Path) -> None:
    env = {"RAPID_DRAIN_GRACE": "0.1", "RAPID_DRAIN_TIMEOUT": "60", "AWS_LAMBDA_FUNCTION_TIMEOUT": "60"}
    with running("app.handler", task, **env) as program:
        first = begin(program.invoke, {"until": "done"})
        program.said("^START")
        program.process.send_signal(signal.SIGTERM)
        until(lambda: refuses(program), "new invocations to be refused")
        reply = program.invoke({})
        assert (reply.status, reply.headers["connection"], reply.headers["retry-after"]) == (503, "close", "1")
        (task / "done").touch()
        assert first.result().status == 200
        assert program.process.wait(20) == 0


def test_the_drain_does_not_wait_longer_than_it_may(task: Path) -> None:
    with running("app.handler", task, RAPID_DRAIN_TIMEOUT="0.2", AWS_LAMBDA_FUNCTION_TIMEOUT="60") as program:
        long = begin(program.invoke, {"nap": 50})
        program.said("^START")
        assert program.stop() == 0
        assert (long.result().status, long.result().headers["x-amzn-errortype"]) == (500, "ServiceException")


def test_at_capacity_means_all_environments(task: Path) -> None:
    env = {"RAPID_READY_AT_CAPACITY": "off", "RAPID_MAX_ENVIRONMENTS": "2", "AWS_LAMBDA_FUNCTION_TIMEOUT": "60"}
    with running("app.handler", task, **env) as program:
        until(lambda: ready(program).status == 200, "it to be ready")
        callers = [begin(program.invoke, {"until": "done"})]
        program.said("^START")
        assert told(ready(program)) == (200, None)  # a second environment may be started
        callers.append(begin(program.invoke, {"until": "done"}))
        until(lambda: told(ready(program)) == (503, "no environment is free"), "both to be taken")
        (task / "done").touch()
        assert [caller.result().status for caller in callers] == [200, 200]
        until(lambda: ready(program).status == 200, "it to be ready again")


def test_a_failed_init_is_tried_again_while_somebody_asks_whether_it_is_ready(task: Path) -> None:
    (task / "app.py").write_text(HELD)
    (task / "go").touch()
    (task / "fail").touch()
    with running("app.handler", task) as program:
        until(lambda: told(ready(program)) == (503, "init has failed"), "the init to fail")
        (task / "fail").unlink()
        until(lambda: ready(program).status == 200, "the init to be tried again", 60)
        assert program.invoke({}).status == 200


def test_requests_that_wait_behind_another_on_their_connection_are_answered_before_it_closes(task: Path) -> None:
    env = {"RAPID_DRAIN_GRACE": "60", "AWS_LAMBDA_FUNCTION_TIMEOUT": "60"}
    with running("app.handler", task, **env) as program, connected(program.invoke_address) as kept:
        kept.send(request("POST", INVOKE, b'{"until": "done"}') + request("POST", INVOKE, b"{}"))
        program.said("^START")
        program.process.send_signal(signal.SIGTERM)
        until(lambda: told(ready(program)) == (503, "draining"), "the shutdown to begin")
        (task / "done").touch()
        assert kept.reply().status == 200
        reply = kept.reply()
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert kept.ends()
        assert program.stop() == 0


STREAMING = """
import os, time
def handler(event, context):
    yield "first"
    while not os.path.exists("done"):
        time.sleep(0.01)
    yield "last"
"""


def test_a_stream_that_began_before_sigterm_comes_to_its_end(task: Path) -> None:
    (task / "app.py").write_text(STREAMING)
    path = "/2021-11-15/functions/function/response-streaming-invocations"
    env = {"RAPID_DRAIN_TIMEOUT": "60", "AWS_LAMBDA_FUNCTION_TIMEOUT": "60"}
    with running("app.handler", task, **env) as program:
        caller = http.client.HTTPConnection(program.invoke_address, timeout=20)
        caller.request("POST", path, b"{}")
        reply = caller.getresponse()
        assert b"first" in reply.read1()
        program.process.send_signal(signal.SIGTERM)
        until(lambda: told(ready(program)) == (503, "draining"), "the shutdown to begin")
        (task / "done").touch()
        rest = reply.read()
        assert b"last" in rest
        assert b"InvokeComplete" in rest
        assert program.process.wait(20) == 0
        caller.close()


@pytest.mark.parametrize("path", ["/healthz", "/live"])
def test_the_images_health_check_asks_where_the_variables_say(task: Path, path: str) -> None:
    with running("app.handler", task, RAPID_HEALTH_PATH=path) as program:
        told_port = {"PORT": program.invoke_address.rpartition(":")[2]}
        for asked, code in ((path, 0), ("/elsewhere", 1)):
            env = environ(**told_port, RAPID_HEALTH_PATH=asked)
            done = subprocess.run([sys.executable, "-m", "rapid.healthcheck"], env=env, capture_output=True, text=True)
            assert (done.returncode, bool(done.stderr)) == (code, bool(code))
