"""The Lambda Invoke API over HTTP: names, headers, parameters, sizes."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.server.conftest import APP
from tests.server.played import Played
from tests.server.wire import chunked, connected, head
from tests.support.program import Program, Reply, call, running

LIMIT = 6 * 1024 * 1024
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:orders"
NOT_FOUND = "ResourceNotFoundException"
BAD_VALUE = "InvalidParameterValueException"
BAD_CONTENT = "InvalidRequestContentException"


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A function with a name, a version, a region and an account of its own."""
    task: Path = tmp_path_factory.mktemp("task")
    (task / "app.py").write_text(APP)
    named = {"AWS_LAMBDA_FUNCTION_NAME": "orders", "AWS_LAMBDA_FUNCTION_VERSION": "7"}
    with running("app.handler", task, **named, AWS_REGION="eu-west-1", AWS_ACCOUNT_ID="123456789012") as program:
        yield program


def context_of(program: Program, headers: dict[str, str] | None = None, name: str = "function") -> Any:
    """What the handler finds in its context."""
    return program.invoke({"do": "context"}, name, headers).json


def error(reply: Reply, status: int, name: str) -> str:
    """The text of a service error, which must be of this kind."""
    assert (reply.status, reply.headers["x-amzn-errortype"]) == (status, name), reply
    assert "x-amz-function-error" not in reply.headers
    document = reply.json
    assert document["Type"] == ("User" if status < 500 else "Service")
    return str(document["Message" if name in (NOT_FOUND, "ServiceException") else "message"])


@pytest.mark.parametrize(
    ("written", "arn"),
    [
        ("function", ARN),
        ("orders", ARN),
        ("orders:7", f"{ARN}:7"),
        ("orders:$LATEST", f"{ARN}:$LATEST"),
        ("orders:live", f"{ARN}:live"),
        ("orders?Qualifier=live", f"{ARN}:live"),
        ("orders:live?Qualifier=live", f"{ARN}:live"),
        ("function?Qualifier=7", f"{ARN}:7"),
        ("function:orders", ARN),
        ("123456789012:function:orders", ARN),
        ("123456789012:orders", ARN),
        ("eu-west-1:123456789012:function:orders:7", f"{ARN}:7"),
        (ARN, ARN),
        (f"{ARN}:live", f"{ARN}:live"),
        (f"{ARN}?Qualifier=$LATEST", f"{ARN}:$LATEST"),
        ("arn:aws-us-gov:lambda:us-gov-west-1:1234567890AB".replace("AB", "12") + ":function:orders", None),
        (quote(f"{ARN}:$LATEST", safe=""), f"{ARN}:$LATEST"),
        ("o%72ders", ARN),
    ],
)
def test_the_function_is_found_by_any_of_its_names(orders: Program, written: str, arn: str | None) -> None:
    name, _, query = written.partition("?")
    path = f"/2015-03-31/functions/{name}/invocations" + (f"?{query}" if query else "")
    reply = call(orders.invoke_address, "POST", path, b'{"do": "context"}')
    assert reply.status == 200, reply
    assert reply.json["arn"] == (arn or written)
    assert reply.headers["x-amz-executed-version"] == "7"


@pytest.mark.parametrize(
    ("written", "arn"),
    [
        ("invoices", ARN.replace("orders", "invoices")),
        ("orders:8", f"{ARN}:8"),
        ("orders?Qualifier=8", f"{ARN}:8"),
        (ARN.replace("orders", "invoices") + ":live", ARN.replace("orders", "invoices") + ":live"),
        ("Orders", ARN.replace("orders", "Orders")),
    ],
)
def test_another_function_or_version_is_not_found(orders: Program, written: str, arn: str) -> None:
    name, _, query = written.partition("?")
    path = f"/2015-03-31/functions/{name}/invocations" + (f"?{query}" if query else "")
    reply = call(orders.invoke_address, "POST", path, b"{}")
    assert error(reply, 404, NOT_FOUND) == f"Function not found: {arn}"


@pytest.mark.parametrize("name", ["function", "any_thing-1", "x:live", ARN])
def test_a_function_without_a_name_answers_to_all(served: Program, name: str) -> None:
    reply = served.invoke({"a": 1}, name)
    assert (reply.status, reply.json) == (200, {"a": 1})
    assert reply.headers["x-amz-executed-version"] == "$LATEST"


