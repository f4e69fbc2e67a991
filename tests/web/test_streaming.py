"""Responses of applications that are sent while they are written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.runtime.chunked import Chunks, chunks_of, error_of
from tests.runtime.harness import Event as Served
from tests.runtime.harness import Run, ours, write
from tests.support.sdk import lambda_client
from tests.web.events import Event, balancer, received, rest, url
from tests.web.support import serving

HTTP = "application/vnd.awslambda.http-integration-response"
STREAM = {"RAPID_APP_INVOKE_MODE": "RESPONSE_STREAM"}

ASGI = """
import asyncio
async def app(scope, receive, send):
    assert scope["type"] == "http"
    async def start(status=200, *headers):
        await send({"type": "http.response.start", "status": status, "headers": headers})
    async def write(piece, more=True):
        await send({"type": "http.response.body", "body": piece, "more_body": more})
    await request(start, write)
async def request(start, write):
    BODY
"""
WSGI = """
def app(environ, start):
    BODY
"""

PIECES = {
    "ASGI": (
        ASGI,
        "await start(201, (b'X-A', b'1'), (b'x-a', b'2'), (b'set-cookie', b'c=1'), (b'Set-Cookie', b'd=2'));"
        "await write(b'one'); await write(b'\\0\\xff'); await write(b'', False)",
    ),
    "WSGI": (
        WSGI,
        "start('201 Made', [('X-A', '1'), ('x-a', '2'), ('set-cookie', 'c=1'), ('Set-Cookie', 'd=2')]);"
        "yield b''; yield b'one'; yield b'\\0\\xff'",
    ),
    "WSGI, write": (
        WSGI,
        "write = start('201 Made', [('X-A', '1'), ('x-a', '2'), ('set-cookie', 'c=1'), ('Set-Cookie', 'd=2')]);"
        "write(b'one'); return [b'\\0\\xff']",
    ),
}


def _run(task: Path, source: str, *events: Event, **env: str) -> Run:
    write(task, app=source)
    return ours(task, *(Served(json.dumps(event)) for event in events), handler="app:app", env=STREAM | env)


def _parts(chunks: Chunks) -> tuple[Event, bytes]:
    prelude, zeros, body = b"".join(chunks.pieces).partition(bytes(8))
    assert zeros
    told: Event = json.loads(prelude)
    return told, body


@pytest.mark.parametrize("kind", PIECES)
@pytest.mark.parametrize("event", [url(), rest()], ids=["2.0", "REST"])
def test_each_piece_is_sent_behind_the_prelude(tmp_path: Path, kind: str, event: Event) -> None:
    source, body = PIECES[kind]
    run = _run(tmp_path, source.replace("BODY", body), event, event)
    for post in run.posts:
        chunks = chunks_of(post)
        assert post.headers["content-type"] == HTTP
        assert _parts(chunks) == (
            {"statusCode": 201, "headers": {"x-a": "1,2"}, "cookies": ["c=1", "d=2"]},
            b"one\0\xff",
        )
        assert chunks.pieces[-1] == b"\0\xff"
        assert chunks.complete
        assert not chunks.trailers


def test_a_balancer_reads_no_streams(tmp_path: Path) -> None:
    source, body = PIECES["ASGI"]
    run = _run(tmp_path, source.replace("BODY", body), balancer(multi=True))
    assert received(run.only.json())[::2] == (201, b"one\0\xff")


@pytest.mark.parametrize(
    ("source", "body"),
    [(ASGI, "await start(204); await write(b'', False)"), (WSGI, "start('204 Nothing', []); return []")],
    ids=["ASGI", "WSGI"],
)
def test_a_response_without_a_body_has_a_prelude(tmp_path: Path, source: str, body: str) -> None:
    run = _run(tmp_path, source.replace("BODY", body), url())
    assert _parts(chunks_of(run.only)) == ({"statusCode": 204, "headers": {}}, b"")


BEFORE = {
    "ASGI": (ASGI, "await start(200); raise ValueError('mine')"),
    "ASGI, nothing": (ASGI, "pass"),
    "WSGI": (WSGI, "start('200 OK', []); raise ValueError('mine')"),
}


@pytest.mark.parametrize("kind", BEFORE)
def test_an_error_before_the_first_piece_is_a_500(tmp_path: Path, kind: str) -> None:
    source, body = BEFORE[kind]
    run = _run(tmp_path, source.replace("BODY", body), url())
    prelude, text = _parts(chunks_of(run.only))
    assert (prelude["statusCode"], text) == (500, b"Internal Server Error")
    assert run.stdout.count("[ERROR]") == 1


MIDDLE = {
    "ASGI": (ASGI, "await start(); await write(b'one'); raise ValueError('mine')", "ValueError"),
    "ASGI, no end": (ASGI, "await start(); await write(b'one')", "RuntimeError"),
    "WSGI": (WSGI, "start('200 OK', []); yield b'one'; raise ValueError('mine')", "ValueError"),
}


@pytest.mark.parametrize("kind", MIDDLE)
def test_an_error_in_the_middle_ends_the_response(tmp_path: Path, kind: str) -> None:
    source, body, error = MIDDLE[kind]
    run = _run(tmp_path, source.replace("BODY", body), url())
    assert _parts(chunks_of(run.only)) == ({"statusCode": 200, "headers": {}}, b"one")
    assert error_of(run.only)[0] == error
    assert error_of(run.only)[1]["errorType"] == error
    assert run.stdout.count("[ERROR]") == 1


def test_an_error_behind_the_response_is_in_the_log_alone(tmp_path: Path) -> None:
    run = _run(tmp_path, ASGI.replace("BODY", "await start(); await write(b'one', False); 1 / 0"), url())
    assert chunks_of(run.only).complete
    assert not chunks_of(run.only).trailers
    assert "[ERROR] ZeroDivisionError" in run.stdout


def test_a_mode_that_is_none_is_an_init_error(tmp_path: Path) -> None:
    run = _run(tmp_path, WSGI.replace("BODY", "pass"), RAPID_APP_INVOKE_MODE="stream")
    assert run.only.kind == "init/error"
    assert "BUFFERED or RESPONSE_STREAM" in run.only.json()["errorMessage"]


STARLETTE = """
import asyncio, os
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

