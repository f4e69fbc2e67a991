"""Several invocations at once: whose log line it is, in every process, thread and task."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.harness import write
from tests.runtime.several import MEET, PATIENCE, several

SYNC = (
    MEET
    + """
import contextvars, logging, threading
log = logging.getLogger()
log.setLevel("INFO")
def handler(event, context):
    meet()
    log.info("%s in the handler", event)
    run = contextvars.copy_context().run
    thread = threading.Thread(target=run, args=(log.info, "%s in a thread", event))
    thread.start()
    thread.join()
    meet()
    print(event, "printed")
    log.info("%s at the end", event)
    1 / 0
"""
)
_ASYNC = """
    async def inner():
        await asyncio.sleep(0)
        log.info("%s in a task", event)
    await asyncio.gather(asyncio.create_task(inner()), asyncio.to_thread(log.info, "%s in a worker", event))
    1 /"""
ASYNC = SYNC.replace("def handler", "async def handler").replace("    meet()\n", "    await ameet()\n")
ASYNC = ASYNC.replace("    1 /", _ASYNC)
WAYS = {"processes": SYNC, "threads": SYNC, "tasks": ASYNC}


def run(task: Path, way: str, **env: str) -> tuple[list[str], dict[str, str]]:
    """The log of three invocations at once, and each one's event by its request id."""
    write(task, app=WAYS[way])
    with several(task, 3, meeting=3, env=env, RAPID_CONCURRENCY=way) as running:
        tenants = [f"tenant-{event}" for event in "abc"]
        calls = [running.api.invoke(event, Aws_Tenant_Id=tenant) for event, tenant in zip("abc", tenants, strict=True)]
        running.barrier.allow(2)
        ids = {call.request_id: event for call, event in zip(calls, "abc", strict=True)}
        for call in calls:
            assert call.error()["errorType"] == "ZeroDivisionError"
        running.end()
        return running.output.splitlines(), ids


@pytest.mark.parametrize("way", list(WAYS))
def test_a_line_of_text_has_the_id_of_its_invocation(tmp_path: Path, way: str) -> None:
    lines, ids = run(tmp_path, way)
    records = [line.split("\t") for line in lines if line.startswith("[INFO]")]
    assert len(records) == (5 if way == "tasks" else 3) * 3
    assert all(record[3].startswith(f"{ids[record[2]]} ") for record in records)
    assert sorted(line for line in lines if "printed" in line) == ["a printed", "b printed", "c printed"]


@pytest.mark.parametrize("way", list(WAYS))
def test_a_record_in_json_has_the_ids_of_its_invocation(tmp_path: Path, way: str) -> None:
    lines, ids = run(tmp_path, way, AWS_LAMBDA_LOG_FORMAT="JSON")
    entries = [json.loads(line) for line in lines if line.startswith("{")]
    records = [entry for entry in entries if "message" in entry]
    assert len(records) == (5 if way == "tasks" else 3) * 3
    for record in records:
        event = ids[record["requestId"]]
        assert record["message"].startswith(f"{event} ")
        assert record["tenantId"] == f"tenant-{event}"
    errors = [entry for entry in entries if "errorType" in entry]
    assert sorted(error["requestId"] for error in errors) == sorted(ids)


@pytest.mark.parametrize("way", list(WAYS))
def test_between_invocations_it_is_nobodys(tmp_path: Path, way: str) -> None:
    source = """
import logging, threading, os, contextvars
log = logging.getLogger()
log.warning("at init")
seen = contextvars.ContextVar("seen", default="nothing")
seen.set("the init")
def handler(event, context):
    before = seen.get()
    seen.set(event)
    return before
"""
    write(tmp_path, app=source if way != "tasks" else source.replace("def handler", "async def handler"))
    with several(tmp_path, 1, RAPID_CONCURRENCY=way) as running:
        first, second = running.api.invoke("first").result(), running.api.invoke("second").result()
        # As in the plain mode, a process that serves one at a time has one context.
        assert (first, second) == ("the init", "first" if way == "processes" else "the init")
        running.end()
    assert re.fullmatch(r"\[WARNING\]\t[^\t]*\t\tat init\n", running.output)


@pytest.mark.parametrize("way", ["processes", "threads"])
def test_lines_are_written_whole(tmp_path: Path, way: str) -> None:
    source = (
        MEET
        + """
import sys
def handler(event, context):
    meet()
    for number in range(200):
        print(event, number, event, sep="-")
    sys.stderr.write(f"{event} begun")
    if event == "a":
        sys.stderr.flush()
        sys.stderr.write("and gone on")
"""
    )
    write(tmp_path, app=source)
    with several(tmp_path, 3, meeting=3, RAPID_CONCURRENCY=way) as running:
        calls = [running.api.invoke(event) for event in "abc"]
        running.barrier.allow(1)
        for call in calls:
            call.answer()
        running.end()
    text = running.output
    for event in "abc":
        for number in range(200):
            assert text.count(f"{event}-{number}-{event}\n") == 1
        assert f"{event} begun" in text
    assert "and gone on" in text


@contextlib.contextmanager
def log_provider(folder: Path) -> Iterator[tuple[str, list[socket.socket]]]:
    """The platform's socket that hands out streams; what has connected."""
    path = str(folder / "provider.sock")
    streams: list[socket.socket] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(50)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    streams.append(listener.accept()[0])

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield path, streams
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    for stream in streams:
        stream.close()


def read_all(stream: socket.socket) -> str:
    stream.settimeout(PATIENCE)
    with stream.makefile("rb") as file:
        return file.read().decode()


@pytest.mark.parametrize("theirs", [False, True], ids=["ours", "theirs"])
def test_each_worker_writes_to_streams_that_the_platform_gives(tmp_path: Path, theirs: bool) -> None:
    function = (
        "def handler(event, context):\n    meet()\n    print('out', event)\n    print('err', event, file=sys.stderr)\n"
    )
    source = f"{MEET}import sys\n{function}"
    write(tmp_path, app=source)
    with log_provider(tmp_path) as (path, streams):
        env = {"_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET": path}
        with several(tmp_path, 2, meeting=2, theirs=theirs, env=env) as running:
            calls = [running.api.invoke(event) for event in "ab"]
            running.barrier.allow(1)
            for call in calls:
                call.answer()
        assert len(streams) == 4
        texts = sorted(map(read_all, streams))
    assert texts == ["err a\n", "err b\n", "out a\n", "out b\n"]
    assert running.output == ""


def test_without_the_platforms_socket_the_output_stays(tmp_path: Path) -> None:
    write(tmp_path, app="def handler(event, context):\n    print('here')\n")
    env = {"_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET": str(tmp_path / "nowhere")}
    with several(tmp_path, 1, env=env) as running:
        running.api.invoke().result()
        running.end()
    assert "here\n" in running.output
    assert (
        "nowhere': [Errno 2] No such file or directory; writing where the runtime's first process does"
        in running.output
    )
