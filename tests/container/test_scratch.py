"""Environments of one container have a /tmp each."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.container.test_confinement import HARDENED
from tests.server.played import begin
from tests.support.container import Container, Engine
from tests.support.program import PATIENCE, until

pytestmark = pytest.mark.container

TWO: Any = {"RAPID_MAX_ENVIRONMENTS": "2", "RAPID_PROVISIONED_CONCURRENCY": "2", "AWS_LAMBDA_FUNCTION_TIMEOUT": "30"}
OF_ITS_OWN = "each environment has a /tmp of its own"


def runtimes(container: Container) -> list[int]:
    """The runtimes of both environments, once there are two."""
    return until(lambda: _runtimes(container), "two runtimes")


def _runtimes(container: Container) -> list[int] | None:
    found = [pid for pid, command in container.processes().items() if "runtime/__main__.py" in command]
    return found if len(found) == 2 else None


def namespace(container: Container, pid: int) -> str:
    """The mount namespace of a process of the function's user."""
    return container.engine.run("exec", "--user", "993:990", container.name, "readlink", f"/proc/{pid}/ns/mnt").stdout


def capabilities(container: Container, pid: int) -> list[str]:
    return re.findall(r"^Cap.*$", container.exec("cat", f"/proc/{pid}/status").stdout, re.MULTILINE)


@pytest.mark.parametrize("flags", [(), HARDENED, ("--user", "root")], ids=["as it is", "hardened", "root"])
def test_each_has_its_own_without_further_privileges(engine: Engine, function: str, flags: tuple[str, ...]) -> None:
    with engine.running(function, flags=flags, **TWO) as container:
        container.said(OF_ITS_OWN)
        pids = runtimes(container)
        places = {namespace(container, pid) for pid in (1, *pids)}
        assert len(places) == 3
        for pid in pids:
            assert capabilities(container, pid) == capabilities(container, 1)
        slow = begin(container.invoke, {"do": "sleep", "seconds": 2, "say": "slow"})
        container.said("asleep slow")
        assert container.invoke({"do": "write", "path": "/tmp/note", "text": "mine"}).json["answer"] == 4
        assert container.invoke({"do": "read", "path": "/tmp/note"}).json["answer"] == "mine"
        assert slow.result(PATIENCE).status == 200
        notes = container.exec("sh", "-c", "ls /tmp/note /tmp/rapid-*/note").stdout.split()
        assert len(notes) == 1
        assert re.fullmatch(r"/tmp/rapid-[12]-\w+/note", notes[0])


def test_one_environment_has_the_containers(engine: Engine, function: str) -> None:
    with engine.running(function) as container:
        assert container.invoke({"do": "write", "path": "/tmp/note", "text": "mine"}).json["answer"] == 4
        assert container.exec("cat", "/tmp/note").stdout == "mine"


@pytest.mark.parametrize(
    "flags",
    [("--user", "root", "--cap-drop", "ALL"), ("--volume", "/tmp/below"), ("--cap-add", "NET_ADMIN")],
    ids=["root without capabilities", "a volume below /tmp", "capabilities of its own"],
)
def test_where_nothing_can_be_mounted_each_has_a_tmpdir(engine: Engine, function: str, flags: tuple[str, ...]) -> None:
    with engine.running(function, flags=flags, **TWO) as container:
        container.said("environments share /tmp, and have a TMPDIR each")
        environ = container.invoke({"do": "tell"}).json["answer"]["environ"]
        assert re.fullmatch(r"/tmp/rapid-[12]-\w+", environ["TMPDIR"])
        assert container.exec("stat", "-c", "%a", environ["TMPDIR"]).stdout.strip() == "700"
