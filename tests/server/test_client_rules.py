"""R1 to R18: what runtime interface clients crash on. Sources: their code, and the clients themselves on the wire."""

from __future__ import annotations

import base64
import json
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.server.played import Played, begin, error_of
from tests.server.played import played as playing
from tests.server.wire import chunked, connected, head, request
from tests.support.program import Reply, call, running, until

NEXT = "/2018-06-01/runtime/invocation/next"
OK = b'{"status":"OK"}\n'
MEBIBYTE = 1024 * 1024
CLIENT_TYPES = [
    None,
    "application/json",
    "application/x-www-form-urlencoded",
    "application/octet-stream",
    "application/unknown",
    "application/vnd.aws.lambda.error+json",
]


def encoded(document: object) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


def test_r01_next_has_a_content_type(played: Played) -> None:
    turn = played.turn()
    assert turn.event.status == 200
    assert "content-type" in turn.event.headers
    turn.respond()


@pytest.mark.parametrize("sent", ["application/json; charset=utf-8", "text/plain", "application/octet-stream"])
def test_r02_it_is_application_json_to_the_letter_whatever_the_caller_sent(played: Played, sent: str) -> None:
    turn = played.turn({"a": 1}, {"Content-Type": sent})
    assert turn.event.headers["content-type"] == "application/json"
    turn.respond()


def test_r03_a_parked_next_is_never_answered_204_not_even_at_the_end(tmp_path: Path) -> None:
    with playing(tmp_path) as played, connected(played.program.runtime_address) as poll:
        poll.send(head("GET", NEXT))
        until(lambda: call(played.program.invoke_address, "GET", "/healthz").status == 200, "rapid to be up")
        assert played.program.stop() == 0
        said = poll.line()
        assert said == b"" or said.split()[1] == b"403"


@pytest.fixture(scope="module")
def accepted(played: Played, tmp_path_factory: pytest.TempPathFactory) -> list[Reply]:
    """The answers to a response, an error and an init error."""
    with playing(tmp_path_factory.mktemp("task")) as other:
        init = other.program.runtime("POST", "/runtime/init/error", b"{}")
    return [played.turn().respond(), played.turn().fail(), init]


def test_r04_posts_are_answered_202_and_nothing_else(accepted: list[Reply]) -> None:
    assert [reply.status for reply in accepted] == [202, 202, 202]


def test_r05_the_202_bodies_are_json(accepted: list[Reply]) -> None:
    assert [(reply.body, reply.headers["content-type"]) for reply in accepted] == [(OK, "application/json")] * 3


def test_r06_next_has_the_required_headers(played: Played) -> None:
    before = time.time()
    turn = played.turn()
    headers = turn.event.headers
    assert len(headers["lambda-runtime-aws-request-id"]) == 36
    assert int((before + 30) * 1000) <= int(headers["lambda-runtime-deadline-ms"]) <= (time.time() + 30) * 1000
    assert headers["lambda-runtime-invoked-function-arn"].startswith("arn:aws:lambda:")
    assert headers["lambda-runtime-trace-id"].startswith("Root=1-")
    turn.respond()


def test_r06_headers_without_a_value_are_left_out(played: Played) -> None:
    nothing = {"X-Amz-Client-Context": "", "X-Amz-Cognito-Identity-Id": "", "X-Amzn-Trace-Id": ""}
    turn = played.turn(headers=nothing)
    assert {name for name in turn.event.headers if name.startswith("lambda-runtime-")} == {
        "lambda-runtime-aws-request-id",
        "lambda-runtime-invocation-id",
        "lambda-runtime-deadline-ms",
        "lambda-runtime-invoked-function-arn",
        "lambda-runtime-trace-id",
    }
    assert all(turn.event.headers.values())
    turn.respond()


def test_r07_header_names_may_be_in_any_case(played: Played) -> None:
    turn = played.turn()
    assert turn.respond(headers={"LAMBDA-RUNTIME-INVOCATION-ID": "wrong"}).status == 400
    right = turn.event.headers["lambda-runtime-invocation-id"]
    assert turn.respond(headers={"lAmBdA-rUnTiMe-InVoCaTiOn-Id": right}).status == 202


def test_r07_a_client_that_asks_for_close_is_answered_and_closed(played: Played) -> None:
    caller = begin(played.program.invoke, {"close": 1})
    with connected(played.program.runtime_address) as connection:
        connection.send(head("GET", NEXT, {"Connection": "close"}))
        event = connection.reply()
        assert connection.ends()
    path = f"/2018-06-01/runtime/invocation/{event.headers['lambda-runtime-aws-request-id']}/response"
    with connected(played.program.runtime_address) as connection:
        connection.send(request("POST", path, b'"closed"', {"Connection": "close"}))
        assert connection.reply().status == 202
        assert connection.ends()
    assert caller.result().body == b'"closed"'


