"""Streamed responses that go wrong: in the function, in the middle, at the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.chunked import ERROR_TYPE, chunks_of, error_of
from tests.runtime.harness import Event, Run, ours, write

PIPELINES = pytest.mark.parametrize("pipeline", ["1", "0"], ids=["pipelined", "one by one"])


def _run(folder: Path, source: str, *events: Event, **env: str) -> Run:
    return ours(write(folder, app=source), *(events or [Event()]), env=env)


def test_settings_after_the_first_piece_are_errors(tmp_path: Path) -> None:
    source = "def handler(event, context):\n    context.response_stream.write('x')\n"
    post = _run(tmp_path, source + "    context.response_stream.content_type = 'a/b'\n").only
    kind, document = error_of(post)
    assert (kind, document["errorType"]) == ("ValueError", "ValueError")
    assert len(document["stackTrace"]) == 1


def test_an_error_before_the_first_piece_is_an_ordinary_one(tmp_path: Path) -> None:
    source = "def handler(event, context):\n    context.response_stream.content_type = 'a/b'\n    1 / 0\n"
    assert _run(tmp_path, source).only.kind.endswith("/error")


@pytest.mark.parametrize("way", ["prelude", "generator"])
def test_an_error_before_anything_is_sent(tmp_path: Path, way: str) -> None:
    body = {"prelude": "context.response_stream.http_prelude(200)\n    1 / 0", "generator": "1 / 0\n    yield"}[way]
    run = _run(tmp_path, f"def handler(event, context):\n    {body}\n", Event(), Event())
    assert [post.kind.rpartition("/")[2] for post in run.posts] == ["error"] * 2
    assert [post.json()["errorType"] for post in run.posts] == ["ZeroDivisionError"] * 2


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_an_error_in_the_middle_is_told_in_trailers(tmp_path: Path, kind: str) -> None:
    run = _run(tmp_path, f"{kind} handler(event, context):\n    yield 'begun'\n    1 / 0\n", Event(), Event())
    assert len(run.posts) == 2
    for post in run.posts:
        assert chunks_of(post).pieces == [b"begun"]
        told, document = error_of(post)
        assert told == document["errorType"] == "ZeroDivisionError"
        assert document["errorMessage"] == "division by zero"
        assert document["requestId"] in post.path
        (line,) = document["stackTrace"]
        assert str(tmp_path / "app.py") in line
    assert run.stdout.count("[ERROR] ZeroDivisionError: division by zero\r") == 2


def test_an_error_type_that_is_no_header(tmp_path: Path) -> None:
    source = "def handler(event, context):\n    yield 'x'\n    raise type('  ', (Exception,), {})\n"
    assert error_of(_run(tmp_path, source).only)[0] == "Unknown"


def test_an_error_that_is_longer_than_headers_may_be(tmp_path: Path) -> None:
    source = "def handler(event, context):\n    yield 'x'\n    raise ValueError('y' * 1024 * 1024)\n"
    assert chunks_of(_run(tmp_path, source).only).trailers == {ERROR_TYPE: "ValueError"}


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("bad", ["{'a': 1}", "1", "None", "'\\ud800'"])
def test_a_piece_that_is_none_is_a_marshalerror_of(tmp_path: Path, kind: str, bad: str) -> None:
    source = f"""
{kind} handler(event, context):
    try:
        if event: yield 'begun'
        yield {bad}
    finally:
        print('closed')
"""
    run = _run(tmp_path, source, Event("1"), Event("0"))
    first, second = run.posts
    assert error_of(first)[0] == second.json()["errorType"] == "Runtime.MarshalError"
    assert run.stdout.count("closed\n") == 2


@PIPELINES
@pytest.mark.parametrize("status", [403, 413, None], ids=["403", "413", "dropped"])
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_response_that_is_refused_in_the_middle_does_not_end_the_loop(
    tmp_path: Path, kind: str, status: int | None, pipeline: str
) -> None:
    """The generator, which would go on for ever, is closed."""
    source = f"""
{kind} handler(event, context):
    try:
        while event: yield b'x' * 100_000
        yield b'served'
    finally:
        print('closed')
"""
    refused = Event("1", post_status=status or 0, refuse_after=3, drop=status is None)
    run = _run(tmp_path, source, refused, Event("0"), RAPID_RUNTIME_PIPELINE=pipeline)
    assert chunks_of(run.posts[1]).pieces == [b"served"]
    assert run.stdout == "closed\nclosed\n"
    complaints = run.stderr.splitlines()[:-1]
    assert len(complaints) == (0 if status == 413 else 1)
    assert all(run.posts[0].path in complaint for complaint in complaints)


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_handler_is_told_that_its_response_is_refused(tmp_path: Path, kind: str) -> None:
    write_it = "await stream.awrite" if kind == "async def" else "stream.write"
    source = f"""
{kind} handler(event, context):
    stream = context.response_stream
    try:
        while event: {write_it}(b'x' * 100_000)
    except BrokenPipeError as error:
        print(error)
    return "ignored"
"""
    run = _run(tmp_path, source, Event("1", refuse_after=2, post_status=413), Event("0"))
    assert run.posts[1].body == b'"ignored"'
    assert run.stdout == "the Runtime API takes no more of this response\n"


@pytest.mark.parametrize("status", [202, 403, 413, 500])
def test_a_response_that_is_refused_at_its_end_does_not_end_the_loop(tmp_path: Path, status: int) -> None:
    run = _run(tmp_path, "def handler(event, context):\n    yield 'one'\n", Event(post_status=status), Event())
    assert len(run.posts) == 2
    assert run.stderr.count("\n") == (1 if status in (202, 413) else 2)


def test_a_generator_that_will_not_be_closed_is_logged(tmp_path: Path) -> None:
    source = """
def handler(event, context):
    while True:
        try:
            yield b'x' * 100_000
        except GeneratorExit:
            raise ValueError("will not")
"""
    run = _run(tmp_path, source, Event(refuse_after=2, post_status=413))
    assert "[ERROR] ValueError: will not\r" in run.stdout
    assert len(run.posts) == 1


def test_an_exit_in_the_middle_ends_the_process(tmp_path: Path) -> None:
    run = _run(tmp_path, "import sys\ndef handler(event, context):\n    yield 'one'\n    sys.exit(7)\n")
    assert run.status == 7
    # The connection breaks with the process, perhaps before the server has read anything of the response.
    assert not any(chunks_of(post).complete for post in run.posts)
