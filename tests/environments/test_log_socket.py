"""The socket through which a runtime's workers write: one connection, one stream."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest
import uvloop

from rapid.environments.log_socket import VARIABLE, LogSocket
from rapid.environments.process import ChildProcess, Command
from rapid.environments.reaper import Exit, Reaper
from tests.support.program import PATIENCE


class Sink:
    """Keeps what it is given; `news` is set when it or one of its others is given something, or ended."""

    def __init__(self, *, full: bool = False, news: asyncio.Event | None = None) -> None:
        self.data = b""
        self.ended = False
        self.full = full
        self.others: list[Sink] = []
        self.waiting: list[Callable[[], None]] = []
        self.news = news or asyncio.Event()

    def output(self, data: bytes) -> bool:
        self.data += data
        self.news.set()
        return not self.full

    def framed(self, data: bytes) -> bool:
        return self.output(data)

    def end(self) -> None:
        self.ended = True
        self.news.set()

    def on_drained(self, callback: Callable[[], None]) -> None:
        self.waiting.append(callback)

    def another(self) -> Sink:
        self.others.append(Sink(full=self.full, news=self.news))
        return self.others[-1]


def connect(log: LogSocket) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(log.path)
    return connection


def run(test: Coroutine[object, object, None]) -> None:
    uvloop.run(asyncio.wait_for(test, PATIENCE))


def test_each_connection_is_a_stream_of_its_own() -> None:
    async def test() -> None:
        sink = Sink()
        log = LogSocket()
        log.listen(sink)
        with connect(log) as first, connect(log) as second:
            first.send(b"one")
            second.send(b"two")
            log.drain()
            sent = first.send(b"three" * 20_000)
            log.drain()
        assert [other.data[:8] for other in sink.others] == [b"onethree", b"two"]
        assert (len(sink.others[0].data), sink.data) == (3 + sent, b"")
        assert not any(other.ended for other in sink.others)
        log.drain()
        assert all(other.ended for other in sink.others)
        log.close()

    run(test())


def test_the_loop_reads_whenever_there_is_something() -> None:
    async def test() -> None:
        sink = Sink()
        log = LogSocket()
        log.listen(sink)
        with connect(log) as connection:
            connection.send(b"one")
            await sink.news.wait()
            assert (sink.others[0].data, sink.others[0].ended) == (b"one", False)
            sink.news.clear()
        await sink.news.wait()
        assert sink.others[0].ended
        log.close()

    run(test())


def test_a_stream_that_is_too_fast_waits_until_there_is_room_and_no_other_does() -> None:
    async def test() -> None:
        sink = Sink(full=True)
        log = LogSocket()
        log.listen(sink)
        with connect(log) as fast, connect(log) as other:
            fast.send(b"one")
            log.drain()
            fast.send(b"two")
            other.send(b"three")
            log.drain()
            assert [each.data for each in sink.others] == [b"one", b"three"]
            sink.others[0].waiting.pop()()
            log.drain()
            assert sink.others[0].data == b"onetwo"
            log.close()
            sink.others[0].waiting.pop()()  # too late, and no harm
        assert all(each.ended for each in sink.others)

    run(test())


def test_nothing_is_left_of_it() -> None:
    async def test() -> None:
        before = set(os.listdir("/proc/self/fd"))
        log = LogSocket()
        log.listen(Sink())
        with connect(log):
            log.drain()
            log.close()
            log.close()
            log.drain()
        assert not Path(log.path).parent.exists()
        assert set(os.listdir("/proc/self/fd")) <= before

    run(test())


def test_where_there_is_no_place_for_it_it_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("x" * 100)  # a path that no socket may have
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))

    async def test() -> None:
        with pytest.raises(OSError, match="too long"):
            LogSocket()
        assert not list(deep.iterdir())

    run(test())


WORKER = f"""
import os, socket
print("main", flush=True)
for fd in (1, 2):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ[{VARIABLE!r}])
        os.dup2(connection.fileno(), fd)
os.write(1, b"worker's output")
os.write(2, b"worker's errors")
"""


def test_a_process_is_told_of_it_and_it_ends_with_the_process() -> None:
    async def test() -> None:
        reaper, sink, left = Reaper(), Sink(), asyncio.get_running_loop().create_future()
        reaper.install(asyncio.get_running_loop())
        command = Command((sys.executable, "-c", WORKER), os.getcwd(), dict(os.environ), log_socket=True)
        process = ChildProcess(command, sink, reaper, left.set_result)
        exit_: Exit = await left
        process.close()
        reaper.remove()
        assert (exit_.status, sink.data) == (0, b"main\n")
        assert [other.data for other in sink.others] == [b"worker's output", b"worker's errors"]
        assert all(other.ended for other in sink.others)

    run(test())
