"""The console: lines in order, nobody held up, nothing lost while somebody reads."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator

import pytest

from rapid.core.records import InvokeStart
from rapid.telemetry.console import HIGH_WATER, Console
from rapid.telemetry.facts import Facts
from rapid.telemetry.line_output import LineOutput
from rapid.telemetry.lines import TextFormatter
from rapid.telemetry.log import TAIL_BYTES, EnvironmentLog
from rapid.telemetry.publisher import Publisher
from tests.core.steps import invocation

FACTS = Facts("f", "$LATEST", "arn:f", "stream", 128, "on-demand", "python:3.13", "arn:runtime")


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ours, theirs = os.pipe()
    yield ours, theirs
    for end in (ours, theirs):
        with contextlib.suppress(OSError):  # a test may have closed it
            os.close(end)


def test_a_platform_line_never_continues_a_line_of_the_function(pipe: tuple[int, int]) -> None:
    async def scenario() -> None:
        console = Console(pipe[1])
        console.output(b"no newline")
        console.platform("END\n")
        console.output(b"whole\n")
        console.platform("END\n")
        console.flush()

    asyncio.run(scenario())
    assert os.read(pipe[0], 100) == b"no newline\nEND\nwhole\nEND\n"


def test_a_reader_that_does_not_read_holds_up_nobody_and_loses_nothing(pipe: tuple[int, int]) -> None:
    written = b"".join(b"%07d\n" % number for number in range(2 * HIGH_WATER // 8))
    read = bytearray()

    async def scenario() -> None:
        console = Console(pipe[1])
        drained = asyncio.Event()
        assert console.output(written) is False
        console.on_drained(drained.set)
        os.set_blocking(pipe[0], False)
        asyncio.get_running_loop().add_reader(pipe[0], lambda: read.extend(os.read(pipe[0], 65536)))
        await asyncio.wait_for(drained.wait(), 20)
        asyncio.get_running_loop().remove_reader(pipe[0])

    asyncio.run(scenario())
    try:
        while piece := os.read(pipe[0], 65536):
            read.extend(piece)
    except BlockingIOError:
        pass
    assert bytes(read) == written


def test_without_a_reader_the_server_goes_on(pipe: tuple[int, int]) -> None:
    os.close(pipe[0])

    async def scenario() -> bool:
        console = Console(pipe[1])
        console.platform("START\n")
        await asyncio.sleep(0)
        return console.output(b"x" * HIGH_WATER)

    assert asyncio.run(scenario()) is True


def test_nobody_is_put_on_a_line_that_another_has_begun(pipe: tuple[int, int]) -> None:
    async def scenario() -> None:
        log = EnvironmentLog(Console(pipe[1]), TextFormatter(FACTS), Publisher(FACTS))
        function, extension = log.writer(None), log.writer("watcher")
        function.output(b"one ")
        function.output(b"two")
        extension.output(b"three\n")
        function.output(b"four\n")
        await asyncio.sleep(0)

    asyncio.run(scenario())
    assert os.read(pipe[0], 100) == b"one two\nthree\nfour\n"


def test_the_tail_is_the_last_4_kb_since_the_start_line(pipe: tuple[int, int]) -> None:
    async def scenario() -> tuple[bytes, bytes]:
        log = EnvironmentLog(Console(pipe[1]), TextFormatter(FACTS), Publisher(FACTS))
        function = log.writer(None)
        function.output(b"before\n")
        log.record(InvokeStart(invocation()), 0)
        function.output(b"short\n")
        short = log.tail()
        for number in range(3000):
            function.output(b"%05d\n" % number)
        return short, log.tail()

    short, long = asyncio.run(scenario())
    assert short == b"START RequestId: id-1 Version: $LATEST\nshort\n"
    assert len(long) == TAIL_BYTES
    assert long.endswith(b"02999\n")


def test_tags_stand_at_the_beginning_of_lines_and_nowhere_else(pipe: tuple[int, int]) -> None:
    """Errors have carriage returns inside of one line."""

    async def scenario() -> None:
        tagged = LineOutput(Console(pipe[1]), "[1] ")
        for data in (b"[ERROR] a\rb\rc\n", b"be", b"gun\n", b"", b"\n"):
            tagged.output(data, writer="function")
        tagged.platform("START\nEND\n")
        await asyncio.sleep(0)
        assert os.read(pipe[0], 100) == b"[1] [ERROR] a\rb\rc\n[1] begun\n[1] \n[1] START\n[1] END\n"

    asyncio.run(scenario())


def test_the_pieces_of_a_line_stay_together_when_several_write(pipe: tuple[int, int]) -> None:
    async def scenario() -> None:
        console = Console(pipe[1])
        one, two = LineOutput(console), LineOutput(console)
        for piece in (b"a", b" ", b"b", b"\n"):
            one.output(b"1" + piece, writer="one")
            two.output(b"2" + piece, writer="two")
        await asyncio.sleep(0)
        assert os.read(pipe[0], 100) == b"1a1 1b1\n2a2 2b2\n"

    asyncio.run(scenario())


def test_an_unfinished_line_is_held_back_for_a_moment_only(pipe: tuple[int, int]) -> None:
    async def scenario() -> None:
        console = Console(pipe[1])
        shared = LineOutput(console, "[1] ")
        shared.output(b"a question? ", writer="function")
        os.set_blocking(pipe[0], False)
        with pytest.raises(BlockingIOError):
            os.read(pipe[0], 100)
        os.set_blocking(pipe[0], True)
        assert await asyncio.to_thread(os.read, pipe[0], 100) == b"[1] a question? "
        shared.output(b"yes\n", writer="function")
        await asyncio.sleep(0)
        assert os.read(pipe[0], 100) == b"yes\n"
        shared.output(b"more", writer="function")
        shared.platform("END\n")
        await asyncio.sleep(0)
        assert os.read(pipe[0], 100) == b"[1] more\n[1] END\n"

    asyncio.run(scenario())


def test_a_line_without_an_end_is_not_held_back_for_ever(pipe: tuple[int, int]) -> None:
    async def scenario() -> None:
        shared = LineOutput(Console(pipe[1]))
        shared.output(b"x" * 70_000, writer="function")
        await asyncio.sleep(0)
        assert os.read(pipe[0], 4096) == b"x" * 4096

    asyncio.run(scenario())