async def pieces():
    yield "first"
    while not os.path.exists("go"):
        await asyncio.sleep(0.01)
    yield "second"
    if os.path.exists("fail"):
        raise LookupError("mine")

async def head():
    yield ""
    while not os.path.exists("go"):
        await asyncio.sleep(0.01)
    yield "second"

async def stream(request):
    return StreamingResponse(head() if "head" in request.query_params else pieces(), media_type="text/event-stream")

app = Starlette(routes=[Route("/", stream)])
"""


@pytest.mark.parametrize(
    ("query", "first", "fails"), [("", b"first", False), ("", b"first", True), ("head", b"", False)]
)
def test_a_caller_has_each_piece_when_it_was_written(tmp_path: Path, query: str, first: bytes, fails: bool) -> None:
    if fails:
        (tmp_path / "fail").touch()
    with serving(tmp_path, STARLETTE, **STREAM) as program, lambda_client(program.invoke_address) as client:
        answer = client.invoke_with_response_stream(FunctionName="function", Payload=json.dumps(url(query=query)))
        events = iter(answer["EventStream"])
        seen = b""
        while bytes(8) + first not in seen:
            seen += next(events)["PayloadChunk"]["Payload"]
        assert b"text/event-stream" in seen
        assert seen.endswith(bytes(8) + first)
        (tmp_path / "go").touch()  # only now the application goes on
        *rest_of_it, end = events
    assert b"".join(event["PayloadChunk"]["Payload"] for event in rest_of_it) == b"second"
    error = json.loads(end["InvokeComplete"].get("ErrorDetails", "{}"))
    assert error.get("errorType") == ("LookupError" if fails else None)


def test_large_responses_in_either_mode(tmp_path: Path) -> None:
    source = "def app(environ, start):\n    start('200 OK', [])\n    for _ in range(SIZE): yield bytes(1_000_000)\n"
    with (
        serving(tmp_path, source.replace("SIZE", "20"), **STREAM) as program,
        lambda_client(program.invoke_address) as client,
    ):
        answer = client.invoke_with_response_stream(FunctionName="function", Payload=json.dumps(url()))
        pieces = [event["PayloadChunk"]["Payload"] for event in answer["EventStream"] if "PayloadChunk" in event]
    assert len(b"".join(pieces).partition(bytes(8))[2]) == 20_000_000
    with serving(tmp_path, source.replace("SIZE", "4")) as program:
        assert received(program.invoke(url()).json)[2] == bytes(4_000_000)
