"""What a process writes, on its way to the console and to subscribers."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import pytest

from rapid.telemetry.replay import Message
from rapid.telemetry.writer import Writer


class Notes:
    """A log and a publisher that write down what they are given."""

    def __init__(self, level: str | None = None, *, listened: bool = True) -> None:
        self.console = b""
        self.messages: list[Message] = []
        self.writer = Writer(self, self.publish, lambda: listened, level)

    def write(self, data: bytes, writer: object) -> bool:
        assert writer is self.writer
        self.console += data
        return True

    def on_drained(self, callback: Callable[[], None]) -> None:
        callback()

    def publish(self, messages: Sequence[Message], _: float) -> None:
        self.messages.extend(messages)


def frame(text: bytes, kind: int = 0xA55A0003) -> bytes:
    return struct.pack(">IIQ", kind, len(text), 1_700_000_000_000_000) + text


def test_lines_are_messages_and_bytes_go_through_as_they_are() -> None:
    notes = Notes()
    for piece in (b"one\ntw", b"o\nthr"):
        notes.writer.output(piece)
    assert notes.console == b"one\ntwo\nthr"
    assert notes.messages == ["one", "two"]
    notes.writer.end()
    assert notes.messages == ["one", "two", "thr"]
    assert notes.console == b"one\ntwo\nthr"


def test_without_a_listener_there_are_no_messages() -> None:
    notes = Notes(listened=False)
    notes.writer.output(b"one\n")
    notes.writer.framed(frame(b"two"))
    notes.writer.end()
    assert (notes.console, notes.messages) == (b"one\ntwo\n", [])


def test_a_frame_is_one_message_whatever_its_lines() -> None:
    notes = Notes()
    notes.writer.framed(frame(b"one\ntwo\n") + frame(b'{"a": 1}', 0xA55A0002))
    assert notes.console == b'one\ntwo\n{"a": 1}\n'
    assert notes.messages == ["one\ntwo", b'{"a": 1}']


@pytest.mark.parametrize(
    ("level", "shown"),
    [("TRACE", "dipw"), ("INFO", "ipw"), ("WARN", "w"), ("FATAL", "")],
)
def test_what_does_not_pass_the_level_is_left_out(level: str, shown: str) -> None:
    lines = {
        "d": '{"level": "DEBUG", "message": "d"}',
        "i": '{"level": "info", "message": "i"}',
        "p": "printed",
        "w": '{"message": "w", "level": "WARNING"}',
    }
    notes = Notes(level)
    for line in lines.values():
        notes.writer.output(line.encode() + b"\n")
        notes.writer.framed(frame(line.encode(), 0xA55A0002))
    assert notes.console.decode().splitlines() == [lines[name] for name in shown for _ in range(2)]
    assert len(notes.messages) == 2 * len(shown)


def test_with_a_level_a_line_is_shown_when_it_is_whole() -> None:
    notes = Notes("INFO")
    notes.writer.output(b'{"level": "DEB')
    notes.writer.output(b'UG"}\nbegun')
    assert notes.console == b""
    notes.writer.end()
    assert (notes.console, notes.messages) == (b"begun\n", ["begun"])


@pytest.mark.parametrize("level", [None, "INFO"])
def test_what_an_invocation_has_not_ended_is_not_joined_to_the_next(level: str | None) -> None:
    notes = Notes(level)
    notes.writer.output(b"partial")
    notes.writer.end_line()
    notes.writer.output(b'{"level": "ERROR"}\n')
    assert notes.messages == ["partial", '{"level": "ERROR"}']
    notes.writer.end_line()
    assert len(notes.messages) == 2
