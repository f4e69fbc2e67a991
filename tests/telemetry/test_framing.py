"""Framed logs: every message whole, whatever the pieces they arrive in, and nothing lost of what is no frame."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapid.telemetry.framing import LONGEST, MAGIC, Decoder, Frame
from rapid.telemetry.messages import LIMIT

NOW = 1_700_000_001.0
SENT = 1_700_000_000.123456


def head(kind: int, length: int, sent: float | None = SENT) -> bytes:
    stamp = b"" if sent is None else round(sent * 1e6).to_bytes(8, "big")
    return MAGIC + bytes([kind]) + length.to_bytes(4, "big") + stamp


def framed(kind: int, data: bytes, sent: float | None = SENT) -> bytes:
    return head(kind, len(data), sent) + data


def read(*chunks: bytes) -> list[Frame]:
    decoder = Decoder()
    return [frame for chunk in chunks for frame in decoder.feed(chunk, NOW)] + decoder.flush(NOW)


@pytest.mark.parametrize(
    ("kind", "level", "is_json"),
    [
        (0x03, None, False),
        (0x02, None, True),
        (0x07, "TRACE", False),
        (0x0B, "DEBUG", False),
        (0x0F, "INFO", False),
        (0x13, "WARN", False),
        (0x12, "WARN", True),
        (0x16, "ERROR", True),
        (0x1B, "FATAL", False),
    ],
)
def test_the_type_says_level_and_form(kind: int, level: str | None, is_json: bool) -> None:
    assert read(framed(kind, b"two\nlines\n")) == [Frame(level, is_json, SENT, b"two\nlines\n")]


def test_an_older_frame_has_no_time_of_its_own() -> None:
    assert read(framed(0x01, b"old", None) + framed(0x03, b"new")) == [
        Frame(None, False, NOW, b"old"),
        Frame(None, False, SENT, b"new"),
    ]


def test_an_empty_message_is_a_message() -> None:
    assert read(framed(0x03, b""), framed(0x03, b"x")) == [
        Frame(None, False, SENT, b""),
        Frame(None, False, SENT, b"x"),
    ]


MESSAGES = st.lists(st.tuples(st.sampled_from([0x02, 0x03, 0x0F, 0x12]), st.binary(max_size=40)), max_size=6)


@given(MESSAGES, st.integers(1, 30))
def test_frames_are_found_in_any_pieces(messages: list[tuple[int, bytes]], size: int) -> None:
    stream = b"".join(framed(kind, data) for kind, data in messages)
    frames = read(*(stream[at : at + size] for at in range(0, len(stream), size)))
    assert [frame.data for frame in frames] == [data for _, data in messages]


@given(
    st.lists(st.binary(max_size=40) | st.sampled_from([MAGIC, framed(0x03, b"ok"), head(0x02, 9)])), st.integers(1, 9)
)
def test_of_any_bytes_none_are_lost(parts: list[bytes], size: int) -> None:
    stream = b"".join(parts)
    frames = read(*(stream[at : at + size] for at in range(0, len(stream), size)))
    heads = stream
    for frame in frames:  # in order, with nothing but heads between
        at = heads.find(frame.data)
        assert at >= 0
        heads = heads[at + len(frame.data) :]
    lost = len(stream) - sum(len(frame.data) for frame in frames)
    assert lost % 8 == 0
    assert lost <= 16 * stream.count(MAGIC)


@pytest.mark.parametrize(
    "garbage",
    [
        b"written straight to the descriptor\n",
        b"\xa5\x5a\x07garbage",
        head(0x1F, 4),
        head(0x00, 4),
        head(0x23, 4),
        head(0x03, LONGEST + 1),
        b"\xa5\xa5\x5a",
    ],
)
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_what_is_no_frame_passes_as_text_and_the_next_frame_is_found(garbage: bytes, size: int) -> None:
    stream = garbage + framed(0x0F, b"after")
    *strays, last = read(*(stream[at : at + size] for at in range(0, len(stream), size)))
    assert b"".join(stray.data for stray in strays) == garbage
    assert {(stray.level, stray.json, stray.epoch) for stray in strays} == {(None, False, NOW)}
    assert last == Frame("INFO", False, SENT, b"after")


@pytest.mark.parametrize("cut", range(1, 20))
def test_what_was_begun_is_told_at_the_end(cut: int) -> None:
    stream = framed(0x0F, b"rest")
    (frame,) = read(stream[:cut]) or [Frame(None, False, NOW, b"")]
    begun = cut >= 16
    assert frame.data == (stream[16:cut] if begun else stream[:cut])
    assert frame.level == ("INFO" if cut > 16 else None)


@pytest.mark.parametrize("character", ["x", "漢"])
def test_a_long_message_comes_in_parts_and_a_part_is_no_json(character: str) -> None:
    data = json.dumps({"message": character * LIMIT}, ensure_ascii=False).encode()
    stream = framed(0x16, data) + framed(0x02, b"{}")
    *parts, last = read(*(stream[at : at + 65536] for at in range(0, len(stream), 65536)))
    assert b"".join(part.data for part in parts) == data
    assert {(part.level, part.json, part.epoch) for part in parts} == {("ERROR", False, SENT)}
    assert all(len(part.data) <= LIMIT and part.data.decode() for part in parts)
    assert last == Frame(None, True, SENT, b"{}")


def test_a_message_of_just_the_limit_is_whole() -> None:
    assert [frame.json for frame in read(framed(0x02, b"x" * LIMIT))] == [True]


@pytest.mark.parametrize(
    ("data", "text", "lines"),
    [
        (b"a\nb\n", "a\nb", b"a\nb\n"),
        (b"a", "a", b"a\n"),
        (b"\xff", "\ufffd", b"\xff\n"),
    ],
)
def test_a_message_as_text_and_for_the_console(data: bytes, text: str, lines: bytes) -> None:
    frame = Frame(None, False, NOW, data)
    assert (frame.text, frame.lines) == (text, lines)


CLIENT = """
import logging, os
from awslambdaric.bootstrap import _setup_logging, create_log_sink
from awslambdaric.lambda_runtime_log_utils import LogFormat
with create_log_sink() as sink:
    _setup_logging(LogFormat.from_str(os.environ["FORMAT"]), "INFO", sink)
    logging.warning("first\\nsecond")
    sink.log_error(["[ERROR] no", "Traceback"])
"""


@pytest.mark.parametrize("form", ["JSON", "TEXT"])
def test_awss_client_is_understood(form: str, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    try:
        subprocess.run(
            [sys.executable, "-c", CLIENT],
            env={**os.environ, "_LAMBDA_TELEMETRY_LOG_FD": str(writing), "FORMAT": form},
            pass_fds=[writing],
            check=True,
            cwd=tmp_path,
        )
        warning, error = read(os.read(reading, 65536))
    finally:
        os.close(reading)
        os.close(writing)
    assert (warning.level, warning.json) == ("WARN", form == "JSON")
    if warning.json:
        assert json.loads(warning.text)["message"] == "first\nsecond"
    else:
        assert warning.text.endswith("\tfirst\nsecond")
    assert error.level in (None, "ERROR")
    assert error.text == "[ERROR] no\nTraceback"
    assert error.epoch == pytest.approx(warning.epoch, abs=60)
