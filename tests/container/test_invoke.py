"""A function image, made as the README says, and invoked by the programs that people use."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.container import Container, Engine
from tests.support.sdk import CREDENTIALS, lambda_client

pytestmark = pytest.mark.container

MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def named(engine: Engine, function: str) -> Iterator[Container]:
    """The function under a name of its own, so that there are others that it is not."""
    with engine.running(function, AWS_LAMBDA_FUNCTION_NAME="orders") as container:
        yield container


@pytest.fixture
def client(named: Container) -> Iterator[Any]:
    """boto3's client, which has not been told more than it must be."""
    with lambda_client(named.address) as client:
        yield client


def curl(container: Container, *words: str) -> str:
    address = f"http://{container.address}/2015-03-31/functions/function/invocations"
    return subprocess.run(["curl", "-sS", *words, address], check=True, capture_output=True, text=True).stdout


def test_curl_invokes_it(served: Container) -> None:
    assert json.loads(curl(served, "-d", '{"say": "curl"}'))["answer"] == {"say": "curl"}


def test_curl_sees_a_functions_error_in_head_and_body(served: Container) -> None:
    head, _, body = curl(served, "-i", "-d", '{"do": "fail", "say": "no"}').partition("\n\n")
    assert head.startswith("HTTP/1.1 200")
    assert "x-amz-function-error: unhandled" in head.lower()
    assert json.loads(body)["errorType"] == "ValueError"


def test_boto3_invokes_it(client: Any) -> None:
    answer = client.invoke(FunctionName="orders", Payload=b'{"say": "boto3"}')
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert "FunctionError" not in answer
    document = json.load(answer["Payload"])
    assert document["answer"] == {"say": "boto3"}
    assert document["request"] == answer["ResponseMetadata"]["RequestId"]


def test_boto3_is_told_of_a_functions_error(client: Any) -> None:
    answer = client.invoke(FunctionName="orders", Payload=b'{"do": "fail", "say": "no"}')
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    error = json.load(answer["Payload"])
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "no")
    assert 'raise ValueError(event["say"])' in error["stackTrace"][-1]


def test_boto3_gets_the_end_of_the_log(client: Any) -> None:
    answer = client.invoke(FunctionName="orders", Payload=b'{"say": "logged"}', LogType="Tail")
    lines = base64.b64decode(answer["LogResult"]).decode().splitlines()
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert lines[:3] == [
        f"START RequestId: {request_id} Version: $LATEST",
        "echo logged",
        f"END RequestId: {request_id}",
    ]
    assert lines[3].startswith(f"REPORT RequestId: {request_id}\t")


def test_boto3_passes_the_largest_event_and_gets_it_back(client: Any) -> None:
    event = json.dumps("x" * (6 * MEGABYTE - 100)).encode()
    answer = client.invoke(FunctionName="orders", Payload=b'{"text":' + event + b"}")
    assert len(json.load(answer["Payload"])["answer"]["text"]) == 6 * MEGABYTE - 100


@pytest.mark.parametrize(
    ("wanted", "arguments"),
    [
        ("ResourceNotFoundException", {"FunctionName": "invoices"}),
        ("ResourceNotFoundException", {"FunctionName": "orders", "Qualifier": "7"}),
        ("InvalidParameterValueException", {"FunctionName": "orders!"}),
        ("InvalidRequestContentException", {"FunctionName": "orders", "Payload": b"{"}),
        ("InvalidRequestContentException", {"FunctionName": "orders", "ClientContext": "!"}),
        ("RequestTooLargeException", {"FunctionName": "orders", "Payload": b'"' + b"x" * 6 * MEGABYTE + b'"'}),
    ],
    ids=["function", "version", "name", "json", "context", "size"],
)
def test_boto3_raises_the_exception_that_aws_would_cause(client: Any, wanted: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(getattr(client.exceptions, wanted)) as caught:
        client.invoke(**arguments)
    error = caught.value.response["Error"]
    assert error["Code"] == wanted
    assert error["Message"]


def test_the_aws_cli_invokes_it_and_prints_the_log(named: Container, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    words = [str(Path(sys.executable).parent / "aws"), "lambda", "invoke", "--endpoint-url", f"http://{named.address}"]
    words += ["--function-name", "orders", "--payload", '{"say": "cli"}', "--log-type", "Tail", str(out)]
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **CREDENTIALS}
    done = subprocess.run(words, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["StatusCode"], told["ExecutedVersion"]) == (200, "$LATEST")
    assert "echo cli\n" in base64.b64decode(told["LogResult"]).decode()
    assert json.loads(out.read_text())["answer"] == {"say": "cli"}


def test_the_aws_cli_names_the_error(named: Container, tmp_path: Path) -> None:
    words = [str(Path(sys.executable).parent / "aws"), "lambda", "invoke", "--endpoint-url", f"http://{named.address}"]
    words += ["--function-name", "invoices", str(tmp_path / "out.json")]
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **CREDENTIALS}
    done = subprocess.run(words, env=environ, capture_output=True, text=True)
    assert done.returncode != 0
    assert "(ResourceNotFoundException)" in done.stderr
    assert "Function not found: arn:aws:lambda:" in done.stderr


def test_eight_callers_at_once_each_get_their_own_answer(served: Container) -> None:
    def caller(number: int) -> list[int]:
        return [served.invoke({"say": number * 100 + turn}).json["answer"]["say"] for turn in range(10)]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(caller, range(8)))
    assert answers == [[number * 100 + turn for turn in range(10)] for number in range(8)]
