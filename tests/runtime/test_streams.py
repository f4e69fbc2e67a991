"""Responses that are sent while they are written, as the Runtime API sees them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.runtime.chunked import ERROR_BODY, ERROR_TYPE, Chunks, chunks_of, error_of
from tests.runtime.harness import Event, Run, both, ours, write

HTTP = "application/vnd.awslambda.http-integration-response"
PIPELINES = pytest.mark.parametrize("pipeline", ["1", "0"], ids=["pipelined", "one by one"])


def _run(folder: Path, source: str, *events: Event, **env: str) -> Run:
    return ours(write(folder, app=source), *(events or [Event()]), env=env)


WAYS = {
    "generator": "def handler(event, context):\n    yield 'one'\n    yield b'\\0\\xff'\n    yield 'é'\n",
    "async-generator": """
import asyncio
async def handler(event, context):
    for piece in ('one', b'\\0\\xff', 'é'):
        yield piece
        await asyncio.sleep(0)
""",
    "stream": """
def handler(event, context):
    for piece in ('one', b'\\0\\xff', 'é'):
        context.response_stream.write(piece)
""",
    "async-stream": """
async def handler(event, context):
    for piece in ('one', b'\\0\\xff', 'é'):
        await context.response_stream.awrite(piece)
""",
    "thread": """
import threading
def handler(event, context):
    def work():
        for piece in ('one', b'\\0\\xff', 'é'): context.response_stream.write(piece)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
""",
    "buffers": """
def handler(event, context):
    buffer = bytearray(b'one')
    yield buffer
    buffer[:] = b'\\0\\xff'
    yield memoryview(buffer)
    buffer = None
    yield memoryview('é'.encode())
""",
    "decorated": """
import functools
def decorator(function):
    @functools.wraps(function)
    def wrapper(*arguments): return function(*arguments)
    return wrapper
@decorator
def handler(event, context):
    yield from ('one', b'\\0\\xff', 'é')
""",
    "partial": """
import functools
def h(extra, event, context): yield from ('one', b'\\0\\xff', 'é')
handler = functools.partial(h, 1)
""",
    "object": """
class H:
    def __call__(self, event, context): yield from ('one', b'\\0\\xff', 'é')
handler = H()
""",
    "decorated-async": """
import functools
def decorator(function):
    @functools.wraps(function)
    async def wrapper(*arguments): return function(*arguments)
    return wrapper
@decorator
async def handler(event, context):
    for piece in ('one', b'\\0\\xff', 'é'): yield piece
""",
}


@PIPELINES
@pytest.mark.parametrize("way", WAYS)
def test_each_piece_is_a_chunk(tmp_path: Path, way: str, pipeline: str) -> None:
    run = _run(tmp_path, WAYS[way], Event(), Event(), RAPID_RUNTIME_PIPELINE=pipeline)
    assert [request.kind.rpartition("/")[2] for request in run.requests] == ["next", "response"] * 2 + ["next"]
    for post in run.posts:
        assert chunks_of(post) == Chunks([b"one", b"\0\xff", "é".encode()], {}, complete=True)
        assert post.headers["lambda-runtime-function-response-mode"] == "streaming"
        assert post.headers["transfer-encoding"] == "chunked"
        assert post.headers["trailer"].lower().split(", ") == [ERROR_TYPE, ERROR_BODY]
        assert post.headers["content-type"] == "application/octet-stream"
        assert "content-length" not in post.headers
    assert run.stderr.count("\n") == 1


def test_a_streamed_response_has_a_connection_of_its_own(tmp_path: Path) -> None:
    source = "def handler(event, context):\n    if event: context.response_stream.write(b'x')\n"
    run = _run(tmp_path, source, Event("1"), Event("0"), Event("1"), Event("0"))
    assert run.connections == 1 + 2


def test_the_invocation_id_is_echoed(tmp_path: Path) -> None:
    run = _run(tmp_path, WAYS["generator"], Event(headers={"Lambda-Runtime-Invocation-Id": "abc-1"}))
    assert run.only.headers["lambda-runtime-invocation-id"] == "abc-1"


def test_a_stream_without_pieces_is_an_empty_response(tmp_path: Path) -> None:
    run = _run(tmp_path, "def handler(event, context):\n    yield ''\n    yield b''\n")
    assert chunks_of(run.only) == Chunks(complete=True)


@pytest.mark.parametrize("size", [1, 65_535, 65_536, 65_537, 5_000_000])
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_pieces_of_all_sizes_arrive(tmp_path: Path, size: int, kind: str) -> None:
    """Those that the connection does not take at once too."""
    run = _run(tmp_path, f"{kind} handler(event, context):\n    for _ in range(3): yield b'x' * {size}\n")
    assert chunks_of(run.only) == Chunks([b"x" * size] * 3, {}, complete=True)


def test_writers_of_several_threads_and_tasks_do_not_mix_their_pieces(tmp_path: Path) -> None:
    source = """
import asyncio
async def handler(event, context):
    stream = context.response_stream
    async def task(letter):
        for _ in range(20): await stream.awrite(letter * 100_000)
    def thread(letter):
        for _ in range(20): stream.write(letter * 100_000)
    await asyncio.gather(task(b"a"), task(b"b"), asyncio.to_thread(thread, b"c"), asyncio.to_thread(thread, b"d"))
"""
    pieces = chunks_of(_run(tmp_path, source).only).pieces
    assert sorted(pieces) == [letter * 100_000 for letter in (b"a", b"b", b"c", b"d") for _ in range(20)]


SETTINGS = """
def handler(event, context):
    stream = context.response_stream
    if "type" in event: stream.content_type = event["type"]
    if "http" in event: stream.http_prelude(**event["http"])
    for piece in event.get("pieces", []): stream.write(piece)
    if event.get("flush"): stream.flush()
    return "returned"
