"""The Lambda Invoke API through the programs that people use: boto3 and the AWS CLI."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.conftest import APP
from tests.support.program import Program, running
from tests.support.sdk import AWS, CREDENTIALS, lambda_client

LIMIT = 6 * 1024 * 1024
ARN = "arn:aws:lambda:us-east-1:012345678912:function:orders"


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A function with a name, so that there are others that it is not."""
    task: Path = tmp_path_factory.mktemp("task")
    (task / "app.py").write_text(APP)
    with running("app.handler", task, AWS_LAMBDA_FUNCTION_NAME="orders") as program:
        yield program


@pytest.fixture(scope="module")
def client(orders: Program) -> Iterator[Any]:
    """boto3's client, told no more than it must be."""
    with lambda_client(orders.invoke_address) as client:
        yield client


def test_boto3_invokes(client: Any) -> None:
    answer = client.invoke(FunctionName="orders", Payload=b'{"a": 1}')
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert "FunctionError" not in answer
    assert "LogResult" not in answer
    assert json.load(answer["Payload"]) == {"a": 1}


def test_boto3_without_a_payload_invokes_with_an_empty_object(client: Any) -> None:
    assert json.load(client.invoke(FunctionName="orders")["Payload"]) == {}


def test_boto3_is_told_of_a_functions_error(client: Any) -> None:
    answer = client.invoke(FunctionName="orders", Payload=b'{"do": "fail", "say": "no"}')
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    error = json.load(answer["Payload"])
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "no")
    assert error["requestId"] == answer["ResponseMetadata"]["RequestId"]


@pytest.mark.parametrize(
    ("arguments", "arn"),
    [
        ({"FunctionName": ARN}, ARN),
        ({"FunctionName": f"{ARN}:live"}, f"{ARN}:live"),
        ({"FunctionName": "orders", "Qualifier": "$LATEST"}, f"{ARN}:$LATEST"),
        ({"FunctionName": ARN, "Qualifier": "live"}, f"{ARN}:live"),
        ({"FunctionName": "012345678912:function:orders"}, ARN),
    ],
)
def test_boto3_finds_the_function_by_arn_and_qualifier(client: Any, arguments: dict[str, str], arn: str) -> None:
    answer = client.invoke(**arguments, Payload=b'{"do": "context"}')
    assert json.load(answer["Payload"])["arn"] == arn


def test_boto3_passes_client_context_and_tenant(client: Any) -> None:
    context = base64.b64encode(json.dumps({"custom": {"a": "ö"}}).encode()).decode()
    answer = client.invoke(FunctionName="orders", Payload=b'{"do": "context"}', ClientContext=context, TenantId="t 1")
    found = json.load(answer["Payload"])
    assert (found["custom"], found["tenant"]) == ({"a": "ö"}, "t 1")


def test_boto3_gets_the_end_of_the_log(client: Any) -> None:
    answer = client.invoke(FunctionName="orders", Payload=b'{"do": "print", "say": "logged"}', LogType="Tail")
    lines = base64.b64decode(answer["LogResult"]).decode().splitlines()
    assert lines[:2] == [f"START RequestId: {answer['ResponseMetadata']['RequestId']} Version: $LATEST", "logged"]


def test_boto3_passes_the_largest_event(client: Any) -> None:
    text = "x" * (LIMIT - len('{"text":""}'))
    answer = client.invoke(FunctionName="orders", Payload=json.dumps({"text": text}, separators=(",", ":")).encode())
    assert json.load(answer["Payload"])["text"] == text


@pytest.mark.parametrize(
    ("wanted", "status", "arguments"),
    [
        ("ResourceNotFoundException", 404, {"FunctionName": "invoices"}),
        ("ResourceNotFoundException", 404, {"FunctionName": "orders", "Qualifier": "7"}),
        ("InvalidParameterValueException", 400, {"FunctionName": "orders!"}),
        ("InvalidParameterValueException", 400, {"FunctionName": "orders:1", "Qualifier": "2"}),
        ("InvalidParameterValueException", 400, {"FunctionName": "orders", "LogType": "Sideways"}),
        ("InvalidParameterValueException", 400, {"FunctionName": "orders", "TenantId": "a,b"}),
        ("InvalidRequestContentException", 400, {"FunctionName": "orders", "Payload": b"{"}),
        ("InvalidRequestContentException", 400, {"FunctionName": "orders", "ClientContext": "!"}),
        ("RequestTooLargeException", 413, {"FunctionName": "orders", "Payload": b"1" * (LIMIT + 1)}),
    ],
)
def test_boto3_raises_the_exception_that_aws_would_cause(
    client: Any, wanted: str, status: int, arguments: dict[str, Any]
) -> None:
    with pytest.raises(getattr(client.exceptions, wanted)) as caught:
        client.invoke(**arguments)
    response = caught.value.response
    assert response["Error"]["Code"] == wanted
    assert response["Error"]["Message"]
    assert response["Type"] == "User"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status


@pytest.mark.parametrize("kind", ["Event", "DryRun"])
def test_boto3_is_told_what_is_not_offered(client: Any, kind: str) -> None:
    with pytest.raises(client.exceptions.ClientError) as caught:
        client.invoke(FunctionName="orders", InvocationType=kind)
    assert caught.value.response["Error"]["Code"] == "NotImplementedException"
    assert kind in caught.value.response["Error"]["Message"]


def aws(program: Program, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`aws lambda invoke`."""
    command = [AWS, "lambda", "invoke", "--endpoint-url", f"http://{program.invoke_address}", *words]
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), **CREDENTIALS}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


def test_the_aws_cli_invokes_and_prints_the_log(orders: Program, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    event = ["--payload", '{"do": "print", "say": "cli"}', "--log-type", "Tail"]
    done = aws(orders, tmp_path, "--function-name", ARN, "--qualifier", "$LATEST", *event, str(out))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["StatusCode"], told["ExecutedVersion"]) == (200, "$LATEST")
    assert "cli\n" in base64.b64decode(told["LogResult"]).decode()
    assert json.loads(out.read_text()) == {"do": "print", "say": "cli"}


def test_the_aws_cli_names_the_error(orders: Program, tmp_path: Path) -> None:
    done = aws(orders, tmp_path, "--function-name", "invoices", str(tmp_path / "out.json"))
    assert done.returncode != 0
    assert "(ResourceNotFoundException)" in done.stderr
    assert f"Function not found: {ARN.replace('orders', 'invoices')}" in done.stderr
