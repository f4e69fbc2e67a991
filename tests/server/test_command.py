"""The command line: flags, variables, defaults; and one sentence for everything that is wrong with them."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.program import ANY_PORT, AWSLAMBDARIC, PATIENCE, Program, call, environ, running, until

SCRIPT = Path(sys.executable).parent / "rapid"
INVOKE_FLAG = "--runtime-interface-emulator-address"
API_FLAG = "--runtime-api-address"
ANY_INVOKE, ANY_API = {"PORT": "0"}, {"RAPID_RUNTIME_API_ADDRESS": "127.0.0.1:0"}
APP = """
import os, sys
def handler(event, context):
    return {
        "left": context.get_remaining_time_in_millis(),
        "argv": sys.orig_argv[1:],
        "env": {key: os.environ.get(key) for key in event.get("env", [])},
        "cwd": os.getcwd(),
    }
"""


@pytest.fixture
def task(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "mod.py").write_text(APP.replace("handler", "fn"))
    return tmp_path


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody has."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def rapid(cwd: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the console script to its end."""
    return subprocess.run(
        [str(SCRIPT), *words], cwd=cwd, env=environ(**env), capture_output=True, text=True, timeout=PATIENCE
    )


@contextmanager
def started(words: Sequence[str | Path], cwd: Path, **env: str) -> Iterator[Program]:
    """Run any program that is rapid."""
    with subprocess.Popen(
        [*map(str, words)], cwd=cwd, env=environ(**env), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        program = Program(process)
        try:
            yield program
        finally:
            program.stop()


def refused(done: subprocess.CompletedProcess[str], *named: str) -> str:
    """Its one sentence, which must name what is wrong."""
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"rapid: [^\n]+\n", done.stderr), done.stderr
    for name in named:
        assert name in done.stderr
    return done.stderr


# What it runs


@pytest.mark.parametrize("handler", ["app.handler", "pkg/mod.fn", "pkg.mod.fn"])
def test_a_handler_runs_on_our_runtime(task: Path, handler: str) -> None:
    with running(handler, task) as program:
        answer = program.invoke({"env": ["_HANDLER", "LAMBDA_TASK_ROOT"]}).json
    assert answer["argv"][-1].endswith("runtime/__main__.py")
    assert (answer["env"]["_HANDLER"], answer["env"]["LAMBDA_TASK_ROOT"]) == (handler, str(task))
    assert answer["cwd"] == str(task)


def test_an_executable_gets_its_words_and_the_last_one_as_handler(task: Path) -> None:
    with running([*AWSLAMBDARIC, "app.handler"], task) as program:
        answer = program.invoke({"env": ["_HANDLER"]}).json
    assert answer["argv"] == ["-m", "awslambdaric", "app.handler"]
    assert answer["env"]["_HANDLER"] == "app.handler"


@pytest.mark.parametrize(
    "words",
    [
        [*ANY_PORT, "app.handler"],
        ["app.handler", *ANY_PORT],
        [ANY_PORT[0], ANY_PORT[1], "app.handler", ANY_PORT[2], ANY_PORT[3]],
        [f"{INVOKE_FLAG}=127.0.0.1:0", "app.handler", f"{API_FLAG}=127.0.0.1:0", "--log-level=info"],
        [*ANY_PORT, "--", "app.handler"],
        ["--log-level", "INFO", *ANY_PORT, "app.handler"],
    ],
)
def test_flags_may_stand_before_and_after_the_command(task: Path, words: list[str]) -> None:
    with running(words, task, flags=()) as program:
        assert program.invoke({}).status == 200


def test_unknown_flags_behind_the_command_and_all_behind_two_dashes_are_its_own(tmp_path: Path) -> None:
    script = tmp_path / "told"
    script.write_text('#!/bin/sh\necho "told $*"\nexec sleep 1000\n')
    script.chmod(0o755)
    with running(["./told", "-x", "--version", "--log-level", "debug", "--", "--log-level", "y"], tmp_path) as program:
        program.said(r"^told -x --version --log-level y$")


