"""Start: loading the handler, errors at init, how the program is called."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from tests.runtime.harness import BOOTSTRAP, Event, Run, assert_alike, both, ours, same_everywhere, write

GOOD = "def handler(event, context): return __name__"


@pytest.mark.parametrize(
    "handler", ["app.handler", "pkg.sub.mod.handler", "pkg/sub/mod.handler", "pkg.handler", "pkg/sub.handler"]
)
def test_a_handler_is_found(tmp_path: Path, handler: str) -> None:
    task = write(tmp_path, app=GOOD, pkg____init__="", pkg__sub__mod=GOOD)
    (task / "pkg" / "__init__.py").write_text(GOOD)
    (task / "pkg" / "sub" / "__init__.py").write_text(GOOD)
    assert_alike(*both(task, Event(), handler=handler))


@pytest.mark.parametrize(
    "handler",
    [
        "handler",
        "",
        ".handler",
        "app.",
        "nowhere.handler",
        "app.missing",
        "app.Class.method",
        "sys.handler",
        "time.x.handler",
        "./app.handler",
        "/app.handler",
        "needs.handler",
        "broken.handler",
        "indented.handler",
        "raises.handler",
        "raises_import.handler",
        "logs.handler",
    ],
)
def test_a_handler_that_cannot_be_loaded_is_an_init_error(tmp_path: Path, handler: str) -> None:
    write(
        tmp_path,
        app="class Class:\n    def method(event, context): pass\n" + GOOD,
        needs="import nowhere_to_be_found",
        broken="def handler(event, context)\n    return 1\n",
        indented="def handler(event, context):\nreturn 1\n",
        raises="def f():\n    raise LookupError('at import: é')\nf()\n",
        raises_import="raise ImportError",
        logs="import logging\nlogging.warning('first')\nlogging.getLogger().setLevel('ERROR')\n1 / 0\n",
    )
    mine, other = both(tmp_path, handler=handler)
    assert _own_frames_only(mine) == _own_frames_only(other)
    assert mine.status == other.status == 1
    assert mine.only.headers["lambda-runtime-function-error-type"] == mine.only.json()["errorType"]


def _own_frames_only(run: Run) -> object:
    """What was told about an init error, without the import system's frames, which differ from Python to Python."""
    error = run.only.json()
    error["stackTrace"] = [entry for entry in error["stackTrace"] if "importlib" not in entry]
    log = re.sub("\r\u00a0\u00a0File [^\r]*importlib[^\r]*(\r\u00a0{4}[^\r\n]*)?", "", same_everywhere(run.stdout))
    return run.only.kind, run.only.headers["lambda-runtime-function-error-type"], error, log


def test_the_handler_comes_from_the_environment_when_there_is_no_argument(tmp_path: Path) -> None:
    run = ours(write(tmp_path, app=GOOD), Event(), handler=None, _HANDLER="app.handler")
    assert run.only.body == b'"app"'


def test_the_argument_wins_and_user_code_sees_it(tmp_path: Path) -> None:
    write(tmp_path, app="import os\ndef handler(event, context): return os.environ['_HANDLER']")
    run = ours(tmp_path, Event(), handler="app.handler", _HANDLER="other.handler")
    assert run.only.body == b'"app.handler"'


def test_no_handler_at_all_is_said_in_a_sentence(tmp_path: Path) -> None:
    run = ours(tmp_path, handler=None)
    assert (run.status, run.requests) == (1, [])
    assert run.stderr.startswith("runtime: there is no handler: ")
    assert run.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("<unset>", "runtime: AWS_LAMBDA_RUNTIME_API is not set: "),
        ("", "runtime: AWS_LAMBDA_RUNTIME_API is not set: "),
        ("127.0.0.1:http", "runtime: AWS_LAMBDA_RUNTIME_API: '127.0.0.1:http' is not an address"),
        ("nowhere.invalid:9001", "runtime: the Runtime API at nowhere.invalid:9001 failed: "),
    ],
)
def test_a_useless_address_is_said_in_a_sentence(tmp_path: Path, address: str, sentence: str) -> None:
    run = ours(write(tmp_path, app=GOOD), AWS_LAMBDA_RUNTIME_API=address)
    assert run.status == 1
    assert run.stderr.startswith(sentence)
    assert run.stderr.count("\n") == 1


def test_nobody_at_the_address_is_said_in_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        run = ours(write(tmp_path, app=GOOD), AWS_LAMBDA_RUNTIME_API=address)
    assert run.stderr == f"runtime: the Runtime API at {address} failed: [Errno 111] Connection refused\n"


def test_the_execution_environment_is_named_as_the_managed_images_name_it(tmp_path: Path) -> None:
    source = (
        "import os, sys\ndef handler(event, context): return [os.environ['AWS_EXECUTION_ENV'], sys.version_info[1]]"
    )
    run = ours(write(tmp_path, app=source), Event(), Event(), AWS_EXECUTION_ENV="<unset>")
    name, minor = run.posts[0].json()
    assert name == f"AWS_Lambda_python3.{minor}"


def test_a_wrapper_is_started_in_place_of_the_interpreter(tmp_path: Path) -> None:
    """As AWS's documentation has wrappers: options of the interpreter go before the last word."""
    write(
        tmp_path, app="import sys\ndef handler(event, context): return sys.flags.no_site, sys.flags.dont_write_bytecode"
    )
    wrapper = tmp_path / "wrapper"
    wrapper.write_text('#!/bin/bash\nargs=("$@")\nexec "${args[@]:0:$#-1}" -S "${args[@]: -1}"\n')
    wrapper.chmod(0o755)
    run = ours(tmp_path, Event(), AWS_LAMBDA_EXEC_WRAPPER=str(wrapper))
    assert run.only.body == b"[1, 1]"


@pytest.mark.parametrize(
    ("mode", "status", "reason"), [(None, 127, "does not exist"), (0o644, 126, "is not an executable")]
)
def test_a_useless_wrapper_ends_the_start(tmp_path: Path, mode: int | None, status: int, reason: str) -> None:
    wrapper = tmp_path / "wrapper"
    if mode is not None:
        wrapper.write_text("#!/bin/sh\n")
        wrapper.chmod(mode)
    run = ours(write(tmp_path, app=GOOD), AWS_LAMBDA_EXEC_WRAPPER=str(wrapper))
    assert (run.status, run.requests) == (status, [])
    assert run.stderr == f"bootstrap: AWS_LAMBDA_EXEC_WRAPPER: {wrapper}: {reason}\n"


def test_an_init_error_that_is_refused_ends_the_process_all_the_same(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        run = ours(tmp_path, AWS_LAMBDA_RUNTIME_API=f"127.0.0.1:{closed.getsockname()[1]}")
    assert run.status == 1
    assert "Runtime.ImportModuleError" in run.stdout


def test_bootstrap_is_executable() -> None:
    assert BOOTSTRAP.stat().st_mode & 0o111 == 0o111
