"""A framed log to give to a runtime, and what is in it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def read_frames(data: bytes) -> list[tuple[str, int, str]]:
    """Type in hexadecimal, microseconds of the epoch, message."""
    frames = []
    while data:
        end = 16 + int.from_bytes(data[4:8], "big")
        frames.append((data[:4].hex(), int.from_bytes(data[8:16], "big"), data[16:end].decode()))
        assert len(data) >= end, "the last frame has no end"
        data = data[end:]
    return frames


@contextmanager
def framed_log() -> Iterator[tuple[int, Callable[[], bytes]]]:
    """A file to be the framed log: its descriptor, and what is in it. Links to it have `framed-log` in their names."""
    with tempfile.NamedTemporaryFile(prefix="framed-log") as file:
        yield file.fileno(), lambda: Path(file.name).read_bytes()
