"""InvokeWithResponseStream through boto3, with the test in the runtime's place."""

from __future__ import annotations

import base64
import contextlib
import json
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.server.played import Given, Played, played
from tests.server.wire import Connection, connected, head, request
from tests.support.program import PATIENCE, Program, Reply, running
from tests.support.sdk import lambda_client

STREAMING = {
    "Lambda-Runtime-Function-Response-Mode": "streaming",
    "Transfer-Encoding": "chunked",
    "Content-Type": "text/event-stream",
}
TRAILERS = {**STREAMING, "Trailer": "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body"}
PATH = "/2021-11-15/functions/function/response-streaming-invocations"


class Reader:
    """A caller that notes each event of its stream as it comes."""

    def __init__(self, program: Program, event: bytes = b"{}", **more: str) -> None:
        self._events: queue.Queue[dict[str, Any] | Exception] = queue.Queue()
        self._work = threading.Thread(target=self._read, args=(program, event, more), daemon=True)
        self.head: dict[str, Any] = {}
        self._work.start()

    def _read(self, program: Program, event: bytes, more: dict[str, str]) -> None:
        try:
            with lambda_client(program.invoke_address) as client:
                self.head = client.invoke_with_response_stream(FunctionName="function", Payload=event, **more)
                for told in self.head["EventStream"]:
                    self._events.put(told)
        except Exception as error:
            self._events.put(error)

    def event(self) -> dict[str, Any]:
        """The next event."""
        told = self._events.get(timeout=PATIENCE)
        if isinstance(told, Exception):
            raise told
        return told

    def piece(self) -> bytes:
        """The next event, which is a piece."""
        payload: bytes = self.event()["PayloadChunk"]["Payload"]
        return payload

    def end(self) -> dict[str, str]:
        """The next event, which is the last."""
        complete: dict[str, str] = self.event()["InvokeComplete"]
        self._work.join(PATIENCE)
        assert self._events.empty()
        return complete


@dataclass
class Answer:
    """A response that the runtime is writing."""

    connection: Connection

    def write(self, piece: bytes) -> None:
        self.connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))

    def finish(self, **trailers: str) -> Reply:
        named = "".join(f"Lambda-Runtime-Function-Error-{name}: {value}\r\n" for name, value in trailers.items())
        self.connection.send(b"0\r\n" + named.encode() + b"\r\n")
        return self.connection.reply()


@contextlib.contextmanager
def answering(given: Given, headers: dict[str, str] | None = None) -> Iterator[Answer]:
    with connected(given.program.runtime_address) as connection:
        connection.send(head("POST", f"{given.path}/response", headers or STREAMING))
        yield Answer(connection)


