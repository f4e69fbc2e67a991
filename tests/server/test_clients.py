"""Each program of the wire with others of its kind: AWS's client under rapid, our client under AWS's emulator."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.server.played import error_of
from tests.support import emulator
from tests.support.program import AWSLAMBDARIC, ROOT, Program, Reply, call, environ, running, until

BOOTSTRAP = str(ROOT / "bootstrap")
INVOKE = "/2015-03-31/functions/function/invocations"
COMMANDS = {"awslambdaric": [*AWSLAMBDARIC, "app.handler"], "our bootstrap": [BOOTSTRAP, "app.handler"]}
APP = """
def handler(event, context):
    if event == "fail":
        raise ValueError("no")
    if event == "unfit":
        return {1, 2}
    return {"event": event, "request": context.aws_request_id, "arn": context.invoked_function_arn}
"""

CURL_BOOTSTRAP = """#!/bin/bash
set -euo pipefail
source $LAMBDA_TASK_ROOT/"$(echo $_HANDLER | cut -d. -f1).sh"
while true
do
  HEADERS="$(mktemp)"
  EVENT_DATA=$(curl -sS -LD "$HEADERS" "http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/next")
  REQUEST_ID=$(grep -Fi Lambda-Runtime-Aws-Request-Id "$HEADERS" | tr -d '[:space:]' | cut -d: -f2)
  RESPONSE=$($(echo "$_HANDLER" | cut -d. -f2) "$EVENT_DATA")
  curl "http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/$REQUEST_ID/response" -d "$RESPONSE"
done
"""
CURL_FUNCTION = """
function handler () {
  EVENT_DATA=$1
  echo "$EVENT_DATA" 1>&2;
  RESPONSE="Echoing request: '$EVENT_DATA'"
  echo $RESPONSE
}
"""


@pytest.fixture
def task(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@pytest.fixture(scope="module", params=COMMANDS)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The function on each Python client, as COMMAND."""
    task: Path = tmp_path_factory.mktemp("task")
    (task / "app.py").write_text(APP)
    with running(COMMANDS[request.param], task, RAPID_PYTHON=sys.executable) as program:
        yield program


@contextmanager
def emulated(task: Path) -> Iterator[str]:
    """AWS's emulator with our bootstrap as its command: where it answers."""
    port, api = _free_port(), _free_port()
    words = [str(emulator.binary()), f"--runtime-interface-emulator-address=127.0.0.1:{port}"]
    words += [f"--runtime-api-address=127.0.0.1:{api}", BOOTSTRAP, "app.handler"]
    env = environ(AWS_LAMBDA_FUNCTION_TIMEOUT="20", RAPID_PYTHON=sys.executable)
    with subprocess.Popen(words, cwd=task, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: _listens(port), "the emulator to listen")
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def emulate(address: str, event: Any) -> Reply:
    """Invoke at the emulator."""
    return call(address, "POST", INVOKE, json.dumps(event).encode())


@pytest.mark.parametrize("event", [{"a": [1, 2.5, None]}, "Größe 🎉", [], 0, {"text": "x" * 1_000_000}])
def test_under_rapid_either_client_answers(served: Program, event: Any) -> None:
    for _ in range(2):
        reply = served.invoke(event)
        assert (reply.status, reply.json["event"]) == (200, event)
        assert reply.json["request"] == reply.headers["x-amzn-requestid"]
        assert reply.json["arn"] == "arn:aws:lambda:us-east-1:012345678912:function:test_function"


def test_under_rapid_the_errors_of_either_reach_the_caller(served: Program) -> None:
    reply = served.invoke("fail")
    assert error_of(reply) == ("ValueError", "no")
    assert reply.json["requestId"] == reply.headers["x-amzn-requestid"]
    assert 'raise ValueError("no")' in reply.json["stackTrace"][-1]
    assert error_of(served.invoke("unfit"))[0] == "Runtime.MarshalError"
    assert served.invoke("well again").json["event"] == "well again"


@pytest.mark.parametrize("name", COMMANDS)
def test_under_rapid_the_init_error_of_either_reaches_the_caller(task: Path, name: str) -> None:
    (task / "app.py").write_text("import nothing_here\n")
    with running(COMMANDS[name], task, RAPID_PYTHON=sys.executable) as program:
        text = "Unable to import module 'app': No module named 'nothing_here'"
        assert error_of(program.invoke({})) == ("Runtime.ImportModuleError", text)


@pytest.mark.parametrize("name", COMMANDS)
def test_an_answer_over_the_limit_is_an_error_under_rapid_and_the_next_one_is_fine(tmp_path: Path, name: str) -> None:
    (tmp_path / "app.py").write_text("def handler(event, context):\n    return 'x' * event\n")
    size = 6 * 1024 * 1024 + 99
    with running(COMMANDS[name], tmp_path, RAPID_PYTHON=sys.executable) as program:
        kind, text = error_of(program.invoke(size))
        assert (kind, f"({size + 2} bytes)" in text) == ("Function.ResponseSizeTooLarge", True)
        # awslambdaric leaves then, and a new one takes its place
        assert until(lambda: "x-amz-function-error" not in program.invoke(3).headers, "the next answer")
        assert program.invoke(size - 1).body == b'"' + b"x" * (size - 1) + b'"'


def test_awss_own_bootstrap_of_bash_and_curl_serves(tmp_path: Path) -> None:
    (tmp_path / "bootstrap").write_text(CURL_BOOTSTRAP)
    (tmp_path / "bootstrap").chmod(0o755)
    (tmp_path / "function.sh").write_text(CURL_FUNCTION)
    with running(["./bootstrap", "function.handler"], tmp_path, AWS_LAMBDA_FUNCTION_TIMEOUT="20") as program:
        for text in ("Hello", "Lambda"):
            reply = program.invoke({"text": text})
            assert (reply.status, reply.body) == (200, f'Echoing request: \'{{"text": "{text}"}}\''.encode())
            assert "x-amz-function-error" not in reply.headers
        program.said(r'^\{"text": "Hello"\}$')


@pytest.mark.rie
def test_under_awss_emulator_our_client_answers_and_tells_errors(task: Path) -> None:
    with emulated(task) as address:
        for event in ({"a": 1}, "Größe 🎉"):
            reply = emulate(address, event)
            assert (reply.status, reply.json["event"]) == (200, event)
            assert len(reply.json["request"]) == 36
        error = emulate(address, "fail").json
        assert (error["errorType"], error["errorMessage"]) == ("ValueError", "no")
        assert emulate(address, "unfit").json["errorType"] == "Runtime.MarshalError"
        assert emulate(address, "well again").json["event"] == "well again"


@pytest.mark.rie
def test_under_awss_emulator_our_clients_init_error_is_told(task: Path) -> None:
    (task / "app.py").write_text("import nothing_here\n")
    with emulated(task) as address:
        reply = emulate(address, {})
        assert (reply.status, reply.json["errorType"]) == (502, "Runtime.ImportModuleError")
        assert reply.json["errorMessage"] == "Unable to import module 'app': No module named 'nothing_here'"
