"""Coroutines and streams through the whole way: the real server, boto3 and AWS's emulator."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.harness import BOOTSTRAP, PYTHON, write
from tests.server.test_streaming import Reader
from tests.support import emulator
from tests.support.program import Program, call, environ, free_port, running, until

GATED = {
    "generator": """
def handler(event, context):
    for number in range(3):
        yield f"piece {number}"
        with open(event["gate"]) as gate: gate.read()
""",
    "async-generator": """
import asyncio
def wait(gate):
    with open(gate) as opened: opened.read()
async def handler(event, context):
    for number in range(3):
        yield f"piece {number}"
        await asyncio.to_thread(wait, event["gate"])
""",
    "stream": """
def handler(event, context):
    for number in range(3):
        context.response_stream.write(f"piece {number}")
        with open(event["gate"]) as gate: gate.read()
""",
}


def _served(folder: Path, source: str, **env: str) -> Any:
    return running("app.handler", write(folder, app=source), RAPID_PYTHON=PYTHON, **env)


def _read(reader: Reader, size: int) -> bytes:
    """The next pieces up to that size; those that come one upon the other may arrive as one."""
    data = b""
    while len(data) < size:
        data += reader.piece()
    return data


def _works(program: Program) -> None:
    """The same process serves on."""
    assert program.invoke({"works": True}).body == b"works"


@pytest.mark.parametrize("way", GATED)
def test_each_piece_is_read_when_it_was_written(tmp_path: Path, way: str) -> None:
    """The function does not go on before the test has read its piece and opened the gate."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with _served(tmp_path, GATED[way], AWS_LAMBDA_FUNCTION_TIMEOUT="30") as program:
        reader = Reader(program, json.dumps({"gate": str(gate)}).encode())
        for number in range(3):
            assert reader.piece() == f"piece {number}".encode()
            gate.write_text("go on")
        assert reader.end() == {}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    source = """
def handler(event, context):
    stream = context.response_stream
    if "type" in event:
        stream.content_type = event["type"]
    if "http" in event:
        stream.http_prelude(event["http"], {"X-A": "b"}, ["c=d"])
    if "early" in event:
        raise KeyError("early")
    if "works" in event:
        yield "works"
        return
    yield "one "
    if "late" in event:
        raise KeyError("late")
    if "size" in event:
        for _ in range(event["size"]):
            yield b"x" * 1024 * 1024
        return
    yield "two"
"""
    with _served(tmp_path_factory.mktemp("task"), source, AWS_LAMBDA_FUNCTION_TIMEOUT="60") as made:
        yield made


def test_a_caller_who_wants_it_whole_gets_it_whole(program: Program) -> None:
    answer = program.invoke({})
    assert (answer.status, answer.body) == (200, b"one two")
    assert "x-amz-function-error" not in answer.headers


def test_the_content_type_reaches_the_caller(program: Program) -> None:
    reader = Reader(program, b'{"type": "text/event-stream"}')
    assert _read(reader, 7) == b"one two"
    assert reader.end() == {}
    assert reader.head["ResponseMetadata"]["HTTPHeaders"]["x-amzn-remapped-content-type"] == "text/event-stream"


def test_the_http_prelude_reaches_the_caller(program: Program) -> None:
    reader = Reader(program, b'{"http": 201}')
    prelude, _, rest = _read(reader, 20).partition(bytes(8))
    assert json.loads(prelude) == {"statusCode": 201, "headers": {"X-A": "b"}, "cookies": ["c=d"]}
    assert rest + _read(reader, 7 - len(rest)) == b"one two"


def test_an_error_in_the_middle_reaches_the_caller(program: Program) -> None:
    reader = Reader(program, b'{"late": 1}')
    assert reader.piece() == b"one "
    end = reader.end()
    assert json.loads(end["ErrorDetails"])["errorType"] == "KeyError"
    assert end["ErrorCode"]
    whole = program.invoke({"late": 1})
    assert (whole.headers["x-amz-function-error"], whole.json["errorMessage"]) == ("Unhandled", "'late'")
    _works(program)


def test_an_error_before_the_first_piece_reaches_the_caller(program: Program) -> None:
    end = Reader(program, b'{"early": 1}').end()
    assert json.loads(end["ErrorDetails"])["errorMessage"] == "'early'"
    assert program.invoke({"early": 1}).json["errorType"] == "KeyError"
    _works(program)


def test_a_response_that_is_too_large_for_a_caller_who_wants_it_whole(program: Program) -> None:
    assert program.invoke({"size": 8}).json["errorType"] == "Function.ResponseSizeTooLarge"
    _works(program)


def test_a_stream_may_be_larger_than_a_whole_response(program: Program) -> None:
    reader = Reader(program, b'{"size": 8}')
    assert len(_read(reader, 8 * 1024 * 1024 + 4)) == 8 * 1024 * 1024 + 4
    assert reader.end() == {}


def test_a_slow_caller_holds_the_function_up_and_nothing_is_gathered(tmp_path: Path) -> None:
    """100 MB through one process, whose memory does not grow by more than a few pieces."""
    source = """
import resource
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
async def handler(event, context):
    before = peak()
    for _ in range(100): yield bytes(1024 * 1024)
    print("grown by", peak() - before, "KiB")
"""
    with _served(tmp_path, source, AWS_LAMBDA_FUNCTION_TIMEOUT="60") as program:
        reader = Reader(program)
        received = 0
        while received < 100 * 1024 * 1024:
            received += len(reader.piece())
        assert reader.end() == {}
        assert int(program.said(r"^grown by (\d+) KiB")[1]) < 10 * 1024


def test_a_timeout_ends_a_coroutine_and_the_next_one_is_served(tmp_path: Path) -> None:
    source = """
import asyncio
async def handler(event, context):
    if event.get("hang"): await asyncio.sleep(3600)
    return "works"
"""
    with _served(tmp_path, source, AWS_LAMBDA_FUNCTION_TIMEOUT="1") as program:
        assert program.invoke({"hang": True}).json["errorType"] == "Sandbox.Timedout"
        assert program.invoke({}).json == "works"


@pytest.mark.rie
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_awss_emulator_gives_streams_whole(tmp_path: Path, kind: str) -> None:
    """It knows no trailers: what came before an error in the middle is a result to it."""
    source = f"""
{kind} handler(event, context):
    context.response_stream.content_type = "text/plain"
    yield "one "
    if "late" in event: raise KeyError("late")
    yield "two"
"""
    write(tmp_path, app=source)
    port, api = free_port(), free_port()
    words = [
        *(str(emulator.binary()), "--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
        *("--runtime-api-address", f"127.0.0.1:{api}", str(BOOTSTRAP), "app.handler"),
    ]
    env = environ(RAPID_PYTHON=PYTHON)
    with subprocess.Popen(words, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as rie:
        try:
            path = "/2015-03-31/functions/function/invocations"

            def invoke(event: bytes) -> bytes:
                return call(f"127.0.0.1:{port}", "POST", path, event).body

            def first() -> bytes | None:
                try:
                    return invoke(b"{}")
                except ConnectionError:
                    return None

            assert until(first, "the emulator to answer") == b"one two"
            assert invoke(b'{"late": 1}') == b"one "
            assert invoke(b"{}") == b"one two"
        finally:
            rie.send_signal(signal.SIGTERM)