@pytest.mark.parametrize(
    ("env", "invoke", "api"),
    [
        ({"PORT": "{a}", "RAPID_RUNTIME_API_ADDRESS": "127.0.0.1:{b}"}, "127.0.0.1:{a}", "127.0.0.1:{b}"),
        ({"PORT": "{a}", "RAPID_HOST": "0.0.0.0", **ANY_API}, "0.0.0.0:{a}", None),
        ({"RAPID_RUNTIME_INTERFACE_EMULATOR_ADDRESS": "localhost:{a}", "PORT": "1", **ANY_API}, "127.0.0.1:{a}", None),
        ({"RAPID_RUNTIME_INTERFACE_EMULATOR_ADDRESS": ":{a}", **ANY_API}, "0.0.0.0:{a}", None),
        ({**ANY_INVOKE, "RAPID_RUNTIME_API_ADDRESS": "[::1]:{b}"}, None, "[::1]:{b}"),
    ],
)
def test_addresses_may_come_from_variables(
    task: Path, env: dict[str, str], invoke: str | None, api: str | None
) -> None:
    ports = {"a": str(free_port()), "b": str(free_port())}
    with running("app.handler", task, flags=(), **{k: v.format(**ports) for k, v in env.items()}) as program:
        assert invoke is None or program.invoke_address == invoke.format(**ports)
        assert api is None or program.runtime_address == api.format(**ports)
        told = program.invoke({"env": ["AWS_LAMBDA_RUNTIME_API"]}).json["env"]["AWS_LAMBDA_RUNTIME_API"]
        assert told == program.runtime_address


def test_a_flag_is_stronger_than_a_variable(task: Path) -> None:
    with running("app.handler", task, PORT="1", RAPID_LOG_LEVEL="nonsense", flags=(*ANY_PORT, "--log-level", "info")):
        pass


@pytest.mark.parametrize("name", ["RAPID_LOG_LEVEL", "LOG_LEVEL"])
def test_the_log_level_may_come_from_variables(task: Path, name: str) -> None:
    port = free_port()
    env = {name: "error", "PORT": str(port), **ANY_API}
    with subprocess.Popen(
        [str(SCRIPT), "app.handler"], cwd=task, env=environ(**env), stderr=subprocess.PIPE, text=True
    ) as process:
        until(lambda: answers(port), "rapid to answer")
        process.terminate()
        assert process.stderr is not None
        assert process.stderr.read() == ""


def answers(port: int) -> bool:
    try:
        return call(f"127.0.0.1:{port}", "GET", "/healthz").status == 200
    except ConnectionRefusedError:
        return False