"""


def _settings(folder: Path, **event: object) -> Run:
    return _run(folder, SETTINGS, Event(json.dumps(event)))


def test_the_content_type(tmp_path: Path) -> None:
    post = _settings(tmp_path, type=" text/event-stream; charset=utf-8 ", pieces=["data: 1\n\n"]).only
    assert post.headers["content-type"] == "text/event-stream; charset=utf-8"


@pytest.mark.parametrize("bad", ["", " ", "a\r\nX: 1", "é"])
def test_a_content_type_that_is_none(tmp_path: Path, bad: str) -> None:
    post = _settings(tmp_path, type=bad, pieces=["x"]).only
    assert post.json()["errorType"] == "ValueError"


PRELUDES: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "nothing": ({}, {"statusCode": 200, "headers": {}}),
    "all": (
        {"status_code": 201, "headers": {"X": "é"}, "cookies": ["a=b", "c=d"]},
        {"statusCode": 201, "headers": {"X": "é"}, "cookies": ["a=b", "c=d"]},
    ),
}


@pytest.mark.parametrize("name", PRELUDES)
@pytest.mark.parametrize("pieces", [[], ["body"]], ids=["empty", "body"])
def test_the_http_prelude(tmp_path: Path, name: str, pieces: list[str]) -> None:
    given, expected = PRELUDES[name]
    post = _settings(tmp_path, http=given, pieces=pieces).only
    assert post.headers["content-type"] == HTTP
    prelude, *rest = chunks_of(post).pieces
    assert prelude.endswith(bytes(8))
    assert json.loads(prelude[:-8]) == expected
    assert rest == [piece.encode() for piece in pieces]


def test_the_content_type_of_an_http_response_is_one_of_its_headers(tmp_path: Path) -> None:
    source = "def handler(event, context):\n    context.response_stream.http_prelude()\n"
    run = _run(tmp_path, source + "    context.response_stream.content_type = 'text/html'\n")
    assert "with an HTTP prelude" in run.only.json()["errorMessage"]


def test_a_handler_that_writes_nothing_returns_its_result(tmp_path: Path) -> None:
    post = _settings(tmp_path, type="text/plain").only
    assert (post.body, post.chunks, post.headers["content-type"]) == (b'"returned"', None, "application/json")


def test_flush_begins_the_response(tmp_path: Path) -> None:
    post = _settings(tmp_path, flush=True).only
    assert chunks_of(post) == Chunks(complete=True)


def test_nobody_writes_after_the_end(tmp_path: Path) -> None:
    source = """
kept = []
def handler(event, context):
    if event:
        kept.append((context, context.response_stream))
        context.response_stream.write("one")
        return
    told = []
    old, stream = kept[0]
    for late in (lambda: stream.write("two"), lambda: old.response_stream):
        try: late()
        except (ValueError, RuntimeError) as error: told.append(str(error))
    return told
"""
    run = _run(tmp_path, source, Event("1"), Event("0"))
    assert chunks_of(run.posts[0]).pieces == [b"one"]
    assert run.posts[1].json() == [
        "the response is over: its invocation has ended",
        "the invocation has ended, or this is a copy of its context",
    ]


def test_a_context_can_be_copied_pickled_and_referred_to(tmp_path: Path) -> None:
    source = """
import copy, pickle, weakref
def handler(event, context):
    context.response_stream
    other = pickle.loads(pickle.dumps(context))
    assert weakref.ref(context)() is context
    assert copy.copy(context).aws_request_id == context.aws_request_id
    try: other.response_stream
    except RuntimeError: return other.aws_request_id == context.aws_request_id
"""
    assert _run(tmp_path, source).only.body == b"true"


def test_library_writers_take_a_stream_for_a_file(tmp_path: Path) -> None:
    source = """
import csv, json, zipfile
def handler(event, context):
    stream = context.response_stream
    csv.writer(stream).writerow([1, 2])
    json.dump({"a": 1}, stream)
    with zipfile.ZipFile(stream, "w") as archive: archive.writestr("a.txt", "text")
"""
    body = _run(tmp_path, source).only.body
    assert body.startswith(b'1,2\r\n{"a": 1}PK\x03\x04')


@pytest.mark.parametrize("expression", ["(x for x in 'ab')", "iter(['a'])", "agen()"])
def test_a_generator_that_a_plain_function_returns_is_no_stream(tmp_path: Path, expression: str) -> None:
    """As under AWS's runtime."""
    write(tmp_path, app=f"async def agen(): yield 'a'\ndef handler(event, context): return {expression}")
    mine, other = both(tmp_path, Event())
    assert mine.only.json() == other.only.json()
    assert mine.only.json()["errorType"] == "Runtime.MarshalError"


def test_a_decorator_may_make_a_result_of_a_generator(tmp_path: Path) -> None:
    source = """
import functools
def decorator(function):
    @functools.wraps(function)
    def wrapper(*arguments): return list(function(*arguments))
    return wrapper
@decorator
def handler(event, context): yield from "ab"
"""
    assert _run(tmp_path, source).only.body == b'["a", "b"]'


@pytest.mark.parametrize("name", ["select", "binascii", "streaming", "response", "upload", "warnings"])
def test_a_file_called_like_one_that_streams_need_does_not_break_them(tmp_path: Path, name: str) -> None:
    write(tmp_path, **{name: "raise RuntimeError('the user\\'s own')"})
    run = _run(tmp_path, "async def handler(event, context):\n    yield b'x' * 5_000_000\n    1 / 0\n")
    assert error_of(run.only)[0] == "ZeroDivisionError"
