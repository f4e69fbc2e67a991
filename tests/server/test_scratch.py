"""Environments side by side have a /tmp each, or a TMPDIR each where nothing can be mounted."""

from __future__ import annotations

import os
import re
import signal
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.server.extended import Task
from tests.server.gate import Gate, gate
from tests.server.played import begin
from tests.support.program import PATIENCE, Program, running, until

APP = """
import json, os, socket, tempfile

def handler(event, context):
    do = event["do"]
    if do == "exit":
        os._exit(1)
    place = os.environ.get("TMPDIR", "/tmp")
    if do == "leave":
        open(os.path.join(place, "note"), "x").write(event["say"])
        os.makedirs(os.path.join(place, "locked", "in"))
        os.chmod(os.path.join(place, "locked"), 0)
    told = {"place": place, "default": tempfile.gettempdir(), "files": os.listdir(place), "pid": os.getpid()}
    with open("/proc/self/status") as status:
        told["capabilities"] = [line for line in status if line.startswith("Cap")]
    told["parent"], told["cwd"] = os.getppid(), os.getcwd()
    told["note"] = open(os.path.join(place, "note")).read() if "note" in told["files"] else None
    if event.get("wait"):
        with socket.socket(socket.AF_UNIX) as gate:
            gate.connect("gate")
            gate.sendall(json.dumps(told).encode() + b"\\n")
            gate.recv(1)
    return told
"""

EXTENSION = """
note("place", place=os.environ.get("TMPDIR", "/tmp"), files=os.listdir(os.environ.get("TMPDIR", "/tmp")))
Extension("INVOKE", "SHUTDOWN").work()
"""

MOUNTED = "each environment has a /tmp of its own"
FOLDERS = r"environments share /tmp, and have a TMPDIR each: (.*)"


@contextmanager
def serving(task: Path, **env: str) -> Iterator[tuple[Program, Gate]]:
    """A rapid with two environments at most, and a gate for its handlers."""
    (task / "app.py").write_text(APP)
    told = {"RAPID_MAX_ENVIRONMENTS": "2", "AWS_LAMBDA_FUNCTION_TIMEOUT": "20", **env}
    with gate(task) as it, running("app.handler", task, **told) as program:
        yield program, it
    assert "Traceback" not in "".join(program.errors)


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder that is not in /tmp."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        yield Path(folder)


def kind(program: Program) -> str:
    """What rapid has said of /tmp."""
    said = until(lambda: re.search(f"{MOUNTED}|{FOLDERS}", "".join(program.errors)), "a word on /tmp")
    return said[0]


def two_at_once(program: Program, it: Gate) -> list[Any]:
    """What two environments tell that have left a note each."""
    calls = [begin(program.invoke, {"do": "leave", "say": say, "wait": True}) for say in ("one", "other")]
    for here in it.arrived(2):
        here.pass_on()
    return [call.result(PATIENCE).json for call in calls]


def test_a_single_environment_has_tmp_as_it_is(tmp_path: Path) -> None:
    with serving(tmp_path, RAPID_MAX_ENVIRONMENTS="1") as (program, _):
        told = program.invoke({"do": "look"}).json
        assert (told["place"], told["default"]) == ("/tmp", tempfile.gettempdir())
        assert not re.search(f"{MOUNTED}|{FOLDERS}", "".join(program.errors))


def test_with_a_function_in_tmp_each_environment_has_a_tmpdir(tmp_path: Path) -> None:
    root = tmp_path / "tmp"
    root.mkdir()
    with serving(tmp_path, TMPDIR=str(root)) as (program, it):
        assert kind(program).endswith("would be hidden")
        one, other = two_at_once(program, it)
        assert [one["note"], other["note"]] == ["one", "other"]
        for told in (one, other):
            assert {*told["files"]} == {"note", "locked"}
            assert told["default"] == told["place"]
            assert Path(told["place"]).parent == root
            assert stat.S_IMODE(os.stat(told["place"]).st_mode) == 0o700
        assert program.stop() == 0
        assert list(root.iterdir()) == []


