"""The context object."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.harness import DEADLINE_MS, Event, assert_alike, both, ours, said, write

APP = """
import os
FIELDS = ("aws_request_id log_group_name log_stream_name function_name memory_limit_in_mb function_version "
          "invoked_function_arn tenant_id").split()
CLIENT = "installation_id app_title app_version_name app_version_code app_package_name".split()
def handler(event, context):
    client = context.client_context and context.client_context.client
    return {
        "repr": repr(context),
        "fields": [getattr(context, name) for name in FIELDS],
        "names": sorted(vars(context)),
        "client": client and [getattr(client, name) for name in CLIENT],
        "custom": context.client_context and [context.client_context.custom, context.client_context.env],
        "identity": [context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id],
        "w3c": context.w3c(),
        "trace": os.environ.get("_X_AMZN_TRACE_ID"),
        "types": [type(value).__name__ for value in (context, context.identity, context.client_context, client)],
    }
"""
FULL = """{"client":{"installation_id":"i","app_title":"t","app_version_name":"n","app_version_code":"c",
"app_package_name":"p","more":1},"custom":{"a":[1]},"env":{"é":"ü"},"w3c":{"traceparent":"00-1","tracestate":3,
"baggage":"b","x":"y"}}""".replace("\n", "")
ENV = {
    "AWS_LAMBDA_FUNCTION_NAME": "f",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
    "AWS_LAMBDA_LOG_STREAM_NAME": "s",
}
HEADERS: dict[str, dict[str, str]] = {
    "nothing": {},
    "empty": {"Lambda-Runtime-Client-Context": "", "Lambda-Runtime-Aws-Tenant-Id": "", "Lambda-Runtime-Trace-Id": ""},
    "client": {"Lambda-Runtime-Client-Context": FULL},
    "client-empty": {"Lambda-Runtime-Client-Context": "{}"},
    "client-null": {"Lambda-Runtime-Client-Context": "null"},
    "client-without-client": {"Lambda-Runtime-Client-Context": '{"client":null,"custom":1,"w3c":[]}'},
    "cognito": {"Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId":"i","cognitoIdentityPoolId":"p"}'},
    "cognito-half": {"Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId":"i"}'},
    "tenant": {"Lambda-Runtime-Aws-Tenant-Id": "tenant-1"},
    "trace": {"Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1"},
    "invocation-id": {"Lambda-Runtime-Invocation-Id": "abc-1"},
    "bad-client": {"Lambda-Runtime-Client-Context": "{"},
    "bad-cognito": {"Lambda-Runtime-Cognito-Identity": "not json"},
}


@pytest.mark.parametrize("name", HEADERS)
def test_the_context_is_that_of_aws(tmp_path: Path, name: str) -> None:
    mine, other = both(write(tmp_path, app=APP), Event(headers=HEADERS[name]), env=ENV)
    assert_alike(mine, other)


def test_a_client_context_of_another_kind_is_the_invocations_error(tmp_path: Path) -> None:
    """Named difference: the stack trace does not show the runtime's own frames."""
    event = Event(headers={"Lambda-Runtime-Client-Context": "[1]"})
    mine, other = both(write(tmp_path, app=APP), event, env=ENV)
    texts = [run.only.json() for run in (mine, other)]
    assert texts[0].pop("stackTrace") == []
    assert texts[1].pop("stackTrace") != []
    assert texts[0] == texts[1]


def test_header_names_may_be_in_any_case(tmp_path: Path) -> None:
    event = Event(headers={"lambda-runtime-aws-TENANT-id": "t", "LAMBDA-RUNTIME-TRACE-ID": "Root=1"})
    run = ours(write(tmp_path, app=APP), event)
    assert run.only.json()["fields"][-1] == "t"
    assert run.only.json()["trace"] == "Root=1"


def test_the_trace_of_an_invocation_does_not_stay_for_the_next(tmp_path: Path) -> None:
    events = [Event(headers=HEADERS["trace"]), Event()]
    mine, other = both(write(tmp_path, app=APP), *events)
    assert [said(post) for post in mine.posts] == [said(post) for post in other.posts]
    assert [bool(post.json()["trace"]) for post in mine.posts] == [True, False]


def test_the_invocation_id_is_echoed_on_responses_and_errors(tmp_path: Path) -> None:
    write(tmp_path, app="def handler(event, context): return 1 / event")
    events = [Event(body, headers=HEADERS["invocation-id"]) for body in ("1", "0")]
    mine, other = both(tmp_path, *events, Event("1"))
    assert_alike(mine, other)
    assert [post.headers.get("lambda-runtime-invocation-id") for post in mine.posts] == ["abc-1", "abc-1", None]


def test_the_remaining_time_is_what_is_left_to_the_deadline(tmp_path: Path) -> None:
    source = (
        "import time\ndef handler(event, context): return [context.get_remaining_time_in_millis(), time.time() * 1000]"
    )
    run = ours(write(tmp_path, app=source), Event(), Event(headers={"Lambda-Runtime-Deadline-Ms": "1"}))
    remaining, now = run.posts[0].json()
    assert abs(remaining + now - DEADLINE_MS) < 1000
    assert run.posts[1].json()[0] == 0


def test_log_writes_to_the_log_as_it_is(tmp_path: Path) -> None:
    write(tmp_path, app="def handler(event, context): context.log('a\\n'), context.log(1), context.log(None)")
    assert_alike(*both(tmp_path, Event()))
