"""The Runtime API (2018-06-01) to the byte: what it answers, what it refuses, what the caller receives then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.server.played import Played, begin, error_of
from tests.server.played import played as playing
from tests.server.wire import chunked, connected, head
from tests.support.program import Reply, until

LIMIT = 6 * 1024 * 1024 + 100
INIT_ERROR = "/runtime/init/error"
ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"


def refused(reply: Reply, status: int, error_type: str, message: str) -> bool:
    """Whether it is a refusal, to the byte."""
    assert reply.body == b'{"errorMessage":"%s","errorType":"%s"}\n' % (message.encode(), error_type.encode())
    assert reply.headers["content-type"] == "application/json"
    return reply.status == status


def not_allowed(reply: Reply, before: str, asked: str) -> bool:
    message = f"State transition from {before} to {asked} failed for runtime. Error: State transition is not allowed"
    return refused(reply, 403, "InvalidStateTransition", message)


def test_ping_is_answered_pong(played: Played) -> None:
    reply = played.program.runtime("GET", "/ping")
    assert (reply.status, reply.body) == (200, b"pong")
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/ping/",
        "/runtime",
        "/runtime/invocation/next/",
        "/runtime/invocation/response",
        "/runtime/invocation/1/2/response",
        "/runtime/invocation/1/2/error",
        "/runtime/init/error/",
        "/runtime/restore/nothing",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_path_is_not_found(played: Played, method: str, path: str) -> None:
    reply = played.program.runtime(method, path)
    assert (reply.status, reply.body) == (404, b"404 page not found\n")
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_another_api_version_is_not_found(played: Played) -> None:
    with connected(played.program.runtime_address) as connection:
        connection.send(head("GET", "/2019-01-01/runtime/invocation/next"))
        assert connection.reply().status == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/runtime/invocation/next", "GET"),
        ("HEAD", "/runtime/invocation/next", "GET"),
        ("PUT", "/ping", "GET"),
        ("GET", "/runtime/invocation/1/response", "POST"),
        ("DELETE", "/runtime/invocation/1/error", "POST"),
        ("GET", INIT_ERROR, "POST"),
    ],
)
def test_a_wrong_method_is_told_the_right_one(played: Played, method: str, path: str, allowed: str) -> None:
    reply = played.program.runtime(method, path)
    assert (reply.status, reply.headers["allow"], reply.body) == (405, allowed, b"")


@pytest.mark.parametrize("accept", ["application/xml", "text/html", "*/*"])
def test_accept_is_ignored(played: Played, accept: str) -> None:
    reply = played.program.runtime("POST", "/runtime/invocation/1/response", b"", {"Accept": accept})
    assert refused(reply, 400, "InvalidRequestID", "Invalid request ID")


@pytest.mark.parametrize("what", ["response", "error"])
def test_an_answer_before_any_invocation_has_an_invalid_id(tmp_path: Path, what: str) -> None:
    with playing(tmp_path) as played:
        reply = played.program.runtime("POST", f"/runtime/invocation/1/{what}", b"{}")
        assert refused(reply, 400, "InvalidRequestID", "Invalid request ID")


@pytest.mark.parametrize("what", ["response", "error"])
def test_an_answer_with_another_id_is_refused_and_changes_nothing(played: Played, what: str) -> None:
    turn = played.turn()
    reply = played.program.runtime("POST", f"/runtime/invocation/{turn.id[::-1]}/{what}", b"wrong")
    assert refused(reply, 400, "InvalidRequestID", "Invalid request ID")
    assert not turn.caller.done()
    assert turn.respond(b'"right"').status == 202
    assert turn.answer.body == b'"right"'


@pytest.mark.parametrize(
    ("first", "second", "asked"),
    [
        ("respond", "respond", "InvocationResponse"),
        ("respond", "fail", "InvocationErrorResponse"),
        ("fail", "respond", "InvocationResponse"),
        ("fail", "fail", "InvocationErrorResponse"),
    ],
)
def test_a_second_answer_is_not_allowed(played: Played, first: str, second: str, asked: str) -> None:
    turn = played.turn()
    assert getattr(turn, first)(b'{"first": 1}').status == 202
    assert not_allowed(getattr(turn, second)(b'{"second": 2}'), "RuntimeResponseSentState", asked)
    assert turn.answer.body == b'{"first": 1}'
    played.works()


def test_next_again_while_running_gives_the_same_event(played: Played) -> None:
    turn = played.turn({"only": "once"})
    again = played.next()
    assert again.body == turn.event.body
    for name in turn.event.headers:
        assert name == "date" or again.headers[name] == turn.event.headers[name]
    turn.respond()


def test_an_init_error_is_not_allowed_once_the_runtime_has_asked_for_an_event(played: Played) -> None:
    turn = played.turn()
    assert not_allowed(played.program.runtime("POST", INIT_ERROR, b"{}"), "Running", "InitError")
    turn.respond()
    assert not_allowed(played.program.runtime("POST", INIT_ERROR, b"{}"), "RuntimeResponseSentState", "InitError")
    played.works()


@pytest.mark.parametrize("what", ["response", "error"])
def test_an_empty_body_is_passed_on(played: Played, what: str) -> None:
    turn = played.turn()
    assert played.program.runtime("POST", f"/runtime/invocation/{turn.id}/{what}").status == 202
    assert (turn.answer.status, turn.answer.body) == (200, b"")


def test_the_invocation_id_is_unique_to_the_attempt_and_may_be_echoed_or_not(played: Played) -> None:
    first, name = played.turn(), "lambda-runtime-invocation-id"
    assert first.respond(headers={name: first.event.headers[name]}).status == 202
    second = played.turn()
    assert second.event.headers[name] != first.event.headers[name]
    assert second.event.headers[name] != second.id
    assert second.respond().status == 202


@pytest.mark.parametrize("what", ["respond", "fail"])
def test_a_wrong_invocation_id_is_refused_and_changes_nothing(played: Played, what: str) -> None:
    turn = played.turn()
    reply = getattr(turn, what)(b"1", {"Lambda-Runtime-Invocation-Id": turn.id})
    assert refused(reply, 400, "InvalidInvocationId", "Invalid invocation ID")
    assert turn.respond(b'"right"').status == 202
    assert turn.answer.body == b'"right"'


def test_an_unknown_response_mode_is_refused_and_ends_the_invocation(played: Played) -> None:
    turn = played.turn()
    reply = turn.respond(b"1", {"Lambda-Runtime-Function-Response-Mode": "sideways"})
    assert refused(reply, 400, "InvalidFunctionResponseMode", "Invalid function response mode")
    assert error_of(turn.answer)[0] == "Runtime.InvalidResponseModeHeader"
    played.works()


def test_the_id_is_checked_before_the_state_and_that_before_mode_and_size(played: Played) -> None:
    bad_mode = {"Lambda-Runtime-Function-Response-Mode": "sideways"}
    turn = played.turn()
    wrong = played.program.runtime("POST", "/runtime/invocation/1/response", b"", bad_mode)
    assert refused(wrong, 400, "InvalidRequestID", "Invalid request ID")
    turn.respond()
    assert not_allowed(turn.respond(b"1" * (LIMIT + 1), bad_mode), "RuntimeResponseSentState", "InvocationResponse")


@pytest.mark.parametrize("what", ["respond", "fail"])
def test_an_answer_of_exactly_the_limit_passes(played: Played, what: str) -> None:
    turn = played.turn()
    body = b'"' + b"x" * (LIMIT - 2) + b'"'
    assert getattr(turn, what)(body).status == 202
    assert turn.answer.body == body


@pytest.mark.parametrize("chunks", [0, 1, 7])
@pytest.mark.parametrize("over", [1, 100_000])
def test_a_larger_response_is_refused_and_the_caller_is_told_its_size(played: Played, chunks: int, over: int) -> None:
    turn = played.turn()
    body = b"x" * (LIMIT + over)
    if chunks:
        step = -(-len(body) // chunks)
        pieces = [body[start : start + step] for start in range(0, len(body), step)]
        reply = turn.post("response", {"Transfer-Encoding": "chunked"}, chunked(*pieces))
    else:
        reply = turn.respond(body)
    assert refused(reply, 413, "RequestEntityTooLarge", "Exceeded maximum allowed payload size (6291556 bytes).")
    size = LIMIT + over
    told = f"Response payload size ({size} bytes) exceeded maximum allowed payload size (6291556 bytes)."
    assert error_of(turn.answer) == ("Function.ResponseSizeTooLarge", told)
    played.works()


@pytest.mark.parametrize(
    ("headers", "part"),
    [({"Content-Length": "100"}, b"x" * 10), ({"Transfer-Encoding": "chunked"}, chunked(b"x" * 10)[:-5])],
    ids=["length", "chunked"],
)
@pytest.mark.parametrize("what", ["response", "error"])
def test_an_answer_cut_short_is_the_callers_error(
    played: Played, headers: dict[str, str], part: bytes, what: str
) -> None:
    turn = played.turn()
    with connected(played.program.runtime_address) as connection:
        connection.send(head("POST", f"{turn.path}/{what}", headers) + part)
    assert error_of(turn.answer)[0] == "Runtime.TruncatedResponse"
    played.works()


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (
            b'{"errorMessage": "m", "errorType": "t", "stackTrace": ["a", "b"], "errorCause": {"x": 1}, "more": 2}',
            b'{"errorMessage":"m","errorType":"t","stackTrace":["a","b"]}',
        ),
        (b'{"errorType": "t"}', b'{"errorType":"t"}'),
        (b"{", b'"Invalid error body"'),
        (b"[1]", b'"Invalid error body"'),
        (b"\xff", b'"Invalid error body"'),
    ],
)
def test_an_error_with_cause_shows_the_caller_only_what_is_for_him(played: Played, body: bytes, shown: bytes) -> None:
    turn = played.turn()
    assert turn.fail(body, {"Content-Type": "application/vnd.aws.lambda.error.cause+json"}).status == 202
    assert (turn.answer.body, turn.answer.headers["x-amz-function-error"]) == (shown, "Unhandled")


def _fail_init(played: Played, error_type: str, body: bytes | None) -> None:
    """Report an init error, as soon as there is an init that can fail."""

    def accepted() -> bool:
        return played.program.runtime("POST", INIT_ERROR, body, {ERROR_TYPE: error_type}).status == 202

    until(accepted, "an init to be in the place of")


def test_an_init_error_reaches_the_caller_that_waits_for_it(tmp_path: Path) -> None:
    body = json.dumps({"errorType": "ImportError", "errorMessage": "no", "requestId": "", "stackTrace": []}).encode()
    with playing(tmp_path) as played:
        assert played.program.runtime("POST", INIT_ERROR, b'{"the": "first"}').status == 202
        caller = begin(played.program.invoke, {})
        _fail_init(played, "Runtime.ImportModuleError", body)
        assert caller.result().body == body
        assert error_of(caller.result()) == ("ImportError", "no")
        played.works()


def test_an_init_error_without_a_body_still_tells_the_caller_its_type(tmp_path: Path) -> None:
    with playing(tmp_path) as played:
        played.program.runtime("POST", INIT_ERROR)
        caller = begin(played.program.invoke, {})
        _fail_init(played, "Runtime.NoSuchHandler", None)
        assert error_of(caller.result())[0] == "Runtime.NoSuchHandler"


def test_error_types_are_kept_in_awss_form_and_made_unknown_otherwise(tmp_path: Path) -> None:
    told = {
        "Runtime.ImportModuleError": "Runtime.ImportModuleError",
        "Function.Broken": "Function.Broken",
        "Function.": "Function.Unknown",
        "Function.lower": "Function.Unknown",
        "Runtime.No1": "Runtime.Unknown",
        "ValueError": "Runtime.Unknown",
        "": "Runtime.Unknown",
    }
    with playing(tmp_path) as played:
        for number, (sent, kept) in enumerate(told.items(), 1):
            reports = f"(?s)(INIT_REPORT.*){{{number - 1}}}INIT_REPORT [^\n]*Error Type: {kept}\n"
            if number > 1:
                begin(played.program.invoke, {})
            _fail_init(played, sent, b"{}")
            played.program.said(reports)