def test_a_folder_outlives_a_reset_and_is_the_extensions_too(tmp_path: Path) -> None:
    task = Task(tmp_path)
    task.extension("watch", EXTENSION)
    (tmp_path / "tmp").mkdir()
    env = {"RAPID_EXTENSIONS_DIR": str(task.extensions), "TMPDIR": str(tmp_path / "tmp")}
    with serving(tmp_path, **env) as (program, _):
        left = program.invoke({"do": "leave", "say": "here"}).json
        os.kill(left["pid"], signal.SIGKILL)
        task.noted("watch", "place", 2)
        assert program.invoke({"do": "look"}).json["note"] == "here"
        before, after = task.notes("watch", "place")
        assert before["place"] == after["place"] == left["place"]
        assert "note" in after["files"]


def test_elsewhere_each_environment_has_a_tmp(elsewhere: Path) -> None:
    with serving(elsewhere) as (program, it):
        if kind(program) != MOUNTED:
            pytest.skip(kind(program))
        one, other = two_at_once(program, it)
        own = Path(f"/proc/{program.process.pid}/status").read_text().splitlines(keepends=True)
        for told in (one, other):
            assert (told["place"], told["default"], told["cwd"]) == ("/tmp", "/tmp", str(elsewhere))
            assert {*told["files"]} == {"note", "locked"}
            assert told["parent"] == program.process.pid
            assert told["capabilities"] == [line for line in own if line.startswith("Cap")]
        assert [one["note"], other["note"]] == ["one", "other"]
        assert not Path("/tmp/note").exists()
        folders = [path for path in Path("/tmp").glob("rapid-[12]-*/note") if path.read_text() in ("one", "other")]
        assert folders
        os.kill(one["pid"], signal.SIGKILL)
        os.kill(other["pid"], signal.SIGKILL)
        until(lambda: "".join(program.output).count("INIT_START") == 4 or None, "both to be started again")
        assert program.invoke({"do": "look"}).json["note"] in ("one", "other")
        assert program.stop() == 0
        assert not any(path.exists() for path in folders)


def test_an_extension_shares_the_tmp_of_its_environment(elsewhere: Path) -> None:
    task = Task(elsewhere)
    task.extension("watch", EXTENSION)
    with serving(elsewhere, RAPID_EXTENSIONS_DIR=str(task.extensions)) as (program, _):
        if kind(program) != MOUNTED:
            pytest.skip(kind(program))
        os.kill(program.invoke({"do": "leave", "say": "here"}).json["pid"], signal.SIGKILL)
        task.noted("watch", "place", 2)
        assert "note" in task.notes("watch", "place")[1]["files"]
        (extension,) = {line["pid"] for line in task.notes("watch", "place")[1:]}
        runtime = program.invoke({"do": "look"}).json["pid"]
        namespaces = {os.readlink(f"/proc/{pid}/ns/mnt") for pid in (extension, runtime)}
        assert len(namespaces) == 1
        assert namespaces != {os.readlink(f"/proc/{program.process.pid}/ns/mnt")}


def test_a_command_that_is_missing_is_named_there_too(elsewhere: Path) -> None:
    bootstrap = elsewhere / "bootstrap"
    bootstrap.write_text("#!/nowhere/shell\n")
    bootstrap.chmod(0o755)
    with running([str(bootstrap)], elsewhere, RAPID_MAX_ENVIRONMENTS="2") as program:
        reply = program.invoke({})
        assert reply.json["errorType"] == "Runtime.InvalidEntrypoint"
        assert f"{bootstrap}: no such file or directory" in reply.json["errorMessage"]


def test_forks_have_a_tmpdir_each(tmp_path: Path) -> None:
    root = tmp_path / "tmp"
    root.mkdir()
    with serving(tmp_path, TMPDIR=str(root), RAPID_SNAPSHOT="fork") as (program, it):
        assert kind(program).endswith("or write to rapid's socket there")
        one, other = two_at_once(program, it)
        assert [one["note"], other["note"]] == ["one", "other"]
        for told in (one, other):
            assert told["default"] == told["place"]
            assert re.fullmatch(r"rapid-[12]-\w+", Path(told["place"]).name)
        assert program.stop() == 0
        assert list(root.iterdir()) == []


def test_what_a_killed_environment_leaves_is_deleted(tmp_path: Path) -> None:
    root = tmp_path / "tmp"
    root.mkdir()
    with serving(tmp_path, TMPDIR=str(root)) as (program, _):
        told = program.invoke({"do": "leave", "say": "here"}).json
        os.kill(told["pid"], signal.SIGKILL)
        assert program.stop() == 0
        assert list(root.iterdir()) == []
