"""Real processes: their output, their end, their memory."""

from __future__ import annotations

import asyncio
import functools
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from rapid.environments.process import ChildProcess, Command, LaunchError
from rapid.environments.reaper import Exit, Reaper
from tests.support.program import until

MEGABYTE = 1024  # KiB


class Sink:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.data = b""
        self.heard = asyncio.Event()

    def output(self, data: bytes) -> bool:
        self.data += data
        self.heard.set()
        return True

    def framed(self, data: bytes) -> bool:
        return self.output(data)

    def end(self) -> None:
        """The streams are over."""

    def on_drained(self, callback: Callable[[], None]) -> None:
        callback()

    def another(self) -> Sink:
        return self


async def run(script: str, *, kill: bool = False) -> tuple[int, bytes, int]:
    """Run a Python script as a runtime; (exit status, output, peak KiB)."""
    reaper, sink, left = Reaper(), Sink(), asyncio.get_running_loop().create_future()
    reaper.install(asyncio.get_running_loop())
    try:
        command = Command((sys.executable, "-c", script), os.getcwd(), dict(os.environ))
        process = ChildProcess(command, sink, reaper, left.set_result)
        if kill:
            process.kill()
        exit_ = await asyncio.wait_for(left, 20)
        process.close()
        return exit_.status, sink.data, exit_.peak_kib
    finally:
        reaper.remove()


@pytest.mark.parametrize(
    ("script", "status", "output"),
    [
        ("print('a'); import sys; print('b', file=sys.stderr, flush=True)", 0, {b"a\n", b"b\n"}),
        ("raise SystemExit(7)", 7, set()),
        ("import os; os.abort()", -6, set()),
    ],
)
def test_a_runtime_is_heard_and_its_exit_is_told(script: str, status: int, output: set[bytes]) -> None:
    left, data, _ = uvloop.run(run(script))
    assert left == status
    assert set(data.splitlines(keepends=True)) == output


def test_more_output_than_a_pipe_holds_arrives_whole() -> None:
    _, data, _ = uvloop.run(run("print('x' * 1_000_000)"))
    assert data == b"x" * 1_000_000 + b"\n"


def test_a_killed_runtime_left_by_a_signal() -> None:
    assert uvloop.run(run("import signal; signal.pause()", kill=True))[0] == -9


def test_the_peak_is_that_of_the_runtime_even_after_it_has_left() -> None:
    # A process starts as a copy of the one that starts it: its peak says something only above that one's.
    size = max(150 * MEGABYTE, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + 50 * MEGABYTE)
    script = f"block = bytearray({size} * 1024); block[::4096] = b'x' * len(block[::4096])"
    _, _, peak = uvloop.run(run(script))
    assert size < peak < size + 100 * MEGABYTE


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("/no/such/program",), "fork/exec /no/such/program: no such file or directory"),
        (("{folder}/not-executable",), "fork/exec {folder}/not-executable: permission denied"),
        (("{folder}/no-program",), "fork/exec {folder}/no-program: exec format error"),
    ],
)
def test_a_command_that_cannot_start_says_why(words: tuple[str, ...], reason: str, tmp_path: Path) -> None:
    tmp_path.joinpath("not-executable").write_text("")
    tmp_path.joinpath("no-program").write_bytes(b"\x00\x01")
    tmp_path.joinpath("no-program").chmod(0o755)
    command = Command(tuple(word.format(folder=tmp_path) for word in words), str(tmp_path), {})

    async def scenario() -> None:
        ChildProcess(command, Sink(), Reaper(), lambda status: None)

    with pytest.raises(LaunchError) as error:
        asyncio.run(scenario())
    assert str(error.value) == reason.format(folder=tmp_path)


def test_orphans_are_collected_too() -> None:
    reaper, seen = Reaper(), list[Exit]()
    stranger = os.posix_spawn("/bin/true", ["true"], {})
    watched = os.posix_spawn("/bin/false", ["false"], {})
    reaper.watch(watched, seen.append)
    for pid in (stranger, watched):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    reaper.collect()
    with pytest.raises(ChildProcessError):
        os.waitpid(stranger, os.WNOHANG)
    assert [exit_.status for exit_ in seen] == [1]


@pytest.mark.parametrize(
    "escape",
    [
        "os.setpgid(0, os.getpgid(os.getppid()))",
        "child = os.fork()\nif child == 0:\n    os.setsid()",
    ],
    ids=["a runtime in another group", "a child in a session of its own"],
)
def test_a_kill_reaches_those_who_have_left_the_group(escape: str) -> None:
    script = f"import os, signal\n{escape}\nprint(os.getpid(), flush=True)\nsignal.pause()"

    async def scenario() -> list[int]:
        reaper, sink = Reaper(), Sink()
        left = asyncio.get_running_loop().create_future()
        reaper.install(asyncio.get_running_loop())
        command = Command((sys.executable, "-c", script), os.getcwd(), dict(os.environ))
        process = ChildProcess(command, sink, reaper, left.set_result)
        expected = 2 if "fork" in escape else 1
        while sink.data.count(b"\n") < expected:
            sink.heard.clear()
            await asyncio.wait_for(sink.heard.wait(), 20)
        process.kill()
        assert (await asyncio.wait_for(left, 20)).status == -9
        process.close()
        reaper.remove()
        return [int(line) for line in sink.data.split()]

    for pid in uvloop.run(scenario()):
        until(functools.partial(gone, pid), f"the end of process {pid}")


def gone(pid: int) -> bool:
    try:
        return " Z " in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True


def test_without_descriptors_a_runtime_cannot_start_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        ChildProcess(Command(("/bin/true",), "/", {}), Sink(), Reaper(), lambda status: None)

    def none_left(flags: int) -> tuple[int, int]:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "pipe2", none_left)
    with pytest.raises(LaunchError, match="fork/exec /bin/true: too many open files"):
        asyncio.run(scenario())