@pytest.mark.parametrize(
    "written",
    [
        *(
            "or!ders",
            "a%20b",
            "x" * 65,
            "orders:",
            ":7",
            "orders:li.ve",
            f"{ARN}:7:8",
            "%C3%B6rders",
            "%00",
            "a/b",
            "%2e%2f",
        ),
        *("arn:aws:s3:::bucket", ARN.replace("orders", "x" * 250), ARN.replace("west-1", "west-%D9%A1")),
        *("orders?Qualifier=", "orders?Qualifier=a%20b", "orders?Qualifier=" + "x" * 129, "orders:7?Qualifier=8"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused(orders: Program, written: str) -> None:
    name, _, query = written.partition("?")
    path = f"/2015-03-31/functions/{name}/invocations" + (f"?{query}" if query else "")
    assert error(call(orders.invoke_address, "POST", path, b"{}"), 400, BAD_VALUE)


@pytest.mark.parametrize(
    ("status", "event", "name", "headers"),
    [
        (200, {}, "orders", {}),
        (200, {"do": "fail", "say": "no"}, "orders", {}),
        (400, {}, "or!ders", {}),
        (400, {}, "orders", {"X-Amz-Client-Context": "!"}),
        (404, {}, "invoices", {}),
        (413, {}, "orders", {"Content-Length": str(LIMIT + 1)}),
        (501, {}, "orders", {"X-Amz-Invocation-Type": "Event"}),
    ],
)
def test_every_answer_has_a_request_id_and_is_json(
    orders: Program, status: int, event: Any, name: str, headers: dict[str, str]
) -> None:
    reply = orders.invoke(event, name, headers)
    assert reply.status == status
    assert reply.headers["content-type"] == "application/json"
    assert str(uuid.UUID(reply.headers["x-amzn-requestid"])) == reply.headers["x-amzn-requestid"]
    assert reply.headers["x-amzn-trace-id"].startswith("Root=1-")
    assert int(reply.headers["content-length"]) == len(reply.body)
    assert ("x-amz-executed-version" in reply.headers) is (status == 200)
    assert ("x-amz-function-error" in reply.headers) is (event != {})
    assert "server" not in reply.headers


def test_a_function_error_is_200_with_a_header_and_the_errors_json(served: Program) -> None:
    reply = served.invoke({"do": "fail", "say": "no"})
    assert (reply.status, reply.headers["x-amz-function-error"]) == (200, "Unhandled")
    assert (reply.json["errorType"], reply.json["errorMessage"]) == ("ValueError", "no")
    assert reply.json["requestId"] == reply.headers["x-amzn-requestid"]


def test_the_handler_knows_the_callers_request_id(served: Program) -> None:
    reply = served.invoke({"do": "context"})
    assert reply.json["request"] == reply.headers["x-amzn-requestid"]


@pytest.mark.parametrize(
    "custom", [{"a": "b"}, {"text": "Größe 🎉"}, {"line": "a\nb\x7f"}, {"deep": {"list": [1, None]}}]
)
def test_the_client_context_arrives_decoded(served: Program, custom: Any) -> None:
    document = {"custom": custom, "client": {"app_title": "x"}, "env": {"locale": "de"}}
    raw = json.dumps(document, ensure_ascii=False).encode()
    assert context_of(served, {"X-Amz-Client-Context": base64.b64encode(raw).decode()})["custom"] == custom


def test_a_client_context_may_have_3583_bytes(served: Program) -> None:
    document = b'{"custom":{"a":"%s"}}'
    document %= b"x" * (3583 // 4 * 3 - len(document) + 2)
    encoded = base64.b64encode(document).decode()
    assert len(encoded) == 3580
    assert set(context_of(served, {"X-Amz-Client-Context": encoded})["custom"]) == {"a"}


def test_tenant_and_cognito_identity_arrive(served: Program) -> None:
    headers = {
        "X-Amz-Tenant-Id": "blue:team/7=a+b-c@d e.f_g",
        "X-Amz-Cognito-Identity-Id": "eu-west-1:1",
        "X-Amz-Cognito-Identity-Pool-Id": "eu-west-1:2",
    }
    context = context_of(served, headers)
    assert (context["tenant"], context["identity"]) == (headers["X-Amz-Tenant-Id"], ["eu-west-1:1", "eu-west-1:2"])


def test_without_them_there_are_none(served: Program) -> None:
    context = context_of(served)
    assert (context["custom"], context["tenant"]) == (None, None)
    assert context["identity"] in (None, [None, None])


@pytest.mark.parametrize("trace", ["Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1", "x"])
def test_the_callers_trace_id_reaches_the_handler_and_comes_back(served: Program, trace: str) -> None:
    reply = served.invoke({"do": "context"}, headers={"X-Amzn-Trace-Id": trace})
    assert (reply.json["trace"], reply.headers["x-amzn-trace-id"]) == (trace, trace)


def test_without_one_a_new_trace_begins(served: Program) -> None:
    traces = [context_of(served)["trace"] for _ in range(2)]
    assert all(re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0", one) for one in traces)
    assert traces[0] != traces[1]


def test_a_trace_id_of_other_bytes_than_ascii_is_passed_on_as_it_is(played: Played) -> None:
    turn = played.turn({}, {"X-Amzn-Trace-Id": "Größe"})
    turn.respond()
    assert turn.event.headers["lambda-runtime-trace-id"] == turn.answer.headers["x-amzn-trace-id"] == "Größe"


def test_log_type_tail_brings_the_end_of_the_log(served: Program) -> None:
    reply = served.invoke({"do": "print", "say": "logged"}, headers={"X-Amz-Log-Type": "Tail"})
    lines = base64.b64decode(reply.headers["x-amz-log-result"]).decode().splitlines()
    request_id = reply.headers["x-amzn-requestid"]
    assert lines[:3] == [f"START RequestId: {request_id} Version: $LATEST", "logged", f"END RequestId: {request_id}"]
    assert lines[3].startswith(f"REPORT RequestId: {request_id}\t")
    assert len(lines) == 4


def test_the_tail_is_the_last_4_kb(served: Program) -> None:
    reply = served.invoke({"do": "print", "say": "x" * 9000}, headers={"X-Amz-Log-Type": "Tail"})
    tail = base64.b64decode(reply.headers["x-amz-log-result"])
    assert len(tail) == 4096
    assert b"START" not in tail
    assert re.search(rb"^x+\nEND RequestId: \S+\nREPORT [^\n]+\n$", tail)


@pytest.mark.parametrize("headers", [{}, {"X-Amz-Log-Type": "None"}])
def test_no_log_comes_without_being_asked_for(served: Program, headers: dict[str, str]) -> None:
    assert "x-amz-log-result" not in served.invoke({}, headers=headers).headers


@pytest.mark.parametrize("kind", ["Event", "DryRun"])
def test_event_and_dry_run_are_not_offered_and_do_not_run_the_function(served: Program, kind: str) -> None:
    reply = served.invoke({"do": "print", "say": f"ran as {kind}"}, headers={"X-Amz-Invocation-Type": kind})
    assert kind in error(reply, 501, "NotImplementedException")
    served.invoke({"do": "print", "say": f"after {kind}"})
    served.said(f"^after {kind}$")
    assert f"ran as {kind}\n" not in served.output


@pytest.mark.parametrize("header", ["X-Amz-Invocation-Type", "X-Amz-Log-Type"])
@pytest.mark.parametrize("value", ["event", "Sideways", "", "tail"])
def test_other_types_are_refused(served: Program, header: str, value: str) -> None:
    text = error(served.invoke({}, headers={header: value}), 400, BAD_VALUE)
    assert f"Value '{value}'" in text
    assert "Member must satisfy enum value set" in text


def test_an_empty_payload_invokes_with_an_empty_object(served: Program) -> None:
    assert served.invoke(None).body == b"{}"


@pytest.mark.parametrize("event", [None, True, 0, -1.5e300, "", "Größe 🎉 \ud800", [], [[{}]]])
def test_any_json_is_an_event(served: Program, event: Any) -> None:
    reply = call(served.invoke_address, "POST", "/2015-03-31/functions/f/invocations", json.dumps(event).encode())
    assert (reply.status, reply.json) == (200, event)


def test_a_payload_of_exactly_the_limit_passes(played: Played) -> None:
    turn = played.turn("x" * (LIMIT - 2))
    assert turn.event.body == b'"' + b"x" * (LIMIT - 2) + b'"'
    turn.respond()


@pytest.mark.parametrize("how", ["Content-Length", "Transfer-Encoding"])
def test_one_byte_more_is_too_large(served: Program, how: str) -> None:
    body = b'"' + b"x" * (LIMIT - 1) + b'"'
    headers = {how: str(len(body)) if how == "Content-Length" else "chunked"}
    with connected(served.invoke_address) as connection:
        connection.send(head("POST", "/2015-03-31/functions/function/invocations", headers))
        connection.send(body if how == "Content-Length" else chunked(body))
        reply = connection.reply()
    text = "Request must be smaller than 6291456 bytes for the InvokeFunction operation"
    assert error(reply, 413, "RequestTooLargeException") == text
