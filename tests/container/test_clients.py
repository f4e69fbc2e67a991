"""Clients of others, as they come from PyPI and npm: AWS's own runtime interface clients, and an extension."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.container.conftest import FUNCTION
from tests.support.container import PREFIX, Container, Engine, Images
from tests.support.program import until

pytestmark = pytest.mark.container

WITH_AWSLAMBDARIC = """
ARG BASE
FROM ${BASE}
RUN pip install awslambdaric
COPY app.py ${LAMBDA_TASK_ROOT}
ENTRYPOINT ["/usr/local/bin/aws-lambda-rie", "python", "-m", "awslambdaric"]
CMD ["app.handler"]
"""

# What fetches and compiles packages of npm; it does not depend on our image, so that it is built once.
NODE_TOOLS = f"{PREFIX}:node-tools"

WITH_NODE_TOOLS = """
ARG BASE
FROM ${BASE}
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends \\
    autoconf automake cmake g++ libnode-dev libtool make nodejs npm python3-setuptools unzip
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt npm_config_nodedir=/usr MAKEFLAGS=-j2
"""

WITH_AWS_LAMBDA_RIC = f"""
ARG BASE
FROM {NODE_TOOLS} AS build
WORKDIR /function
RUN npm install --no-audit --no-fund aws-lambda-ric@3.3.0 && rm -r node_modules/aws-lambda-ric/deps

FROM ${{BASE}}
USER root
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends nodejs
USER 993:990
COPY --from=build /function/node_modules node_modules
COPY app.js .
ENTRYPOINT ["/usr/local/bin/aws-lambda-rie", "node", "node_modules/aws-lambda-ric/bin/index.mjs"]
CMD ["app.handler"]
"""

# A layer with an extension of Node, which listens at `sandbox`.
THIRD_PARTY = f"""
ARG BASE
FROM {NODE_TOOLS} AS layer
WORKDIR /package
RUN npm install --no-audit --no-fund @serverless/aws-lambda-otel-extension-dist@0.1.11 \\
    && unzip -q node_modules/@serverless/aws-lambda-otel-extension-dist/extension.zip -d /layer