def test_the_runtime_is_told_what_lambda_would_tell_it(task: Path) -> None:
    env = {"AWS_LAMBDA_FUNCTION_NAME": "orders", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_REGION": "eu-west-1"}
    asked = {
        "AWS_LAMBDA_FUNCTION_NAME": "orders",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/orders",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "TZ": ":UTC",
        "OWN": "variable",
        "AWS_ACCESS_KEY_ID": None,
    }
    with running("app.handler", task, **env, OWN="variable") as program:
        told = program.invoke({"env": [*asked, "AWS_LAMBDA_LOG_STREAM_NAME"]}).json["env"]
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", told.pop("AWS_LAMBDA_LOG_STREAM_NAME"))
    assert told == asked


# The default timeout


@pytest.mark.parametrize(
    ("flags", "env", "seconds"),
    [
        ((), {**ANY_INVOKE, **ANY_API}, 3),
        (ANY_PORT[2:], ANY_INVOKE, 3),
        (ANY_PORT, {}, 300),
        (ANY_PORT, {"AWS_LAMBDA_FUNCTION_TIMEOUT": "1.5"}, 1.5),
        (ANY_PORT, {"AWS_LAMBDA_FUNCTION_TIMEOUT": ""}, 300),
    ],
)
def test_the_default_timeout_is_3_s_and_300_s_with_the_emulators_flag(
    task: Path, flags: tuple[str, ...], env: dict[str, str], seconds: float
) -> None:
    with running("app.handler", task, flags=flags, **env) as program:
        assert seconds * 1000 - 500 < program.invoke({}).json["left"] <= seconds * 1000


def test_under_the_emulators_name_it_is_300_s_too(task: Path, tmp_path: Path) -> None:
    (tmp_path / "aws-lambda-rie").symlink_to(SCRIPT)
    with started([tmp_path / "aws-lambda-rie", "app.handler"], task, **ANY_INVOKE, **ANY_API) as program:
        assert 299_500 < program.invoke({}).json["left"] <= 300_000


# Wrong usage


def test_help_and_version_are_printed(tmp_path: Path) -> None:
    help_text, version = rapid(tmp_path, "--help"), rapid(tmp_path, "--version")
    assert (help_text.returncode, help_text.stderr, version.returncode, version.stderr) == (0, "", 0, "")
    assert help_text.stdout.startswith("usage: rapid [flags] [--] COMMAND [ARGS...]\n")
    for flag in (INVOKE_FLAG, API_FLAG, "--log-level", "--version", "--help"):
        assert flag in help_text.stdout
    assert re.fullmatch(r"rapid \d+\.\d+\.\d+\S*\n", version.stdout)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], ["/var/runtime/bootstrap, /var/task/bootstrap, /opt/bootstrap"]),
        (["--nonsense", "app.handler"], ["--nonsense"]),
        (["-x"], ["-x"]),
        (["--log-level"], ["--log-level"]),
        ([f"{INVOKE_FLAG}=", "app.handler"], [INVOKE_FLAG]),
        (["app.handler", "--log-level", "info", "--log-level=debug"], ["--log-level", "twice"]),
        (["--log-level", "loud", "app.handler"], ["--log-level", "'loud'", "trace, debug"]),
        (["missing.handler"], ["missing.py"]),
        (["pkg/nothing.fn"], ["pkg/nothing.py"]),
        (["no-such-program"], ["'no-such-program'"]),
        (["./no/such/program", "app.handler"], ["'./no/such/program'"]),
        (["app.py"], ["app.py", "not executable"]),
        (["./app.py", "app.handler"], ["app.py", "not executable"]),
        (["pkg"], ["'pkg'"]),
        ([""], ["''"]),
        ([INVOKE_FLAG, "8080", "app.handler"], [INVOKE_FLAG, "'8080'", "host:port"]),
        ([INVOKE_FLAG, "localhost:99999", "app.handler"], [INVOKE_FLAG, "99999"]),
        ([INVOKE_FLAG, "localhost:http", "app.handler"], [INVOKE_FLAG, "localhost:http"]),
        ([INVOKE_FLAG, "a b:80", "app.handler"], [INVOKE_FLAG, "a b:80"]),
        ([INVOKE_FLAG, "no.such.host.invalid:80", "app.handler"], [INVOKE_FLAG, "no.such.host.invalid:80"]),
        ([INVOKE_FLAG, "192.0.2.1:80", "app.handler"], [INVOKE_FLAG, "192.0.2.1:80"]),
        ([API_FLAG, "0.0.0.0:9001", "app.handler"], [API_FLAG, "0.0.0.0:9001", "loopback"]),
        ([API_FLAG, ":9001", "app.handler"], [API_FLAG, "0.0.0.0:9001", "loopback"]),
        ([API_FLAG, "no.such.host.invalid:1", "app.handler"], [API_FLAG, "no.such.host.invalid:1"]),
        (["snapshot", "app.handler"], ["rapid snapshot", "--output"]),
        (["snapshot", "--output", "there", "missing.handler"], ["missing.py"]),
        (["--output", "there", "app.handler"], ["unknown flag --output"]),
        (["--", "snapshot"], ["'snapshot' is not an executable"]),
    ],
)
def test_wrong_words_are_named(task: Path, words: list[str], named: list[str]) -> None:
    refused(rapid(task, *words, **ANY_INVOKE, **({} if API_FLAG in words else ANY_API)), *named)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("AWS_LAMBDA_FUNCTION_TIMEOUT", ["1.5x", "0", "-1", "nan", "inf", "86401", "3s", " "]),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", ["lots", "0", "-128", "128MB", "1.5"]),
        ("AWS_LAMBDA_FUNCTION_NAME", ["a b", "x" * 65, "a/b", "ö"]),
        ("AWS_LAMBDA_MAX_CONCURRENCY", ["0", "-1", "1601", "1.5", "many", " "]),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", ["provisioned-concurrency", "snapstart"]),
        ("AWS_ACCOUNT_ID", ["123", "12345678901x", "1234567890123", "\uff11" * 12]),
        ("PORT", ["99999", "-1", "http", "80.5", "tcp://10.0.0.1:80"]),
        ("RAPID_RUNTIME_API_ADDRESS", ["9001", "localhost:", "10.0.0.1:9001", "localhost:65536"]),
        ("RAPID_RUNTIME_INTERFACE_EMULATOR_ADDRESS", ["8080", "localhost:99999"]),
        ("RAPID_LOG_LEVEL", ["loud"]),
        ("LOG_LEVEL", ["verbose"]),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(task: Path, name: str, values: list[str]) -> None:
    for value in values:
        refused(rapid(task, "app.handler", **{**ANY_INVOKE, **ANY_API, name: value}), name, repr(value))


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({"AWS_LAMBDA_MAX_CONCURRENCY": "2", "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}, "SnapStart"),
        ({"AWS_LAMBDA_MAX_CONCURRENCY": "2", "RAPID_SNAPSHOT": "fork"}, "SnapStart"),
        ({"AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances"}, "lambda-managed-instances"),
    ],
)
def test_several_invocations_at_once_are_refused_where_they_cannot_be(
    task: Path, env: dict[str, str], named: str
) -> None:
    refused(rapid(task, "app.handler", **ANY_INVOKE, **ANY_API, **env), "AWS_LAMBDA_MAX_CONCURRENCY", named)


