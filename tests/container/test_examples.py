"""The examples, built and invoked as their README says, on our image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.container import Container, Engine, Images
from tests.support.program import ROOT

pytestmark = pytest.mark.container

EXAMPLES = ROOT / "examples"


def _built(images: Images, python: str, name: str) -> str:
    """The example's image; its Dockerfile says `FROM rapid`, and rapid has another name here."""
    folder = EXAMPLES / name
    files = {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}
    dockerfile = files["Dockerfile"]
    assert dockerfile.startswith("FROM rapid\n")
    return images.derive(name, python, {**files, "Dockerfile": dockerfile.replace("FROM rapid", f"FROM {python}")})


def _http(method: str, path: str, body: object = None) -> dict[str, Any]:
    """The event of a function URL."""
    event: dict[str, Any] = {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "host": "example.com"},
        "requestContext": {"http": {"method": method, "path": path, "sourceIp": "127.0.0.1"}, "stage": "$default"},
        "isBase64Encoded": False,
    }
    return event if body is None else {**event, "body": json.dumps(body)}


def _answer(container: Container, event: dict[str, Any]) -> tuple[int, Any]:
    result = container.invoke(event).json
    assert "statusCode" in result, result
    return result["statusCode"], json.loads(result["body"])


def test_powertools(engine: Engine, images: Images, python: str) -> None:
    image = _built(images, python, "powertools")
    with engine.running(image) as container:
        assert _answer(container, _http("GET", "/orders/1")) == (200, {"sku": "a1", "count": 2})
        assert _answer(container, _http("GET", "/orders/2"))[0] == 404
        lines = [json.loads(line) for line in container.logs().splitlines() if line.startswith("{")]
        (record,) = [line for line in lines if line.get("message") == "order read"]
        assert (record["number"], record["function_name"], record["cold_start"]) == ("1", "test_function", True)
        assert [line["OrdersRead"] for line in lines if "OrdersRead" in line] == [[1.0]]
    messages = [
        {"messageId": str(count), "eventSource": "aws:sqs", "body": json.dumps({"count": count})} for count in (1, -1)
    ]
    with engine.running(image, "app.batch") as container:
        reply = container.invoke({"Records": messages})
        assert reply.json == {"batchItemFailures": [{"itemIdentifier": "-1"}]}


def test_fastapi(engine: Engine, images: Images, python: str) -> None:
    with engine.running(_built(images, python, "fastapi")) as container:
        answer = _answer(container, _http("PUT", "/items/1", {"name": "pen", "price": 2}))
        assert answer == (200, {"number": 1, "price with tax": 2.4})
        assert _answer(container, _http("GET", "/items/1")) == (200, {"name": "pen", "price": 2.0})
        assert _answer(container, _http("GET", "/items/2"))[0] == 404
        assert _answer(container, _http("PUT", "/items/1", {"name": "pen"}))[0] == 422


def test_flask(engine: Engine, images: Images, python: str) -> None:
    with engine.running(_built(images, python, "flask")) as container:
        answer = _answer(container, _http("POST", "/words", {"text": "three little words"}))
        assert answer == (200, {"words": 3, "host": "example.com"})
        container.said("counting 18 letters")


def test_numpy(engine: Engine, images: Images, python: str) -> None:
    with engine.running(_built(images, python, "numpy")) as container:
        reply = container.invoke({"points": [[0, 1], [1, 3], [2, 5]]})
        assert reply.json == {"slope": 2.0, "intercept": 1.0, "points": 3}


def test_boto3(engine: Engine, images: Images, python: str) -> None:
    """DynamoDB's place is taken by the program beside the example, in a container whose network it shares."""
    image = _built(images, python, "boto3")
    program = (EXAMPLES / "boto3" / "dynamodb.py").read_text()
    service = ("--entrypoint", "python3")
    with engine.running(image, "-c", program, flags=service, ready=False) as dynamodb:
        shared = [f"--network=container:{dynamodb.name}"]
        keys = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
        where = {"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:8000"}
        with engine.running(image, flags=shared, ready=False, **keys, **where):
            dynamodb.wait_until_ready()  # the function's port is this one's
            assert dynamodb.invoke({"page": "home"}).json == {"page": "home", "visits": 1}
            assert dynamodb.invoke({"page": "home"}).json == {"page": "home", "visits": 2}


@pytest.mark.parametrize("folder", sorted(path.parent.name for path in EXAMPLES.glob("*/Dockerfile")))
def test_every_example_with_a_dockerfile_is_listed(folder: str) -> None:
    listed = Path(EXAMPLES, "README.md").read_text()
    assert f"]({folder})" in listed
