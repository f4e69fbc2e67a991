"""SnapStart as a protocol: hooks, `restore/next`, hooks. (tests/comparison has it beside awslambdaric.)"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.harness import Event, Run, ours, write

HOOKS = """
before, after = [], []
def get_before_snapshot(): return before
def get_after_restore(): return after
def register_before_snapshot(function, *arguments, **named):
    before.append((function, arguments, named))
def register_after_restore(function, *arguments, **named):
    after.append((function, arguments, named))
"""
"""The function's package, in its folder: here also where the interpreter has no `snapshot_restore_py`."""


def snapshot(task: Path, *events: Event, app: str, restore_status: int = 200) -> Run:
    """Run a function that is kept as a snapshot after its init."""
    write(task, app=app, snapshot_restore_py=HOOKS)
    return ours(task, *events, restore_status=restore_status, AWS_LAMBDA_INITIALIZATION_TYPE="snap-start")


def test_hooks_run_around_the_snapshot_and_before_the_first_invocation(tmp_path: Path) -> None:
    source = """
from snapshot_restore_py import register_after_restore, register_before_snapshot
steps = []
register_before_snapshot(steps.append, "before 1")
register_before_snapshot(steps.append, "before 2")
register_after_restore(steps.append, "after 1")
register_after_restore(steps.append, "after 2")
def handler(event, context): return steps
"""
    run = snapshot(tmp_path, Event(), app=source)
    assert [request.kind.split("/")[0] for request in run.requests] == ["restore", *["invocation"] * 3]
    assert run.only.json() == ["before 2", "before 1", "after 1", "after 2"]
    assert run.connections == 1


def test_without_hooks_the_process_is_restored_all_the_same(tmp_path: Path) -> None:
    run = snapshot(tmp_path, Event(), app="def handler(event, context): return 1")
    assert run.requests[0].kind == "restore/next"
    assert run.only.json() == 1


@pytest.mark.parametrize("kind", ["on-demand", "provisioned-concurrency", "", "<unset>"])
def test_other_initialisations_know_no_snapshot(tmp_path: Path, kind: str) -> None:
    source = """
from snapshot_restore_py import register_before_snapshot
register_before_snapshot(exit, 5)
def handler(event, context): return 1
"""
    run = ours(
        write(tmp_path, app=source, snapshot_restore_py=HOOKS), Event(), env={"AWS_LAMBDA_INITIALIZATION_TYPE": kind}
    )
    assert run.only.json() == 1
    assert "restore/next" not in [request.kind for request in run.requests]


@pytest.mark.parametrize("status", [404, 403, 500])
def test_a_server_that_restores_nothing_is_told_so_as_an_error_at_init(tmp_path: Path, status: int) -> None:
    run = snapshot(tmp_path, Event(), app="def handler(event, context): return 1", restore_status=status)
    assert run.status == 64
    assert run.only.kind == "init/error"
    assert run.only.headers["lambda-runtime-function-error-type"] == "Runtime.BeforeSnapshotError"
    assert run.only.json()["errorMessage"] == f"the Runtime API answered {status} to the request to be restored"


@pytest.mark.parametrize(
    ("hook", "kind", "status"),
    [("before_snapshot", "init/error", 64), ("after_restore", "restore/error", 65)],
)
@pytest.mark.parametrize("error", ["KeyError('k')", "SystemExit(3)", "KeyboardInterrupt()"])
def test_a_hook_that_fails_is_reported_and_ends_the_process(
    tmp_path: Path, hook: str, kind: str, status: int, error: str
) -> None:
    source = f"""
import snapshot_restore_py
async def fail(): raise {error}
snapshot_restore_py.register_{hook}(fail)
def handler(event, context): return 1
"""
    run = snapshot(tmp_path, Event(), app=source)
    assert (run.only.kind, run.status) == (kind, status)
    assert run.only.json()["errorType"] == error.partition("(")[0]
    assert ", in fail\n" in run.only.json()["stackTrace"][-1]
    assert f"[ERROR] {error.partition('(')[0]}" in run.stdout


def test_coroutines_of_hooks_and_handler_share_one_loop(tmp_path: Path) -> None:
    """A connection that a hook opens after the restore is the handler's to use."""
    source = """
import asyncio
from snapshot_restore_py import register_after_restore, register_before_snapshot
queue, loops = asyncio.Queue(), []
async def serve():
    while True:
        number, answer = await queue.get()
        answer.set_result(number + 1)
async def before():
    loops.append(asyncio.get_running_loop())
async def after():
    loops.append(asyncio.get_running_loop())
    loops.append(asyncio.create_task(serve()))
register_before_snapshot(before)
register_after_restore(after)
async def handler(event, context):
    answer = asyncio.get_running_loop().create_future()
    await queue.put((event, answer))
    return [await answer, loops[0] is loops[1] is asyncio.get_running_loop()]
"""
    run = snapshot(tmp_path, Event("1"), Event("2"), app=source)
    assert [post.json() for post in run.posts] == [[2, True], [3, True]]


def test_an_application_has_started_before_the_snapshot(tmp_path: Path) -> None:
    source = """
import json
from snapshot_restore_py import register_before_snapshot
steps = []
register_before_snapshot(steps.append, "snapshot")
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        steps.append("started")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(steps).encode()})
"""
    event = '{"version": "2.0", "rawPath": "/", "rawQueryString": "", "headers": {}, "requestContext": {"http": {"method": "GET", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"}, "domainName": "x"}, "isBase64Encoded": false}'  # noqa: E501
    write(tmp_path, app=source, snapshot_restore_py=HOOKS)
    run = ours(tmp_path, Event(event), handler="app:app", AWS_LAMBDA_INITIALIZATION_TYPE="snap-start")
    assert run.only.json()["body"] == '["started", "snapshot"]'


def test_numbers_drawn_after_a_restore_do_not_follow_from_the_snapshot(tmp_path: Path) -> None:
    source = """
import random, uuid
random.seed(1)
uuid.uuid1(); uuid._node = (1 << 40) | 7
snapshot = random.getstate(), uuid._node
def handler(event, context): return [random.getstate() == snapshot[0], uuid.uuid1().node == snapshot[1]]
"""
    assert snapshot(tmp_path, Event(), app=source).only.json() == [False, False]


def test_files_of_the_names_that_the_protocol_needs_are_the_functions_own(tmp_path: Path) -> None:
    source = "import random, uuid\ndef handler(event, context): return [random.mine, uuid.mine]"
    write(tmp_path, random="mine = 1", uuid="mine = 2")
    assert snapshot(tmp_path, Event(), app=source).only.json() == [1, 2]