def test_each_piece_is_read_when_it_is_written(played: Played) -> None:
    reader = Reader(played.program, b'{"ask": 1}')
    given = played.take()
    assert given.event.json == {"ask": 1}
    with answering(given) as answer:
        for piece in (b"one", b"two", b"\x00\xff" * 1000):
            answer.write(piece)
            assert reader.piece() == piece
        assert answer.finish().status == 202
    assert reader.end() == {}
    assert reader.head["StatusCode"] == 200
    assert reader.head["ExecutedVersion"] == "$LATEST"
    assert reader.head["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"
    assert reader.head["ResponseMetadata"]["RequestId"] == given.id
    assert reader.head["ResponseMetadata"]["HTTPHeaders"]["x-amzn-remapped-content-type"] == "text/event-stream"
    played.works()


def test_the_answer_begins_before_its_first_piece(played: Played) -> None:
    with connected(played.program.invoke_address) as caller:
        caller.send(request("POST", PATH, b"{}"))
        with answering(played.take()) as answer:
            assert caller.line() == b"HTTP/1.1 200 OK\r\n"
            answer.finish()
    played.works()


def test_a_whole_response_is_a_stream_of_one_piece(played: Played) -> None:
    reader = Reader(played.program)
    assert played.take().respond(b'{"a": 1}').status == 202
    assert reader.piece() == b'{"a": 1}'
    assert reader.end() == {}
    played.works()


def test_an_error_in_the_middle_ends_the_stream(played: Played) -> None:
    reader = Reader(played.program)
    error = json.dumps({"errorType": "Late", "errorMessage": "no"}).encode()
    with answering(played.take(), TRAILERS) as answer:
        answer.write(b"begun")
        assert reader.piece() == b"begun"
        assert answer.finish(Type="Function.Late", Body=base64.b64encode(error).decode()).status == 202
    assert reader.end() == {"ErrorCode": "Function.Late", "ErrorDetails": error.decode()}
    played.works()


def test_an_error_before_the_first_piece(played: Played) -> None:
    reader = Reader(played.program)
    document = b'{"errorType": "E", "errorMessage": "no"}'
    assert played.take().fail(document, {"Lambda-Runtime-Function-Error-Type": "Function.Early"}).status == 202
    assert reader.end() == {"ErrorCode": "Function.Early", "ErrorDetails": document.decode()}
    played.works()


def test_a_response_that_is_cut_short(played: Played) -> None:
    reader = Reader(played.program)
    with answering(played.take()) as answer:
        answer.write(b"begun")
        assert reader.piece() == b"begun"
    assert reader.end()["ErrorCode"] == "Runtime.TruncatedResponse"
    played.works()


def test_a_second_response_to_the_same_request_is_refused(played: Played) -> None:
    reader = Reader(played.program)
    given = played.take()
    with answering(given) as answer:
        answer.write(b"mine")
        assert reader.piece() == b"mine"
        late = given.respond(b"other")
        assert (late.status, late.json["errorType"]) == (403, "InvalidStateTransition")
        answer.finish()
    assert reader.end() == {}
    played.works()


def test_a_caller_that_leaves_does_not_stop_the_function(played: Played) -> None:
    with connected(played.program.invoke_address) as caller:
        caller.send(request("POST", PATH, b"{}"))
        given = played.take()
        connection = connected(played.program.runtime_address)
        runtime = connection.__enter__()
        runtime.send(head("POST", f"{given.path}/response", STREAMING))
        answer = Answer(runtime)
        answer.write(b"read")
        while b"read" not in caller.line():
            pass
    for _ in range(100):
        answer.write(b"x" * 65536)
    assert answer.finish().status == 202
    connection.__exit__(None, None, None)
    played.works()


def test_the_log_and_its_end(played: Played) -> None:
    reader = Reader(played.program, LogType="Tail")
    assert played.take().respond(b"done").status == 202
    assert reader.piece() == b"done"
    following = played.turn()
    assert b"REPORT RequestId" in base64.b64decode(reader.end()["LogResult"])
    following.respond()
    assert following.answer.status == 200
    played.works()


def test_a_wrong_request_is_no_stream(played: Played) -> None:
    with lambda_client(played.program.invoke_address) as client:
        with pytest.raises(client.exceptions.InvalidRequestContentException):
            client.invoke_with_response_stream(FunctionName="function", Payload=b"{")
        with pytest.raises(client.exceptions.InvalidParameterValueException):
            client.invoke_with_response_stream(FunctionName="function", InvocationType="Event", Payload=b"{}")


def test_a_timeout_in_the_middle_ends_the_stream(tmp_path: Path) -> None:
    with played_with_timeout(tmp_path) as short:
        reader = Reader(short.program)
        with answering(short.take()) as answer:
            answer.write(b"begun")
            assert reader.piece() == b"begun"
            assert reader.end()["ErrorCode"] == "Sandbox.Timedout"


@contextlib.contextmanager
def played_with_timeout(folder: Path) -> Iterator[Played]:
    with played(folder, AWS_LAMBDA_FUNCTION_TIMEOUT="1") as it:
        yield it


ECHO = """


def handler(event, context):
    return event
"""


def test_200_mb_pass_in_constant_memory(played: Played) -> None:
    piece, count = b"x" * (1024 * 1024), 200
    received, behind = 0, threading.Event()

    def read() -> int:
        nonlocal received
        with lambda_client(played.program.invoke_address) as client:
            answer = client.invoke_with_response_stream(FunctionName="function", Payload=b"{}")
            for event in answer["EventStream"]:
                received += len(event.get("PayloadChunk", {}).get("Payload", b""))
                behind.wait(0.001)  # a caller that reads more slowly than the function writes
        return received

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    with answering(played.take()) as answer:
        before = _resident(played.program)
        for _ in range(count):
            answer.write(piece)
        peak = _resident(played.program)
        assert answer.finish().status == 202
    reader.join(3 * PATIENCE)
    assert received == count * len(piece)
    assert peak - before < 20 * 1024
    played.works()


def test_more_than_200_mb_is_an_error_at_the_end(played: Played) -> None:
    kinds: list[str] = []

    def read() -> None:
        with lambda_client(played.program.invoke_address) as client:
            answer = client.invoke_with_response_stream(FunctionName="function", Payload=b"{}")
            kinds.extend(
                event["InvokeComplete"]["ErrorCode"] for event in answer["EventStream"] if "InvokeComplete" in event
            )

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    with answering(played.take()) as answer, contextlib.suppress(ConnectionError):
        for _ in range(201):
            answer.write(b"x" * 1024 * 1024)
        assert answer.finish().status == 413
    reader.join(3 * PATIENCE)
    assert kinds == ["Function.ResponseSizeTooLarge"]
    played.works()


def _resident(program: Program) -> int:
    """Resident memory of the server, KiB."""
    status = Path(f"/proc/{program.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def test_a_function_that_returns_is_a_stream_of_one_piece(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(ECHO)
    with running("app.handler", tmp_path, AWS_LAMBDA_FUNCTION_TIMEOUT="30") as program:
        reader = Reader(program, b'{"a": "b"}')
        assert json.loads(reader.piece()) == {"a": "b"}
        assert reader.end() == {}