@pytest.mark.parametrize("kind", CLIENT_TYPES)
@pytest.mark.parametrize("body", [b'{"a": "b=c&d=%20+"}', b"a=b&c=%20+", b"\x00\xff\xfe"])
def test_r08_a_response_is_not_parsed_by_its_content_type(played: Played, kind: str | None, body: bytes) -> None:
    turn = played.turn()
    assert turn.respond(body, {"Content-Type": kind} if kind else {}).status == 202
    assert turn.answer.body == body


@pytest.mark.parametrize("kind", CLIENT_TYPES)
def test_r08_nor_is_an_error(played: Played, kind: str | None) -> None:
    turn = played.turn()
    body = b'{"errorType": "E", "errorMessage": "a=b&c=%20+", "requestId": "1"}'
    assert turn.fail(body, {"Content-Type": kind} if kind else {}).status == 202
    assert turn.answer.body == body
    assert error_of(turn.answer) == ("E", "a=b&c=%20+")


@pytest.mark.parametrize("what", ["response", "error"])
def test_r09_bodies_come_chunked_with_declared_trailers_that_are_not_sent(played: Played, what: str) -> None:
    turn = played.turn()
    declared = {
        "Transfer-Encoding": "chunked",
        "Trailer": "Lambda-Runtime-Function-Error-Body,Lambda-Runtime-Function-Error-Type",
    }
    pieces = chunked(b'{"errorType": ')[:-5], chunked(b'"E", "errorMessage": ""}')
    assert turn.post(what, declared, *pieces).status == 202
    assert turn.answer.json == {"errorType": "E", "errorMessage": ""}
    assert ("x-amz-function-error" in turn.answer.headers) is (what == "error")


@pytest.mark.parametrize("size", [64 * 1024, MEBIBYTE])
def test_r10_a_request_header_may_have_a_mebibyte(played: Played, size: int) -> None:
    turn = played.turn()
    cause = {"Lambda-Runtime-Function-XRay-Error-Cause": json.dumps({"message": "x" * (size - 15)})}
    assert {len(value) for value in cause.values()} == {size}
    assert turn.fail(b'{"errorType":"E","errorMessage":"m"}', cause).status == 202
    assert error_of(turn.answer) == ("E", "m")


def test_r10_header_values_may_hold_raw_utf_8(played: Played) -> None:
    turn, body = played.turn(), b'{"errorType":"E","errorMessage":"m"}'
    headers = {"Content-Length": str(len(body)), "Lambda-Runtime-Function-XRay-Error-Cause": '{"message":"Größe 🎉"}'}
    assert turn.post("error", headers, body).status == 202
    assert error_of(turn.answer) == ("E", "m")


@pytest.mark.parametrize("before", [b"", b'{"half an ans'], ids=["before the first byte", "in the middle"])
def test_r11_an_error_in_trailers_is_the_callers_function_error(played: Played, before: bytes) -> None:
    turn = played.turn()
    error = {"errorType": "TypeError", "errorMessage": "late", "trace": []}
    trailers = {
        "Lambda-Runtime-Function-Error-Type": "TypeError",
        "Lambda-Runtime-Function-Error-Body": encoded(error),
    }
    streaming = {
        "Transfer-Encoding": "chunked",
        "Lambda-Runtime-Function-Response-Mode": "streaming",
        "Trailer": ", ".join(trailers),
    }
    body = chunked(*[before] if before else [], trailers=trailers)
    assert turn.post("response", streaming, body).status == 202
    assert turn.answer.json == error
    assert error_of(turn.answer) == ("TypeError", "late")


def test_r11_the_trailer_names_may_be_declared_in_two_lines_in_lower_case(played: Played) -> None:
    turn = played.turn()
    names = (b"lambda-runtime-function-error-type", b"lambda-runtime-function-error-body")
    lines = b"".join(b"trailer: %s\r\n" % name for name in names)
    start = head("POST", f"{turn.path}/response", {"transfer-encoding": "chunked"})[:-2] + lines + b"\r\n"
    error = {"errorType": "Panic", "errorMessage": "late"}
    trailers = {"lambda-runtime-function-error-body": encoded(error), "lambda-runtime-function-error-type": "Panic"}
    with connected(played.program.runtime_address) as connection:
        connection.send(start + chunked(b"partial", trailers=trailers))
        assert connection.reply().status == 202
    assert turn.answer.json == error


