"""HEALTHCHECK and the log of a container."""

from __future__ import annotations

import re

import pytest

from tests.support.container import Container, Engine
from tests.support.program import call, until

pytestmark = pytest.mark.container

CHECK = ("/usr/local/lib/rapid/bin/python", "-I", "-m", "rapid.healthcheck")


def test_the_images_check_turns_a_container_healthy(engine: Engine, served: Container) -> None:
    def health() -> bool:
        if engine.program == "podman":  # runs its checks by systemd, where there is one
            engine.run("healthcheck", "run", served.name)
        return bool(served.state["Health"]["Status"] == "healthy")

    assert engine.inspect(served.name)["Config"]["Healthcheck"]["Test"] == ["CMD", *CHECK]
    assert until(health, "a healthy container", 60)


def test_the_check_follows_the_port(engine: Engine, function: str) -> None:
    with engine.running(function, ready=False, PORT="8081") as container:
        container.said("invoke at http://0.0.0.0:8081")
        assert container.exec(*CHECK).returncode == 0


def test_the_check_follows_the_flags_of_the_first_process(engine: Engine, function: str) -> None:
    words = ("--runtime-interface-emulator-address", ":8082", "/var/runtime/bootstrap", "app.handler")
    with engine.running(function, *words, flags=("--entrypoint", "aws-lambda-rie"), ready=False) as container:
        container.said("invoke at http://0.0.0.0:8082")
        assert container.exec(*CHECK).returncode == 0


def test_the_check_follows_a_health_path_that_is_renamed(engine: Engine, function: str) -> None:
    words = ("--health-path", "/alive", "/var/runtime/bootstrap", "app.handler")
    with engine.running(function, *words, flags=("--entrypoint", "rapid")) as container:
        assert call(container.address, "GET", "/healthz").status == 404
        assert container.exec(*CHECK).returncode == 0


def test_the_check_fails_in_one_line_where_nothing_answers(engine: Engine, python: str) -> None:
    done = engine.finish(python, *CHECK[1:], flags=("--entrypoint", CHECK[0]))
    assert done.returncode == 1
    assert done.stderr == "unhealthy: 0.0.0.0:8080: [Errno 111] Connection refused\n"


def test_the_check_finds_no_fault_behind_another_runtime_api(engine: Engine, python: str) -> None:
    flags = ("--entrypoint", CHECK[0], "--env", "AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001")
    assert engine.finish(python, *CHECK[1:], flags=flags).returncode == 0


def test_the_log_shows_an_invocation_once_from_start_to_report(engine: Engine, function: str) -> None:
    with engine.running(function) as container:
        request_id = container.invoke({"say": "hello"}).headers["x-amzn-requestid"]
        container.said(f"REPORT RequestId: {request_id}")
        log = engine.run("logs", container.name).stdout
    report = (
        rf"REPORT RequestId: {request_id}\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 3008 MB"
        r"\tMax Memory Used: [1-9]\d* MB\tInit Duration: \d+\.\d\d ms\t"
    )
    version = r"INIT_START Runtime Version: provided:rapid\.v\S+\tRuntime Version ARN: arn:aws:lambda:\S+"
    start, end = rf"START RequestId: {request_id} Version: \$LATEST", f"END RequestId: {request_id}"
    lines = [version, start, "echo hello", end, report]
    assert re.fullmatch("\n".join(lines) + "\n", log), log
