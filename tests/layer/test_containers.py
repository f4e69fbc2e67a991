"""The unpacked layer at /opt of bare containers, read-only and as Lambda's user, behind AWS's own emulator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support import emulator
from tests.support.container import Engine

pytestmark = [pytest.mark.container, pytest.mark.rie]

WITH_PYTHON = "docker.io/library/python:3.13-slim-trixie"
WITHOUT_PYTHON = "docker.io/library/debian:trixie-slim"

FUNCTION = """\
import os
import sys
import traceback

import package


def handler(event, context):
    if "fail" in event:
        raise ValueError(event["fail"])
    print("seen", event)
    stack = [frame.filename for frame in traceback.extract_stack()]
    return {"event": event, "executable": sys.executable, "stack": stack, "cwd": os.getcwd(), "package": package.NAME}
"""

BRING = """\
import os, re, shutil, subprocess, sys

library, program = os.path.dirname(os.__file__), os.path.realpath(sys.executable)
left = shutil.ignore_patterns("test", "*-packages", "config-*", "__pycache__")
target = os.path.join("/brought/lib", os.path.basename(library))
shutil.copytree(library, target, ignore=left, ignore_dangling_symlinks=True)
os.mkdir("/brought/bin")
for name in ("python3", "python3.13"):
    shutil.copy(program, os.path.join("/brought/bin", name))
for path in re.findall(r"=> (/\\S+)", subprocess.check_output(["ldd", program], text=True)):
    if not os.path.basename(path).startswith(("libc.", "libm.")):
        shutil.copy(path, "/brought/lib")
"""

AWS_BOOTSTRAP = """\
#!/bin/sh
export AWS_EXECUTION_ENV=AWS_Lambda_python3.13
exec "$AWS_LAMBDA_EXEC_WRAPPER" /var/lang/bin/python3.13 -X utf8 /var/runtime/bootstrap.py
"""
"""How AWS's managed runtimes start: /var/runtime/bootstrap, through the wrapper."""


def _function(task: Path) -> None:
    task.mkdir()
    task.joinpath("app.py").write_text(FUNCTION)


def _mounts(**folders: Path) -> list[str]:
    return [word for place, folder in folders.items() for word in ("--volume", f"{folder}:/{place}:ro")]


def _as_on_lambda(flags: Sequence[str]) -> list[str]:
    """Flags of a container that is read-only but for /tmp, run as user 993, and whose server is AWS's emulator."""
    rest = ("--read-only", "--tmpfs", "/tmp", "--user", "993:990", "--workdir", "/var/task")
    environ = ("--env", "_HANDLER=app.handler", "--env", "LAMBDA_TASK_ROOT=/var/task")
    server = ("--volume", f"{emulator.binary()}:/emulator:ro", "--entrypoint", "/emulator")
    return [*rest, *environ, *server, *flags]


def _package(folder: Path, name: str) -> None:
    """A module that tells which of several folders it was found in."""
    folder.mkdir(parents=True)
    folder.joinpath("package.py").write_text(f"NAME = {name!r}\n")


