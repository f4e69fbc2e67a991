"""Output as log messages: one for each line, whatever the chunks were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapid.telemetry.messages import APPLICATION_LOG_LEVELS, LIMIT, Lines, passes, pieces


def read(*chunks: bytes) -> list[str]:
    lines = Lines()
    return [message for chunk in chunks for message in lines.feed(chunk)] + lines.flush()


@pytest.mark.parametrize(
    ("chunks", "messages"),
    [
        ((b"one\ntwo\n",), ["one", "two"]),
        ((b"o", b"ne\nt", b"wo"), ["one", "two"]),
        ((b"one\n", b"\n", b"two\n"), ["one", "", "two"]),
        ((b"no end",), ["no end"]),
        ((b"",), []),
        (("é\n".encode()[:1], "é\n".encode()[1:]), ["é"]),
        ((b"\xff\xc3\nplain\n",), ["\ufffd\ufffd", "plain"]),
        ((b"a\r\nb\rc\n",), ["a\r", "b\rc"]),  # runtimes write \r for a newline within a message
    ],
)
def test_a_message_is_a_line(chunks: tuple[bytes, ...], messages: list[str]) -> None:
    assert read(*chunks) == messages


@given(st.lists(st.text(alphabet="aé漢😀\n\r\x00")), st.integers(1, 7))
def test_chunks_leave_no_trace_in_the_messages(texts: list[str], size: int) -> None:
    data = "".join(texts).encode()
    whole = data.decode().split("\n")
    assert read(*(data[at : at + size] for at in range(0, len(data), size))) == (whole if whole[-1] else whole[:-1])


@pytest.mark.parametrize("character", ["x", "é", "漢", "😀"])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_message_that_is_too_long_is_cut_between_characters(character: str, end: bytes) -> None:
    text = "a" + character * LIMIT
    data = text.encode() + end
    messages = read(*(data[at : at + 65536] for at in range(0, len(data), 65536)))
    assert "".join(messages) == text
    assert len(messages) == -(-len(text.encode()) // LIMIT) or character != "x"
    assert all(LIMIT - 4 < len(message.encode()) <= LIMIT for message in messages[:-1])


def test_a_line_without_an_end_is_not_kept_for_ever() -> None:
    lines = Lines()
    told = sum(len(message) for _ in range(100) for message in lines.feed(b"x" * 65536))
    assert told >= 100 * 65536 - LIMIT
    assert told + sum(map(len, lines.flush())) == 100 * 65536


def test_after_a_flush_nothing_is_left() -> None:
    lines = Lines()
    assert lines.feed(b"begun") == []
    assert (lines.flush(), lines.flush()) == (["begun"], [])
    assert lines.feed(b"next\n") == ["next"]


def test_what_is_not_utf8_is_cut_too() -> None:
    assert [len(piece) for piece in pieces(b"\x80" * 25, 10)] == [10, 10, 5]


@pytest.mark.parametrize(
    ("message", "level"),
    [
        ('{"level": "ERROR", "message": "boom"}', "ERROR"),
        ('{"message": "m", "level": "debug"}', "DEBUG"),
        ('{"level": "trace"}', "TRACE"),
        ('{"level": "WARNING"}', "WARN"),
        ('{"level": "CRITICAL"}', "FATAL"),
        (b'{"level": "FATAL"}', "FATAL"),
        ('{"level": "NOTICE"}', "INFO"),
        ('{"level": 3}', "INFO"),
        ('{"message": "no level"}', "INFO"),
        ("plain text", "INFO"),
        ('{"level": "ERROR"', "INFO"),
        ('{"level": "ERROR", "message": "\ud800"}', "INFO"),
        ('["level", "ERROR"]', "INFO"),
        ("", "INFO"),
    ],
)
def test_a_message_passes_up_to_its_level(message: str | bytes, level: str) -> None:
    passing = [name for name in APPLICATION_LOG_LEVELS if passes(message, name)]
    assert passing == list(APPLICATION_LOG_LEVELS[: APPLICATION_LOG_LEVELS.index(level) + 1])
