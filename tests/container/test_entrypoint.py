"""The contract of /lambda-entrypoint.sh, which is that of AWS's images."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.support.container import Container, Engine

pytestmark = pytest.mark.container

ONE_ARGUMENT = "entrypoint requires the handler name to be the first argument\n"
SIGTERM_BIT = 1 << (signal.SIGTERM - 1)


@pytest.mark.parametrize("words", [(), ("app.handler", "more")], ids=["none", "two"])
@pytest.mark.parametrize("behind", [(), ("--env", "AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001")], ids=["alone", "behind"])
def test_other_than_one_argument_is_refused(
    engine: Engine, python: str, words: tuple[str, ...], behind: tuple[str, ...]
) -> None:
    done = engine.finish(python, *words, flags=behind)
    assert (done.returncode, done.stdout, done.stderr) == (142, "", ONE_ARGUMENT)


def test_the_argument_becomes_the_handler(served: Container) -> None:
    environ = served.invoke({"do": "tell"}).json["answer"]["environ"]
    assert environ["_HANDLER"] == "app.handler"
    assert environ["AWS_LAMBDA_RUNTIME_API"] == "127.0.0.1:9001"
    assert environ["LAMBDA_TASK_ROOT"] == "/var/task"


def test_rapid_is_process_1_and_the_function_its_child(served: Container) -> None:
    pid = served.invoke({"do": "tell"}).json["answer"]["pid"]
    assert "/usr/local/bin/rapid" in served.processes()[1].split()
    assert "PPid:\t1\n" in served.exec("cat", f"/proc/{pid}/status").stdout


def test_a_handler_that_is_not_there_is_told_to_the_caller_and_in_the_log(engine: Engine, function: str) -> None:
    with engine.running(function, "missing.handler") as container:
        reply = container.invoke()
        assert (reply.status, reply.headers["x-amz-function-error"]) == (200, "Unhandled")
        assert reply.json["errorType"] == "Runtime.ImportModuleError"
        assert "No module named 'missing'" in reply.json["errorMessage"]
        assert "Runtime.ImportModuleError" in container.logs()


def test_a_setting_that_cannot_be_used_ends_it_with_one_sentence(engine: Engine, function: str) -> None:
    done = engine.finish(function, flags=("--env", "AWS_LAMBDA_FUNCTION_TIMEOUT=1.5x"))
    assert done.returncode == 2
    assert done.stderr == (
        "rapid: AWS_LAMBDA_FUNCTION_TIMEOUT is '1.5x': expected seconds, more than 0 and at most 86400\n"
    )


@pytest.mark.parametrize("target", ["python", "provided"])
def test_behind_another_runtime_api_only_the_bootstrap_runs(
    engine: Engine, request: pytest.FixtureRequest, target: str
) -> None:
    image = str(request.getfixturevalue(target))
    done = engine.finish(image, "app.handler", flags=("--env", "AWS_LAMBDA_RUNTIME_API=127.0.0.1:9"))
    assert "(rapid)" not in done.stderr
    if target == "provided":
        assert (done.returncode, done.stderr) == (127, "no bootstrap in /var/runtime, /var/task or /opt\n")
    else:
        assert done.returncode == 1
        assert "127.0.0.1:9" in done.stderr


@pytest.mark.parametrize("user", ["993:990", "1234:1234", "0"])
@pytest.mark.parametrize(
    ("program", "environ", "blocked"),
    [
        ("/var/lang/bin/rapid", (), SIGTERM_BIT),
        ("/var/runtime/bootstrap", ("--env", "AWS_LAMBDA_RUNTIME_API=127.0.0.1:9"), 0),
    ],
    ids=["rapid", "bootstrap"],
)
def test_an_early_sigterm_waits_for_rapid_and_not_for_a_bootstrap_alone(
    engine: Engine, provided: str, tmp_path: Path, user: str, program: str, environ: tuple[str, ...], blocked: int
) -> None:
    tells = tmp_path / "tells"
    tells.write_text("#!/bin/sh\nexec grep SigBlk /proc/self/status\n")
    tells.chmod(0o755)
    done = engine.finish(provided, "any", flags=("--user", user, "--volume", f"{tells}:{program}:ro", *environ))
    assert int(done.stdout.split()[1], 16) == blocked