@pytest.mark.parametrize("name", ["AWS_LAMBDA_MAX_CONCURRENCY", "RAPID_PROVISIONED_CONCURRENCY"])
@pytest.mark.parametrize("asked", [{"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}, {"RAPID_SNAPSHOT": "fork"}])
def test_snapstart_excludes_other_kinds_of_environments(task: Path, name: str, asked: dict[str, str]) -> None:
    env = {**ANY_INVOKE, **ANY_API, "RAPID_MAX_ENVIRONMENTS": "2", **asked, name: "2"}
    refused(rapid(task, "app.handler", **env), name, "'2'", "SnapStart")


@pytest.mark.parametrize("flag", [INVOKE_FLAG, API_FLAG])
def test_a_taken_port_is_named(task: Path, taken: int, flag: str) -> None:
    other = ANY_PORT[2:] if flag == INVOKE_FLAG else ANY_PORT[:2]
    said = refused(rapid(task, *other, flag, f"127.0.0.1:{taken}", "app.handler"), flag, f"127.0.0.1:{taken}")
    assert "address already in use" in said


def test_a_taken_port_of_a_variable_is_named(task: Path, taken: int) -> None:
    refused(rapid(task, "app.handler", PORT=str(taken), **ANY_API), "PORT", f"127.0.0.1:{taken}", "in use")


def test_the_module_is_the_command_too(task: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rapid", "--version"], cwd=task, env=environ(), capture_output=True, text=True
    )
    assert done.stdout == rapid(task, "--version").stdout
    assert os.access(SCRIPT, os.X_OK)
