"""Several invocations at once: responses that are streamed, and applications."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.harness import write
from tests.runtime.several import MEET, PATIENCE, several

SYNC = (
    MEET
    + """
def handler(event, context):
    for number in range(3):
        meet()
        yield f"{event}{number} "
    if event == "b":
        raise ValueError("in the middle")
"""
)
ASYNC = SYNC.replace("def handler", "async def handler").replace("    meet()\n", "    await ameet()\n")
WAYS = [("processes", SYNC), ("threads", SYNC), ("tasks", ASYNC)]


@pytest.mark.parametrize(("way", "source"), WAYS)
def test_several_stream_at_once(tmp_path: Path, way: str, source: str) -> None:
    write(tmp_path, app=source)
    with several(tmp_path, 3, meeting=3, RAPID_CONCURRENCY=way) as running:
        for _ in range(2):
            calls = [running.api.invoke(event, Invocation_Id=event) for event in "abc"]
            running.barrier.allow(3)
            for call, event in zip(calls, "abc", strict=True):
                answer = call.answer()
                assert answer.body.decode() == f"{event}0 {event}1 {event}2 "
                assert answer.headers["lambda-runtime-function-response-mode"] == "streaming"
                assert answer.headers["lambda-runtime-invocation-id"] == event
                error = answer.chunks.trailers if answer.chunks else {}
                assert error.get("lambda-runtime-function-error-type") == ("ValueError" if event == "b" else None)
        running.end()
    assert running.output.count("[ERROR] ValueError: in the middle") == 2


@pytest.mark.parametrize(("way", "source"), WAYS)
def test_several_write_to_their_streams_at_once(tmp_path: Path, way: str, source: str) -> None:
    written = source.replace('yield f"{event}{number} "', 'context.response_stream.write(f"{event}{number} ")')
    if way == "tasks":
        written = written.replace("context.response_stream.write", "await context.response_stream.awrite")
    write(tmp_path, app=written)
    with several(tmp_path, 2, meeting=2, RAPID_CONCURRENCY=way) as running:
        calls = [running.api.invoke(event) for event in "ac"]
        running.barrier.allow(3)
        assert [call.answer().body for call in calls] == [b"a0 a1 a2 ", b"c0 c1 c2 "]


def test_a_reader_that_is_slow_holds_up_its_own_stream_alone(tmp_path: Path) -> None:
    source = """
async def handler(event, context):
    if event == "slow":
        for _ in range(64):
            yield b"x" * 1_000_000
    else:
        yield b"quick"
"""
    write(tmp_path, app=source)
    with several(tmp_path, 2) as running:
        slow = running.api.invoke("slow", holds=True)
        assert slow.begun.wait(PATIENCE)
        for _ in range(3):
            assert running.api.invoke("quick").answer().body == b"quick"
        slow.reading.set()
        assert len(slow.answer().body) == 64_000_000


EVENT = {
    "version": "2.0",
    "rawPath": "/",
    "rawQueryString": "",
    "headers": {},
    "requestContext": {"http": {"method": "GET", "path": "/"}, "stage": "$default"},
}
ASGI = (
    MEET
    + """
starts = 0
async def app(scope, receive, send):
    global starts
    if scope["type"] == "lifespan":
        await receive()
        starts += 1
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("stopped")
        return await send({"type": "lifespan.shutdown.complete"})
    await ameet()
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": f"{scope['path']} {starts} {os.getpid()}".encode()})
"""
)
WSGI = (
    MEET
    + """
def app(environ, start_response):
    meet()
    start_response("200 OK", [])
    return [f"{environ['PATH_INFO']} {environ['wsgi.multithread']} {os.getpid()}".encode()]
"""
)


@pytest.mark.parametrize(
    ("source", "way", "told", "processes"),
    [(ASGI, "", "1", 1), (ASGI, "processes", "1", 2), (WSGI, "", "False", 2), (WSGI, "threads", "True", 1)],
)
def test_an_application_answers_several_at_once(
    tmp_path: Path, source: str, way: str, told: str, processes: int
) -> None:
    write(tmp_path, app=source)
    with several(tmp_path, 2, "app:app", meeting=2, RAPID_CONCURRENCY=way) as running:
        calls = [running.api.invoke({**EVENT, "rawPath": path}) for path in ("/a", "/b")]
        running.barrier.allow(1)
        bodies = [call.result()["body"].split() for call in calls]
        assert [body[:2] for body in bodies] == [["/a", told], ["/b", told]]
        assert len({body[2] for body in bodies}) == processes
        running.end()
    assert running.output.count("stopped") == (processes if source == ASGI else 0)