@pytest.fixture(scope="module")
def python_folder(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that runs from wherever it lies, as the archives of one do: bin/, lib/, and the libraries it needs."""
    folder = tmp_path_factory.mktemp("brought")
    flags = ("--volume", f"{folder}:/brought", "--entrypoint", "python3")
    done = engine.finish(WITH_PYTHON, "-c", BRING, flags=flags)
    assert done.returncode == 0, done.stderr
    folder.chmod(0o755)
    return folder


def test_an_os_only_runtime_with_a_python_of_another_layer(
    engine: Engine, opt: Path, python_folder: Path, tmp_path: Path
) -> None:
    _function(tmp_path / "task")
    _package(tmp_path / "site-packages", "a layer's")
    flags = [
        *_mounts(**{"var/task": tmp_path / "task", "opt/bootstrap": opt / "bootstrap", "opt/runtime": opt / "runtime"}),
        *_mounts(**{"opt/python": python_folder, "opt/more": tmp_path / "site-packages"}),
        *("--env", "PATH=/usr/local/bin:/usr/bin:/bin:/opt/bin", "--env", "LD_LIBRARY_PATH=/opt/python/lib"),
        *("--env", "PYTHONPATH=/opt/more"),
    ]
    with engine.running(WITHOUT_PYTHON, flags=_as_on_lambda(flags)) as container:
        for number in range(2):
            answer = container.invoke({"n": number}).json
            assert answer["event"] == {"n": number}
        assert answer["executable"] == "/opt/python/bin/python3"
        assert answer["package"] == "a layer's"
        assert answer["stack"][0] == "/opt/runtime/__main__.py"
        assert container.invoke({"fail": "no"}).json["errorType"] == "ValueError"
        container.said("seen {'n': 1}")


def test_without_a_python_the_caller_and_the_log_are_told(engine: Engine, opt: Path, tmp_path: Path) -> None:
    _function(tmp_path / "task")
    flags = _mounts(**{"var/task": tmp_path / "task", "opt": opt})
    with engine.running(WITHOUT_PYTHON, flags=_as_on_lambda(flags)) as container:
        assert container.invoke({}).status == 502  # the emulator's way to say that there is no runtime
        container.said("bootstrap: no Python")


def test_a_managed_runtime_through_the_wrapper(engine: Engine, opt: Path, python_folder: Path, tmp_path: Path) -> None:
    _function(tmp_path / "task")
    managed = tmp_path / "runtime"
    _package(managed, "AWS's")
    managed.joinpath("bootstrap").write_text(AWS_BOOTSTRAP)
    managed.joinpath("bootstrap").chmod(0o755)
    managed.joinpath("bootstrap.py").write_text("raise SystemExit('AWS has been started')\n")
    flags = [
        *_mounts(**{"var/task": tmp_path / "task", "opt": opt, "var/runtime": managed, "var/lang": python_folder}),
        *("--env", "AWS_LAMBDA_EXEC_WRAPPER=/opt/rapid-runtime", "--env", "PYTHONPATH=/var/runtime"),
        *("--env", "LD_LIBRARY_PATH=/var/lang/lib"),
    ]
    words = ("/var/runtime/bootstrap", "app.handler")
    with engine.running(WITHOUT_PYTHON, *words, flags=_as_on_lambda(flags)) as container:
        answer = container.invoke({"n": 1}).json
        assert answer["executable"] == "/var/lang/bin/python3.13"
        assert answer["cwd"] == "/var/task"
        assert answer["package"] == "AWS's"
        assert answer["stack"][0] == "/opt/runtime/__main__.py"
        container.said("seen {'n': 1}")
        assert "AWS has been started" not in container.logs()


def test_a_layers_package_comes_before_the_managed_runtimes(engine: Engine, opt: Path, tmp_path: Path) -> None:
    _function(tmp_path / "task")
    _package(tmp_path / "runtime", "AWS's")
    _package(tmp_path / "python", "a layer's")
    flags = [
        *_mounts(**{"var/task": tmp_path / "task", "var/runtime": tmp_path / "runtime"}),
        *_mounts(**{"opt/python": tmp_path / "python", "opt/runtime": opt / "runtime"}),
        *_mounts(**{"opt/rapid-runtime": opt / "rapid-runtime"}),
    ]
    command = ("/opt/rapid-runtime", "/usr/local/bin/python3.13", "/var/runtime/bootstrap.py")
    # The emulator takes the first word for the bootstrap, and the last for the handler.
    script = tmp_path / "task" / "start"
    script.write_text(f"#!/bin/sh\nexec {' '.join(command)}\n")
    script.chmod(0o755)
    words = ("/var/task/start", "app.handler")
    with engine.running(WITH_PYTHON, *words, flags=_as_on_lambda(flags)) as container:
        assert container.invoke({}).json["package"] == "a layer's"
