"""Rotation: sizes hold, and every line is in one of the files, whole, once and in order."""

from __future__ import annotations

import fcntl
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extensions.rotating import RotatingFile
from tests.support.program import PATIENCE, ROOT, environ, until

WRITER = """
import pathlib, sys
from extensions.rotating import RotatingFile
file = RotatingFile(pathlib.Path("log"), 2000, 1000)
for number in range(500):
    file.append([f"{sys.argv[1]} {number}\\n".encode()])
file.close()
"""

LIMITED = """
import pathlib, resource
from extensions.rotating import RotatingFile
file = RotatingFile(pathlib.Path("log"), 10**6, 2)
file.append([b"first\\n"])
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))  # as on a disk with room for four bytes more
try:
    file.append([b"second\\n"])
except OSError as error:
    print(error.strerror)
"""


def contents(path: Path) -> list[bytes]:
    """The files from the oldest to the newest."""
    files = sorted(path.parent.glob(f"{path.name}.[0-9]*"), key=lambda file: -int(file.suffix[1:]))
    return [file.read_bytes() for file in [*files, path]]


@given(st.lists(st.lists(st.integers(1, 40), max_size=6), max_size=12), st.integers(20, 60))
@settings(max_examples=30, deadline=None)
def test_no_line_is_lost_and_no_file_is_larger_than_it_may_be(batches: list[list[int]], size: int) -> None:
    lines = [[b"%02d" % (number % 100) + b"x" * length + b"\n" for number, length in enumerate(b)] for b in batches]
    with TemporaryDirectory() as folder:
        path = Path(folder, "log")
        file = RotatingFile(path, size, 1000)
        for batch in lines:
            file.append(batch)
        file.close()
        written = contents(path)
    assert b"".join(written) == b"".join(line for batch in lines for line in batch)
    assert all(len(content) <= size or content.count(b"\n") == 1 for content in written)


@pytest.mark.parametrize(("count", "kept"), [(1, [b"4\n"]), (2, [b"3\n", b"4\n"]), (3, [b"2\n", b"3\n", b"4\n"])])
def test_so_many_files_are_kept(tmp_path: Path, count: int, kept: list[bytes]) -> None:
    file = RotatingFile(tmp_path / "log", 3, count)
    file.append(b"%d\n" % number for number in range(5))
    file.close()
    assert contents(tmp_path / "log") == kept


def test_it_goes_on_with_a_file_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "log"
    for line in (b"one\n", b"two\n"):
        file = RotatingFile(path, 100, 2)
        file.append([line])
        file.close()
    assert contents(path) == [b"one\ntwo\n"]


def test_a_file_that_was_taken_away_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = RotatingFile(path, 100, 2)
    file.append([b"one\n"])
    path.rename(tmp_path / "collected")
    file.append([b"two\n"])
    file.close()
    assert path.read_bytes() == b"two\n"


def test_two_writers_take_turns(tmp_path: Path) -> None:
    words = [sys.executable, "-c", WRITER]
    env = environ(PYTHONPATH=str(ROOT))
    writers = [subprocess.Popen([*words, name], cwd=tmp_path, env=env) for name in ("one", "two")]
    assert [writer.wait(PATIENCE) for writer in writers] == [0, 0]
    lines = b"".join(contents(tmp_path / "log")).decode().splitlines()
    for name in ("one", "two"):
        assert [line for line in lines if line.startswith(name)] == [f"{name} {number}" for number in range(500)]
    assert len(lines) == 1000


def test_a_writer_waits_for_its_turn(tmp_path: Path) -> None:
    path = tmp_path / "log"
    RotatingFile(path, 2000, 2).close()
    with Path(f"{path}.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, "one"], cwd=tmp_path, env=environ(PYTHONPATH=str(ROOT))
        )
        waiting = re.compile(rf"-> FLOCK +ADVISORY +WRITE +{writer.pid} ")
        until(lambda: waiting.search(Path("/proc/locks").read_text()), "the writer to wait")
        assert path.read_bytes() == b""
    assert writer.wait(PATIENCE) == 0
    assert path.read_bytes().endswith(b"one 499\n")


def test_a_write_that_fails_leaves_whole_lines(tmp_path: Path) -> None:
    words = [sys.executable, "-c", LIMITED]
    done = subprocess.run(words, cwd=tmp_path, env=environ(PYTHONPATH=str(ROOT)), stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"File too large\n"
    assert (tmp_path / "log").read_bytes() == b"first\n"


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="exists"):
        RotatingFile(tmp_path / "file" / "log", 100, 2)
