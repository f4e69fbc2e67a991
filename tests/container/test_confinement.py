"""Under the limits that careful people set: other users, a file system that is read only, no capabilities, memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.container import Container, Engine
from tests.support.program import call

pytestmark = pytest.mark.container

HARDENED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")


def told(container: Container) -> Any:
    """What the function says of its process."""
    return container.invoke({"do": "tell"}).json["answer"]


def user_of(container: Container, pid: int) -> list[str]:
    """The four user ids of a process."""
    status = container.exec("cat", f"/proc/{pid}/status").stdout
    found = re.search(r"^Uid:\s(.*)$", status, re.MULTILINE)
    assert found is not None, status
    return found[1].split()


@pytest.fixture(scope="module")
def hardened(engine: Engine, function: str) -> Iterator[Container]:
    with engine.running(function, flags=HARDENED) as container:
        yield container


def test_it_serves_with_a_read_only_file_system_and_no_capabilities(hardened: Container) -> None:
    assert hardened.invoke({"say": "hardened"}).json["answer"] == {"say": "hardened"}
    status = hardened.exec("cat", "/proc/1/status").stdout
    assert re.search(r"^CapBnd:\s0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s1$", status, re.MULTILINE)


def test_a_read_only_container_is_healthy(hardened: Container) -> None:
    assert hardened.exec("/usr/local/lib/rapid/bin/python", "-I", "-m", "rapid.healthcheck").returncode == 0


def test_the_function_may_write_to_tmp_and_nowhere_else(hardened: Container) -> None:
    assert hardened.invoke({"do": "write", "path": "/tmp/note", "text": "kept"}).json["answer"] == 4
    assert hardened.invoke({"do": "read", "path": "/tmp/note"}).json["answer"] == "kept"
    refused = hardened.invoke({"do": "write", "path": "/var/task/note", "text": "no"})
    assert refused.json["errorType"] == "OSError"
    assert "Read-only file system" in refused.json["errorMessage"]


def test_rapid_and_the_function_run_as_the_images_user(served: Container) -> None:
    process = told(served)
    assert (process["uid"], process["gid"], process["cwd"]) == (993, 990, "/var/task")
    assert set(user_of(served, 1)) == {"993"}


@pytest.mark.parametrize("flags", [(), HARDENED], ids=["plain", "hardened"])
@pytest.mark.parametrize("user", ["1234:1234", "1001230000:0"])
def test_any_user_will_do(engine: Engine, function: str, user: str, flags: tuple[str, ...]) -> None:
    with engine.running(function, flags=("--user", user, *flags)) as container:
        process = told(container)
        assert f"{process['uid']}:{process['gid']}" == user
        assert container.invoke({"do": "write", "path": "/tmp/note", "text": "kept"}).json["answer"] == 4


def test_root_is_exchanged_for_the_images_user(engine: Engine, function: str) -> None:
    with engine.running(function, flags=("--user", "0")) as container:
        process = told(container)
        assert (process["uid"], process["gid"]) == (993, 990)
        assert set(user_of(container, 1)) == {"993"}
        assert container.stop()[0] == 0


def test_root_that_may_not_change_its_user_is_told_so_and_serves(engine: Engine, function: str) -> None:
    with engine.running(function, flags=("--user", "0", "--cap-drop", "ALL")) as container:
        assert told(container)["uid"] == 0
        assert "running as root: this container may not change its user" in container.logs()


def test_a_function_that_takes_too_much_memory_is_killed_alone(engine: Engine, function: str) -> None:
    with engine.running(function, flags=("--memory", "256m", "--memory-swap", "256m")) as container:
        before = told(container)["pid"]
        reply = container.invoke({"do": "allocate", "megabytes": 1024})
        request_id = reply.headers["x-amzn-requestid"]
        assert (reply.status, reply.headers["x-amz-function-error"]) == (200, "Unhandled")
        assert reply.json == {
            "errorType": "Runtime.OutOfMemory",
            "errorMessage": f"RequestId: {request_id} Error: Runtime exited with error: signal: killed",
        }
        assert container.invoke({"do": "allocate", "megabytes": 10}).json["answer"] == 10 * 1024 * 1024
        assert told(container)["pid"] != before
        assert container.state["Running"]


def test_a_function_within_its_memory_is_reported_with_what_it_used(engine: Engine, function: str) -> None:
    with engine.running(function, flags=("--memory", "256m"), AWS_LAMBDA_FUNCTION_MEMORY_SIZE="256") as container:
        request_id = container.invoke({"do": "allocate", "megabytes": 100}).headers["x-amzn-requestid"]
        container.said(f"REPORT RequestId: {request_id}")
        used = re.search(
            rf"REPORT RequestId: {request_id}.*Memory Size: 256 MB\tMax Memory Used: (\d+) MB", container.logs()
        )
        assert used is not None
        assert 100 <= int(used[1]) < 256


def test_an_event_of_many_small_values_does_not_take_the_servers_memory(engine: Engine, function: str) -> None:
    event = b"[" + b"{}," * (2 * 1024 * 1024 - 10) + b"{}]"
    with engine.running(function, flags=("--memory", "192m"), AWS_LAMBDA_FUNCTION_TIMEOUT="60") as container:
        path = "/2015-03-31/functions/function/invocations"
        call(container.address, "POST", path, event)  # the function may well die of it
        assert container.invoke({"say": "still here"}).json["answer"] == {"say": "still here"}
        assert container.state["Running"]


def test_a_privileged_root_hands_its_control_group_to_the_function(engine: Engine, function: str) -> None:
    flags = ("--privileged", "--user", "root")
    with engine.running(function, flags=flags, LOG_LEVEL="debug", AWS_LAMBDA_FUNCTION_MEMORY_SIZE="128") as container:
        if "memory is accounted in control groups" not in container.logs():
            pytest.skip("this engine gives a privileged container no control group that is its own")
        reply = container.invoke({"do": "allocate", "megabytes": 400})
        assert reply.json["errorType"] == "Runtime.OutOfMemory"
        container.said(f"REPORT RequestId: {reply.headers['x-amzn-requestid']}")
        assert re.search(r"Max Memory Used: 128 MB\t.*Error Type: Runtime.OutOfMemory", container.logs())
        assert container.exec("true").returncode == 0
