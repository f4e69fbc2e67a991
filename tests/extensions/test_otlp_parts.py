"""Parts of the extension otlp by themselves: trace headers, times, and flushes that hang."""

from __future__ import annotations

import asyncio
import threading

import pytest
from opentelemetry.trace import get_current_span

from extensions.otlp.flusher import Flusher
from extensions.otlp.times import nanoseconds
from extensions.otlp.xray import parent

ROOT, TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793", 0x5759E988BD862E3FE1BE46A994272793
PARENT, SPAN = "Parent=53995c3f42cd8ad8", 0x53995C3F42CD8AD8


@pytest.mark.parametrize(
    "header",
    [
        f"{ROOT};{PARENT};Sampled=1",
        f"{ROOT};{PARENT};Sampled=0",
        f"{ROOT};{PARENT};Sampled=0;Lineage=1:abcdef01:0",
        f"Self=1-00000000-000000000000000000000000;{PARENT}; {ROOT}",
        f"{ROOT};{PARENT}".upper().replace("ROOT", "Root").replace("PARENT", "Parent"),
    ],
)
def test_a_trace_header_names_trace_and_parent(header: str) -> None:
    context = get_current_span(parent(header)).get_span_context()
    assert (context.trace_id, context.span_id) == (TRACE, SPAN)
    assert context.trace_flags.sampled
    assert context.is_remote


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        ROOT,
        PARENT,
        f"{ROOT};Parent=53995c3f",
        f"{ROOT};{PARENT}00",
        f"{ROOT[:-1]};{PARENT}",
        f"{ROOT.replace('1-', '2-', 1)};{PARENT}",
        f"Root=1-00000000-{'0' * 24};{PARENT}",
    ],
)
def test_what_is_no_trace_header_has_no_parent(header: str | None) -> None:
    assert not get_current_span(parent(header)).get_span_context().is_valid


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("1970-01-01T00:00:01.064Z", 1_064_000_000),
        ("2026-01-02T03:04:05.123456Z", 1_767_323_045_123_456_000),
    ],
)
def test_times_are_exact(text: str, expected: int) -> None:
    assert nanoseconds(text) == expected


class Collector:
    """Flushes that each take as long as the test wants."""

    def __init__(self) -> None:
        self.flushes = 0
        self.answers = [threading.Event() for _ in range(4)]

    def __call__(self) -> None:
        self.flushes += 1
        assert self.answers[self.flushes - 1].wait(20)


def test_a_flush_is_waited_for_as_long_as_wanted_and_not_begun_twice() -> None:
    collector = Collector()

    async def flush() -> None:
        flusher = Flusher(collector)
        assert not await flusher.flush(0.01)
        assert not await flusher.flush(20)  # longer than the test may take, if it waited
        assert collector.flushes == 1
        assert not await flusher.finish(0.01)
        for answer in collector.answers:
            answer.set()
        assert await flusher.finish(20)
        assert collector.flushes == 2

    asyncio.run(asyncio.wait_for(flush(), 10))


def test_after_a_late_flush_the_next_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("extensions.otlp.flusher.LATE_SECONDS", 0.05)
    collector = Collector()

    async def flush() -> None:
        flusher = Flusher(collector)
        assert not await flusher.flush(0.1)
        collector.answers[0].set()
        while collector.flushes < 2:
            assert not await flusher.flush(20)  # longer than the test may take, if it waited
            await asyncio.sleep(0)
        for answer in collector.answers:
            answer.set()
        assert await flusher.finish(20)
        assert await flusher.flush(20)  # that one was in time, so this is waited for again

    asyncio.run(asyncio.wait_for(flush(), 10))