FROM ${{BASE}}
COPY --from=layer /layer /opt
"""

NODE_FUNCTION = """
exports.handler = async (event, context) => {
    console.log("event of", Object.keys(event).length);
    if (event.fail) throw new TypeError(event.fail);
    if (event.leave) process.exit(event.leave);
    return {event, request: context.awsRequestId, name: context.functionName, left: context.getRemainingTimeInMillis()};
};
exports.stream = awslambda.streamifyResponse(async (event, stream) => {
    stream.write("one ");
    stream.write("two");
    stream.end();
});
"""


@pytest.fixture(scope="session")
def awslambdaric(images: Images, python: str) -> str:
    files = {"Dockerfile": WITH_AWSLAMBDARIC, "app.py": (FUNCTION / "app.py").read_text()}
    return images.derive("awslambdaric", python, files)


@pytest.fixture(scope="session")
def node_image(images: Images, provided: str) -> str:
    images.derive("node-tools", "docker.io/library/debian:trixie-slim", {"Dockerfile": WITH_NODE_TOOLS})
    return images.derive("node", provided, {"Dockerfile": WITH_AWS_LAMBDA_RIC, "app.js": NODE_FUNCTION})


@pytest.fixture(scope="module")
def node(engine: Engine, node_image: str) -> Iterator[Container]:
    with engine.running(node_image) as container:
        yield container


def test_awslambdaric_serves_answers_errors_and_exits(engine: Engine, awslambdaric: str) -> None:
    with engine.running(awslambdaric) as container:
        assert "awslambdaric" in " ".join(container.processes().values())
        for number in range(3):
            reply = container.invoke({"say": number})
            assert reply.json == {"request": reply.headers["x-amzn-requestid"], "answer": {"say": number}}
        failed = container.invoke({"do": "fail", "say": "no"})
        assert failed.headers["x-amz-function-error"] == "Unhandled"
        assert (failed.json["errorType"], failed.json["errorMessage"]) == ("ValueError", "no")
        assert container.invoke({"do": "leave", "status": 3}).json["errorMessage"].endswith("exit status 3")
        assert container.invoke({"say": "again"}).json["answer"] == {"say": "again"}
        assert container.stop()[0] == 0


def test_awslambdaric_is_restored(engine: Engine, awslambdaric: str) -> None:
    with engine.running(
        awslambdaric,
        AWS_LAMBDA_INITIALIZATION_TYPE="snap-start",
        AWS_ACCESS_KEY_ID="AKIDEXAMPLE",
        AWS_SECRET_ACCESS_KEY="very/secret",
    ) as container:
        container.said("INIT_REPORT Init Duration: ")
        assert "RESTORE" not in container.logs()
        assert container.invoke({"say": "restored"}).json["answer"] == {"say": "restored"}
        container.said("\tRestore Duration: ")
        assert container.invoke({"do": "leave", "status": 3}).json["errorType"] == "Runtime.ExitError"
        assert container.invoke({"say": "again"}).json["answer"] == {"say": "again"}
        assert container.logs().count("RESTORE_REPORT Restore Duration: ") == 2
        assert "very/secret" not in container.logs()
        assert container.stop()[0] == 0


def test_awslambdaric_tells_what_kept_it_from_starting(engine: Engine, awslambdaric: str) -> None:
    with engine.running(awslambdaric, "missing.handler") as container:
        reply = container.invoke()
        assert reply.headers["x-amz-function-error"] == "Unhandled"
        assert reply.json["errorType"] == "Runtime.ImportModuleError"


@pytest.mark.node
def test_aws_lambda_ric_of_npm_serves_answers(node: Container) -> None:
    for number in range(3):
        reply = node.invoke({"n": number})
        assert reply.json["event"] == {"n": number}
        assert reply.json["request"] == reply.headers["x-amzn-requestid"]
        assert 0 < reply.json["left"] <= 300_000


@pytest.mark.node
def test_aws_lambda_ric_of_npm_serves_errors(node: Container) -> None:
    reply = node.invoke({"fail": "no"})
    assert reply.headers["x-amz-function-error"] == "Unhandled"
    assert (reply.json["errorType"], reply.json["errorMessage"]) == ("TypeError", "no")
    assert node.invoke({"n": 1}).json["event"] == {"n": 1}


@pytest.mark.node
def test_aws_lambda_ric_of_npm_is_replaced_when_it_leaves(node: Container) -> None:
    assert node.invoke({"leave": 7}).json["errorMessage"].endswith("exit status 7")
    assert node.invoke({"n": 1}).json["event"] == {"n": 1}


@pytest.mark.node
def test_aws_lambda_ric_of_npm_streams_a_response(engine: Engine, node_image: str) -> None:
    with engine.running(node_image, "app.stream") as container:
        reply = container.invoke({})
        assert "x-amz-function-error" not in reply.headers
        assert reply.body == b"one two"


@pytest.mark.node
def test_serverless_incs_extension_registers_subscribes_and_receives(
    engine: Engine, images: Images, node_image: str
) -> None:
    image = images.derive("third-party", node_image, {"Dockerfile": THIRD_PARTY})
    # It says what it does, and waits for no wrapper of the function.
    with engine.running(image, DEBUG_SLS_OTEL_LAYER="1", DO_NOT_WAIT="1") as container:
        request_id = container.invoke({"say": "hello"}).headers["x-amzn-requestid"]
        container.said("LOGS\tName: otel-extension\tState: Subscribed\tTypes: [Platform]\n")
        container.said("EXTENSION\tName: otel-extension\tState: Ready\tEvents: [INVOKE, SHUTDOWN]\n")
        container.said("Processing event:  INVOKE\n")

        def received() -> list[Any]:
            batches = [json.loads(text) for text in re.findall(r"^LOGS:  (\[.*\])$", container.logs(), re.MULTILINE)]
            return [event for batch in batches for events in batch for event in events]

        (report, *_) = until(received, "a report at the extension")
        assert (report["type"], report["record"]["requestId"]) == ("platform.report", request_id)
        assert report["record"]["metrics"]["memorySizeMB"] == 3008
        assert container.stop()[0] == 0
        assert "Processing event:  SHUTDOWN\n" in container.logs()
