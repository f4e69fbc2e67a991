"""The HTTP client: bodies, statuses, connections."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.harness import Event, Run, ours, request_id, write

ECHO = "def handler(event, context): return event"
PIPELINES = pytest.mark.parametrize("pipeline", ["1", "0"], ids=["pipelined", "one by one"])


@pytest.fixture
def task(tmp_path: Path) -> Path:
    return write(tmp_path, app=ECHO)


def _paths(run: Run) -> list[str]:
    return [request.path.removeprefix("/2018-06-01/runtime/invocation/") for request in run.requests]


def _answers(count: int, kind: str = "response") -> list[str]:
    """The paths of `next`, answer, `next`, answer … for so many invocations."""
    return ["next"] + [path for number in range(count) for path in (f"{request_id(number)}/{kind}", "next")]


@PIPELINES
def test_one_connection_serves_all_invocations(task: Path, pipeline: str) -> None:
    run = ours(task, *[Event(str(number)) for number in range(20)], RAPID_RUNTIME_PIPELINE=pipeline)
    assert _paths(run) == _answers(20)
    assert [post.body for post in run.posts] == [str(number).encode() for number in range(20)]
    assert run.connections == 1
    assert (run.stdout, run.status) == ("", 1)
    assert run.stderr == "runtime: the Runtime API answered 410 to the request for the next invocation\n"


def test_requests_are_well_formed(task: Path) -> None:
    run = ours(task, Event())
    assert run.only.headers["content-type"] == "application/json"
    assert run.only.headers["content-length"] == "2"
    assert run.only.headers["host"].startswith("127.0.0.1:")
    assert run.only.headers["user-agent"].startswith("lambda-rapid-python/3.")


@PIPELINES
@pytest.mark.parametrize("size", [0, 1, 1000, 70_000, 3_000_000])
@pytest.mark.parametrize("chunks", [0, 1, 7])
def test_event_bodies_of_all_sizes_arrive(task: Path, pipeline: str, size: int, chunks: int) -> None:
    body = '"' + "x" * size + '"'
    run = ours(task, Event(body, chunks=chunks), Event("1"), RAPID_RUNTIME_PIPELINE=pipeline)
    assert [post.body for post in run.posts] == [body.encode(), b"1"]


@PIPELINES
@pytest.mark.parametrize("status", [200, 202, 400, 403, 413, 500])
@pytest.mark.parametrize("body", ["1", "{"], ids=["response", "error"])
def test_an_answer_that_is_refused_does_not_end_the_loop(task: Path, pipeline: str, status: int, body: str) -> None:
    run = ours(task, Event(body, post_status=status), Event("2"), RAPID_RUNTIME_PIPELINE=pipeline)
    assert run.posts[1].body == b"2"
    complaints = run.stderr.splitlines()[:-1]
    if status in (200, 202, 413):
        assert complaints == []
    else:
        (complaint,) = complaints
        assert complaint.startswith(f"runtime: the Runtime API answered {status} to POST {run.posts[0].path}: ")


@PIPELINES
def test_a_connection_closed_while_the_handler_ran_is_replaced(task: Path, pipeline: str) -> None:
    events = [Event("1", close_after_next=True), Event("{", close_after_next=True), Event("3")]
    run = ours(task, *events, RAPID_RUNTIME_PIPELINE=pipeline)
    assert [post.path.rpartition("/")[2] for post in run.posts] == ["response", "error", "response"]
    assert run.posts[2].body == b"3"
    assert run.connections == 3
    assert run.stderr.count("\n") == 1


@PIPELINES
def test_a_connection_closed_after_an_answer_is_replaced(task: Path, pipeline: str) -> None:
    """With two requests under way the second is asked again on the new connection."""
    events = [Event("1", close_after_post=True), Event("2", close_after_post=True, post_status=403), Event("3")]
    run = ours(task, *events, RAPID_RUNTIME_PIPELINE=pipeline)
    assert _paths(run) == _answers(3)
    assert [post.body for post in run.posts] == [b"1", b"2", b"3"]
    assert run.connections == 3