def test_r12_one_request_may_have_a_large_header_and_trailers(played: Played) -> None:
    turn = played.turn()
    headers = {
        "Transfer-Encoding": "chunked",
        "Trailer": "Lambda-Runtime-Function-Error-Type",
        "Lambda-Runtime-Function-XRay-Error-Cause": "x" * 200_000,
    }
    body = chunked(b"1", trailers={"Lambda-Runtime-Function-Error-Type": "Runtime.Broken"})
    assert turn.post("response", headers, body).status == 202
    assert error_of(turn.answer)[0] == "Runtime.Broken"


def test_r13_trailers_survive_that_come_long_after_the_headers(played: Played) -> None:
    turn = played.turn()
    headers = {
        "Transfer-Encoding": "chunked",
        "Trailer": "Lambda-Runtime-Function-Error-Type",
        "Expect": "100-continue",
    }
    whole = chunked(b"x" * 300_000, trailers={"Lambda-Runtime-Function-Error-Type": "Function.Late"})
    with connected(played.program.runtime_address) as connection:
        connection.send(head("POST", f"{turn.path}/response", headers))
        assert b" 100 " in connection.line()  # by now the server has read the headers, and waits for the body
        assert connection.line() == b"\r\n"
        connection.send(whole[:-40])
        assert not turn.caller.done()
        connection.send(whole[-40:])
        assert connection.reply().status == 202
    assert error_of(turn.answer)[0] == "Function.Late"


def test_r14_a_connection_outlives_a_handler_that_takes_more_than_five_seconds(played: Played) -> None:
    caller = begin(played.program.invoke, {})
    with connected(played.program.runtime_address) as connection:
        connection.send(head("GET", NEXT))
        event = connection.reply()
        threading.Event().wait(5.2)
        path = f"/2018-06-01/runtime/invocation/{event.headers['lambda-runtime-aws-request-id']}/response"
        connection.send(request("POST", path, b'"slow"'))
        assert connection.reply().status == 202
    assert caller.result().body == b'"slow"'


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_r15_a_parked_next_does_not_hold_up_the_end(tmp_path: Path, number: int) -> None:
    with playing(tmp_path) as played, connected(played.program.runtime_address) as poll:
        poll.send(head("GET", NEXT))
        until(lambda: call(played.program.invoke_address, "GET", "/healthz").status == 200, "rapid to be up")
        began = time.monotonic()
        assert played.program.stop(number) == 0
        assert time.monotonic() - began < 2


def test_r16_the_api_listens_before_the_runtime_is_started(tmp_path: Path) -> None:
    script = 'exec 3<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API/://}" && echo let in; exec sleep 99'
    with running(["bash", "-c", script], tmp_path) as program:
        program.said("^let in$")


def test_r17_who_polls_need_not_be_the_process_that_was_started(played: Played) -> None:
    played.works()
    assert played.program.process.poll() is None


def test_r17_who_polls_may_stay_when_the_process_is_replaced(tmp_path: Path) -> None:
    with playing(tmp_path, AWS_LAMBDA_FUNCTION_TIMEOUT="1") as played:
        turn = played.turn()
        assert error_of(turn.answer)[0] == "Sandbox.Timedout"
        assert turn.respond().status == 403
        played.works()


def test_r18_several_connections_at_once_are_served(played: Played) -> None:
    address = played.program.runtime_address
    with connected(address) as first, connected(address) as second, connected(address) as third:
        first.send(head("GET", NEXT))
        caller = begin(played.program.invoke, {"over": "many"})
        event = first.reply()
        first.send(head("GET", "/2018-06-01/ping"))
        second.send(head("GET", NEXT))  # the same event again
        assert second.reply().body == event.body
        path = f"/2018-06-01/runtime/invocation/{event.headers['lambda-runtime-aws-request-id']}/response"
        third.send(request("POST", path, b'"third"'))
        assert (first.reply().body, third.reply().status) == (b"pong", 202)
    assert caller.result().body == b'"third"'


def test_r18_every_request_may_have_a_connection_of_its_own(played: Played) -> None:
    played.works()  # three requests, three connections


@pytest.mark.parametrize("size", [10, 2 * MEBIBYTE])
def test_r18_a_client_that_expects_100_continue_gets_it(played: Played, size: int) -> None:
    turn, body = played.turn(), b"x" * size
    expecting = {"Expect": "100-continue", "Content-Length": str(len(body))}
    with connected(played.program.runtime_address) as connection:
        connection.send(head("POST", f"{turn.path}/response", expecting))
        assert connection.line().startswith(b"HTTP/1.1 100 ")
        assert connection.line() == b"\r\n"
        connection.send(body)
        assert connection.reply().status == 202
    assert turn.answer.body == body
