"""One image serves here and on AWS: behind a Runtime API that is another process', only the bootstrap runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import emulator
from tests.support.container import Container, Engine

pytestmark = pytest.mark.container

RUNTIME_API = "127.0.0.1:9001"
A_FEW_SECONDS = 3.0


@pytest.fixture
def server(engine: Engine, provided: str) -> Iterator[Container]:
    """rapid with a command that never asks for an event."""
    with engine.running(provided, "sleep", "3600", flags=("--entrypoint", "rapid")) as container:
        yield container


def test_the_image_serves_behind_a_rapid_in_another_container(engine: Engine, function: str, server: Container) -> None:
    network = ("--network", f"container:{server.name}")
    environ = {"AWS_LAMBDA_RUNTIME_API": RUNTIME_API, "WHERE": "elsewhere", "AWS_LAMBDA_FUNCTION_NAME": "orders"}
    flags = (*network, *(word for item in environ.items() for word in ("--env", "=".join(item))))
    with engine.running(function, flags=flags, ready=False) as other:
        told = server.invoke({"do": "tell"}).json["answer"]
        assert told["environ"]["WHERE"] == "elsewhere"
        assert told["environ"]["_HANDLER"] == "app.handler"
        assert told["pid"] == 1
        assert "bin/rapid" not in " ".join(other.processes().values())
        failed = server.invoke({"do": "fail", "say": "no"})
        assert failed.headers["x-amz-function-error"] == "Unhandled"
        assert failed.json["errorType"] == "ValueError"
        assert server.invoke({"say": "again"}).json["answer"] == {"say": "again"}
        code, seconds = other.stop()
        assert code == 0
        assert seconds < A_FEW_SECONDS


def test_behind_another_runtime_api_extensions_are_left_to_it(engine: Engine, watched: str, server: Container) -> None:
    flags = ("--network", f"container:{server.name}", "--env", f"AWS_LAMBDA_RUNTIME_API={RUNTIME_API}")
    with engine.running(watched, flags=(*flags, "--env", "RAPID_EXTENSIONS=logs-file"), ready=False) as other:
        assert server.invoke({"say": "hello"}).json["answer"] == {"say": "hello"}
        assert list(other.processes()) == [1]
        assert "watch" not in other.logs()


@pytest.mark.rie
def test_aws_own_emulator_starts_the_extensions_of_the_image_once(engine: Engine, watched: str) -> None:
    flags = ("--volume", f"{emulator.binary()}:/emulator:ro", "--entrypoint", "/emulator")
    with engine.running(watched, "/lambda-entrypoint.sh", "app.handler", flags=flags) as container:
        assert container.invoke({"say": "hello"}).json["answer"] == {"say": "hello"}
        assert len([pid for pid, name in container.processes().items() if "/opt/extensions/watch" in name]) == 1


@pytest.mark.rie
@pytest.mark.parametrize("command", ["/var/runtime/bootstrap", "/lambda-entrypoint.sh"])
def test_the_image_serves_behind_aws_own_emulator(engine: Engine, function: str, command: str) -> None:
    path = emulator.binary()
    flags = ("--volume", f"{path}:/emulator:ro", "--entrypoint", "/emulator")
    with engine.running(function, command, "app.handler", flags=flags) as container:
        assert "/emulator" in container.processes()[1]
        assert "bin/rapid" not in " ".join(container.processes().values())
        for number in range(3):
            assert container.invoke({"say": number}).json["answer"] == {"say": number}
        assert container.invoke({"do": "fail", "say": "no"}).json["errorType"] == "ValueError"
        assert container.invoke({"say": "again"}).json["answer"] == {"say": "again"}
