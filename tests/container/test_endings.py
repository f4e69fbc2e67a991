"""How things end: the container by SIGTERM, a function by its timeout or of itself, an orphan by process 1."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.container import Container, Engine
from tests.support.program import until

pytestmark = pytest.mark.container

A_FEW_SECONDS = 3.0
WITH_A_DRAIN = 8.0
"""Accepted invocations have 5 s to come to an end."""


def test_sigterm_ends_an_idle_container_with_exit_code_0(engine: Engine, function: str) -> None:
    with engine.running(function) as container:
        container.invoke()
        code, seconds = container.stop()
        assert code == 0
        assert seconds < A_FEW_SECONDS
        assert "Traceback" not in container.logs()


@pytest.mark.parametrize("attempt", range(3))
@pytest.mark.parametrize("user", ["993:990", "0"])
def test_sigterm_right_after_the_start_is_not_lost(engine: Engine, function: str, user: str, attempt: int) -> None:
    with engine.running(function, flags=("--user", user), ready=False) as container:
        command = Path(f"/proc/{container.state['Pid']}/cmdline")
        if not command.exists():
            pytest.skip("the engine's processes are not on this host")
        # What comes before the entry point is the engine's: a signal may well be lost there.
        until(lambda: re.match(rb"/bin/sh|.*rapid", command.read_bytes()), "the entry point to have begun")
        code, seconds = container.stop()
        assert code == 0, container.logs()
        assert seconds < A_FEW_SECONDS
        assert "Traceback" not in container.logs()


def test_sigterm_lets_a_running_invocation_come_to_its_end(engine: Engine, function: str) -> None:
    with engine.running(function) as container, ThreadPoolExecutor(1) as pool:
        invoked = pool.submit(container.invoke, {"do": "sleep", "seconds": 1, "say": "briefly"})
        container.said("asleep briefly")
        code, seconds = container.stop()
        reply = invoked.result()
        assert (code, reply.status, reply.json["answer"]) == (0, 200, "awake")
        assert seconds < WITH_A_DRAIN


def test_sigterm_does_not_wait_for_an_invocation_that_takes_long(engine: Engine, function: str) -> None:
    with engine.running(function, AWS_LAMBDA_FUNCTION_TIMEOUT="60") as container, ThreadPoolExecutor(1) as pool:
        invoked = pool.submit(container.invoke, {"do": "sleep", "seconds": 60, "say": "for long"})
        container.said("asleep for long")
        code, seconds = container.stop()
        reply = invoked.result()
        assert (code, reply.status, reply.headers["x-amzn-errortype"]) == (0, 500, "ServiceException")
        assert seconds < WITH_A_DRAIN


def test_process_1_reaps_the_functions_orphans(served: Container) -> None:
    orphans = {str(served.invoke({"do": "orphan"}).json["answer"]) for _ in range(5)}

    def letters() -> dict[str, str]:
        found: dict[str, str] = served.invoke({"do": "states"}).json["answer"]
        return found

    assert len(orphans) == 5
    until(lambda: not orphans & letters().keys(), "the orphans to be gone")
    assert "Z" not in letters().values()


def test_a_timeout_is_told_and_the_next_invocation_meets_a_fresh_process(engine: Engine, function: str) -> None:
    with engine.running(function, AWS_LAMBDA_FUNCTION_TIMEOUT="1") as container:
        before = container.invoke({"do": "tell"}).json["answer"]["pid"]
        container.invoke({"do": "write", "path": "/tmp/note", "text": "kept"})
        reply = container.invoke({"do": "sleep", "seconds": 60})
        request_id = reply.headers["x-amzn-requestid"]
        assert (reply.status, reply.headers["x-amz-function-error"]) == (200, "Unhandled")
        assert reply.json == {
            "errorType": "Sandbox.Timedout",
            "errorMessage": f"RequestId: {request_id} Error: Task timed out after 1.00 seconds",
        }
        after = container.invoke({"do": "tell"}).json["answer"]["pid"]
        assert after != before
        assert before not in container.processes()
        assert container.invoke({"do": "read", "path": "/tmp/note"}).json["answer"] == "kept"
        assert f"{request_id} Task timed out after 1.00 seconds\n" in container.logs()


@pytest.mark.parametrize(
    ("status", "reason"),
    [(3, "Runtime exited with error: exit status 3"), (0, "Runtime exited without providing a reason")],
)
def test_a_function_that_leaves_is_told_and_started_afresh(served: Container, status: int, reason: str) -> None:
    reply = served.invoke({"do": "leave", "status": status})
    request_id = reply.headers["x-amzn-requestid"]
    assert reply.json == {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {request_id} Error: {reason}"}
    assert served.invoke({"say": "again"}).json["answer"] == {"say": "again"}
