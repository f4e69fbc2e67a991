"""The Python runtime's own offers, in the image: coroutines, streams, applications, snapshots, several at once."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.container import Container, Engine, Images
from tests.support.program import until
from tests.support.sdk import lambda_client

pytestmark = pytest.mark.container

APP = Path(__file__).parent / "runtime" / "app.py"
DOCKERFILE = """
ARG BASE
FROM ${BASE}
RUN pip install -q snapshot-restore-py
COPY app.py ${LAMBDA_TASK_ROOT}
"""
WRAPPER = """#!/bin/sh
echo "wrapped: $*"
WRAPPED=yes exec "$@"
"""


@pytest.fixture(scope="session")
def image(images: Images, python: str) -> str:
    return images.derive("runtime", python, {"Dockerfile": DOCKERFILE, "app.py": APP.read_text()})


def meeting(container: Container, count: int) -> list[Any]:
    """What so many invocations answer that all wait for each other."""
    with ThreadPoolExecutor(count) as callers:
        replies = callers.map(lambda _: container.invoke({"count": count}), range(count))
        return [reply.json for reply in replies]


def test_coroutines_run_at_once_on_one_event_loop(engine: Engine, image: str) -> None:
    with engine.running(image, "app.meet", AWS_LAMBDA_MAX_CONCURRENCY="4", RAPID_MAX_ENVIRONMENTS="1") as container:
        told = meeting(container, 4)
        assert len({each["pid"] for each in told}) == 1
        assert len({each["mine"] for each in told}) == 4


def test_functions_run_at_once_in_processes(engine: Engine, image: str) -> None:
    with engine.running(
        image,
        "app.meet_in_files",
        AWS_LAMBDA_MAX_CONCURRENCY="3",
        AWS_LAMBDA_FUNCTION_TIMEOUT="30",
        RAPID_MAX_ENVIRONMENTS="1",
    ) as container:
        until(lambda: "platform.initReport" in container.logs() or None, "an init")
        assert len({each["pid"] for each in meeting(container, 3)}) == 3


def test_boto3_reads_a_generators_pieces_and_its_error(engine: Engine, image: str) -> None:
    with engine.running(image, "app.pieces") as container, lambda_client(container.address) as client:
        stream = client.invoke_with_response_stream(FunctionName="f", Payload=b'{"count": 3, "fail": true}')[
            "EventStream"
        ]
        *chunks, end = list(stream)
        # Pieces that are written at once may arrive as one; tests/server holds each back until the one before is read.
        assert b"".join(chunk["PayloadChunk"]["Payload"] for chunk in chunks) == b"0\n1\n2\n"
        assert end["InvokeComplete"]["ErrorCode"] == "Runtime.Unknown"
        assert json.loads(end["InvokeComplete"]["ErrorDetails"])["errorMessage"] == "in the middle"


def test_events_are_what_they_are_annotated_with_if_that_is_asked_for(engine: Engine, image: str) -> None:
    with engine.running(image, "app.typed", RAPID_TYPED_EVENTS="on") as container:
        assert container.invoke({"item": "tea", "count": 2}).json == {"item": "TEA", "count": 3}
        refused = container.invoke({"item": "tea", "count": "two"}).json
        assert refused["errorType"] == "Runtime.EventValidationError"
        assert refused["errorMessage"].startswith("event.count: ")


def test_an_application_answers_http_events(engine: Engine, image: str) -> None:
    http = {"method": "GET", "path": "/a", "sourceIp": "127.0.0.1", "protocol": "HTTP/1.1", "userAgent": "t"}
    event = {"version": "2.0", "rawPath": "/a", "rawQueryString": "", "headers": {}, "requestContext": {"http": http}}
    with engine.running(image, "app:application") as container:
        answer = container.invoke(event).json
        assert (answer["statusCode"], json.loads(answer["body"])) == (203, {"path": "/a", "method": "GET"})


def test_hooks_run_around_the_snapshot(engine: Engine, image: str) -> None:
    with engine.running(image, "app.told", AWS_LAMBDA_INITIALIZATION_TYPE="snap-start") as container:
        told = container.invoke({}).json
        assert (told["steps"], told["type"]) == (["init", "before", "after"], "snap-start")
        container.said("RESTORE_REPORT Restore Duration: ")


def test_environments_are_forks_of_one_that_is_initialised(engine: Engine, image: str) -> None:
    flags = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL")
    with engine.running(image, "app.told", flags=flags, RAPID_SNAPSHOT="fork", RAPID_MAX_ENVIRONMENTS="4") as container:
        with ThreadPoolExecutor(8) as callers:
            told = [reply.json for reply in callers.map(lambda _: container.invoke({}), range(40))]
        assert len({each["init"] for each in told}) == 1
        assert len({each["random"] for each in told}) == len({each["uuid"] for each in told}) == 40
        assert container.logs().count("INIT_REPORT") == 1
        assert container.stop()[0] == 0


def test_sigterm_reaches_the_function_while_it_waits(engine: Engine, image: str, provided: str) -> None:
    """Where the runtime is alone in its container, as on AWS: awslambdaric hears nothing there."""
    with engine.running(provided, "sleep", "3600", flags=("--entrypoint", "rapid")) as server:
        network = ("--network", f"container:{server.name}", "--env", "AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001")
        on_demand = ("--env", "AWS_LAMBDA_INITIALIZATION_TYPE=on-demand")
        with engine.running(image, "app.told", flags=(*network, *on_demand), ready=False) as alone:
            assert server.invoke({}).json["pid"] == 1
            assert alone.stop()[0] == 0
            assert "the function heard SIGTERM" in alone.logs()


def test_a_wrapper_starts_the_runtime(engine: Engine, images: Images, image: str) -> None:
    files = {"Dockerfile": "ARG BASE\nFROM ${BASE}\nCOPY wrap /opt/wrap\n", "wrap": WRAPPER}
    wrapped = images.derive("wrapped", image, files)
    with engine.running(wrapped, "app.told", AWS_LAMBDA_EXEC_WRAPPER="/opt/wrap") as container:
        assert container.invoke({}).json["type"] == "on-demand"
        container.said("wrapped: ")
