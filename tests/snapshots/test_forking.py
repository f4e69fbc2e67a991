"""Forks of a template, with real processes; `template.py` is one that speaks the protocol and little else."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import uvloop

from rapid.core.effects import RUNTIME_PARTY
from rapid.core.phase import Phase
from rapid.environments.launcher import ProcessLauncher
from rapid.environments.process import ChildProcess, Command, LaunchError
from rapid.environments.reaper import Exit, Reaper
from rapid.snapshots import forking, template
from rapid.snapshots.forked import PreparedFork
from rapid.snapshots.forking import Forking
from rapid.snapshots.hosts import InitialisedHost
from rapid.snapshots.launcher import ForkLauncher
from tests.environments.test_process import Sink

TEMPLATE = Path(__file__).with_name("template.py")
PATIENCE = 20


class FakeEnvironment:
    """The environment of a template, as far as a host needs it; its life is told by what the process writes."""

    def __init__(self, command: Command, reaper: Reaper, on_change: Callable[[], None]) -> None:
        self.environ: Mapping[str, str] = command.environ
        self.cwd = command.cwd
        self.phase = Phase.INIT
        self.process: ChildProcess | None = None
        self._command = command
        self._reaper = reaper
        self._on_change = on_change
        self._left = asyncio.Event()

    def start(self) -> None:
        self.process = ChildProcess(self._command, self, self._reaper, self._exited)

    def output(self, data: bytes) -> bool:
        self._move(Phase.IDLE if b"idle" in data else Phase.SNAPSHOT)
        return True

    framed = output

    def end(self) -> None:
        """Nothing more will come."""

    def on_drained(self, callback: Callable[[], None]) -> None:
        callback()

    def another(self) -> FakeEnvironment:
        return self

    async def stop(self) -> None:
        if self.process:
            self.process.kill()
            await self._left.wait()
            self.process.close()

    def _exited(self, _: Exit) -> None:
        self._left.set()
        self._move(Phase.ABSENT)

    def _move(self, phase: Phase) -> None:
        self.phase = phase
        self._on_change()


class Factory:
    """Makes templates; keeps those it has made."""

    def __init__(self, reaper: Reaper, root: Path, words: tuple[str, ...]) -> None:
        self.made: list[FakeEnvironment] = []
        self.reaper = reaper
        self.root = root
        self.words = words

    async def open_template(self, path: str, on_change: Callable[[], None]) -> FakeEnvironment:
        words = [word.replace("SOCKET", path) for word in self.words]
        command = Command((sys.executable, *words), str(self.root), {**os.environ, "KEPT": "1", "GONE": "1"})
        self.made.append(FakeEnvironment(command, self.reaper, on_change))
        return self.made[-1]


class Bench:
    """A backend, and what tests need beside it."""

    def __init__(self, root: Path, words: tuple[str, ...]) -> None:
        self.reaper = Reaper()
        self.factory = Factory(self.reaper, root, words)
        self.backend = Forking(lambda: InitialisedHost(self.factory), self.reaper, str(root))
        self.root = root

    async def ready(self) -> bool:
        """Whether there is a template to fork now."""
        prepared = await self.prepare()
        if prepared:
            prepared.discard()
        return prepared is not None

    async def prepare(self, code: str = "", framed_log: bool = False, **environ: str) -> PreparedFork | None:
        wanted = {**os.environ, "KEPT": "1", "CODE": code, **environ}
        return await self.backend.prepare(wanted, str(self.root), framed_log=framed_log)

    async def prepared(self, code: str = "", framed_log: bool = False, **environ: str) -> PreparedFork:
        prepared = await self.prepare(code, framed_log, **environ)
        assert prepared
        return prepared

    async def run(self, code: str, framed_log: bool = False, **environ: str) -> tuple[int, bytes]:
        """Let a fork run; its exit status, and what it has written."""
        sink, left = Sink(), asyncio.get_running_loop().create_future()
        launcher = ForkLauncher(
            await self.prepared(code, framed_log, **environ), ProcessLauncher({}, self.reaper, lambda: None)
        )
        process = launcher.start(RUNTIME_PARTY, sink, left.set_result)
        exit_: Exit = await asyncio.wait_for(left, PATIENCE)
        process.close()
        return exit_.status, sink.data


@asynccontextmanager
async def bench(root: Path, *words: str) -> AsyncIterator[Bench]:
    made = Bench(root, words or (str(TEMPLATE), "SOCKET"))
    made.reaper.install(asyncio.get_running_loop())
    made.backend.begin()
    try:
        yield made
    finally:
        await made.backend.stop()
        made.reaper.remove()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A task root."""
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "app.py").write_text("one")
    return tmp_path / "task"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking, "MAKE_AGAIN", 0.0)
    monkeypatch.setattr(forking, "LOOK_AGAIN", 0.0)


async def until(ask: Callable[[], Awaitable[object]]) -> object:
    async with asyncio.timeout(PATIENCE):
        while not (found := await ask()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return found


def test_a_fork_has_the_variables_and_the_place_of_its_environment(root: Path) -> None:
    async def main() -> tuple[int, bytes]:
        async with bench(root) as made:
            wanted = "print(os.environ['OWN'], os.environ['KEPT'], os.environ.get('GONE'), os.getcwd())"
            return await made.run(wanted, OWN="mine")

    assert uvloop.run(main()) == (0, f"mine 1 None {root}\n".encode())


def test_a_fork_leads_a_group_of_its_own_and_may_have_a_framed_log(root: Path) -> None:
    code = "assert os.getpgid(0) == os.getpid(); os.write(descriptors[1], b'frame'); os._exit(7)"

    async def main() -> tuple[int, bytes]:
        async with bench(root) as made:
            return await made.run(code, framed_log=True)

    assert uvloop.run(main()) == (7, b"frame")


def test_many_variables_are_more_than_a_socket_takes_at_once(root: Path) -> None:
    async def main() -> tuple[int, bytes]:
        async with bench(root) as made:
            return await made.run("print(len(os.environ['LONG']))", LONG="x" * 3_000_000)

    assert uvloop.run(main()) == (0, b"3000000\n")


def test_forks_that_are_asked_for_at_once_are_prepared_one_after_the_other(root: Path) -> None:
    async def main() -> list[tuple[int, bytes]]:
        async with bench(root) as made:
            return await asyncio.gather(*(made.run(f"print({number})") for number in range(20)))

    assert uvloop.run(main()) == [(0, f"{number}\n".encode()) for number in range(20)]


def test_a_fork_that_dies_while_it_waits_is_told_of_when_it_is_started(root: Path) -> None:
    async def main() -> list[tuple[int, bytes]]:
        async with bench(root) as made:
            return [await made.run("", DIE="1") for _ in range(20)]

    assert uvloop.run(main()) == [(9, b"")] * 20


def test_a_fork_is_used_once(root: Path) -> None:
    async def main() -> None:
        async with bench(root) as made:
            launcher = ForkLauncher(await made.prepared(), ProcessLauncher({}, made.reaper, lambda: None))
            left = asyncio.get_running_loop().create_future()
            process = launcher.start(RUNTIME_PARTY, Sink(), left.set_result)
            with pytest.raises(LaunchError, match="has been used"):
                launcher.start(RUNTIME_PARTY, Sink(), left.set_result)
            await asyncio.wait_for(left, PATIENCE)
            process.close()

    uvloop.run(main())


def test_a_fork_that_is_not_needed_leaves(root: Path) -> None:
    async def main() -> None:
        async with bench(root) as made:
            prepared = await made.prepared()
            prepared.discard()
            await until(lambda: _gone(prepared.pid))

    uvloop.run(main())


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_a_fork_is_ended_with_what_it_has_started(root: Path, how: str) -> None:
    code = "import subprocess; print(subprocess.Popen(['sleep', '1000']).pid, flush=True); os.read(os.pipe()[0], 1)"

    async def main() -> None:
        async with bench(root) as made:
            prepared = await made.prepared(code)
            sink, left = Sink(), asyncio.get_running_loop().create_future()
            process = prepared.start(sink, left.set_result)
            await asyncio.wait_for(sink.heard.wait(), PATIENCE)
            getattr(process, how)()
            exit_ = await asyncio.wait_for(left, PATIENCE)
            assert exit_.status == {"kill": -signal.SIGKILL, "terminate": -signal.SIGTERM}[how]
            await until(lambda: _gone(int(sink.data)))
            process.close()

    uvloop.run(main())


def test_a_fork_is_asked_to_end_before_it_has_a_group(root: Path) -> None:
    async def main() -> int:
        async with bench(root) as made:
            prepared = await made.prepared("os.read(os.pipe()[0], 1)")
            left = asyncio.get_running_loop().create_future()
            process = prepared.start(Sink(), left.set_result)
            process.terminate()
            exit_: Exit = await asyncio.wait_for(left, PATIENCE)
            process.close()
            return exit_.status

    assert uvloop.run(main()) == -signal.SIGTERM


def test_a_template_that_dies_is_made_anew(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with bench(root) as made:
            assert await made.run("print(1)") == (0, b"1\n")
            assert made.factory.made[0].process
            os.kill(made.factory.made[0].process.pid, signal.SIGKILL)
            await until(lambda: _value(len(made.factory.made) == 2))
            await until(lambda: _value(made.factory.made[1].phase is Phase.SNAPSHOT))
            await until(made.ready)
            assert await made.run("print(2)") == (0, b"2\n")

    uvloop.run(main())
    assert "the template has left: the template is made anew" in caplog.text


@pytest.mark.parametrize("dies", ["in its init", "once it listens"])
def test_a_template_that_dies_before_it_is_one_is_made_again_unasked(root: Path, tmp_path: Path, dies: str) -> None:
    tried = str(tmp_path / "tried")
    there = "socket.socket(socket.AF_UNIX).bind(sys.argv[1]); print('ready', flush=True); os.read(os.pipe()[0], 1)"
    script = f"""
import os, socket, sys
if not os.path.exists({tried!r}):
    open({tried!r}, "x").close()
    {"sys.exit(1)" if dies == "in its init" else there}
os.execv(sys.executable, [sys.executable, {str(TEMPLATE)!r}, sys.argv[1]])
"""

    async def main() -> None:
        async with bench(root, "-c", script, "SOCKET") as made:
            await until(lambda: _value(len(made.factory.made) == 2))
            await until(made.ready)

    uvloop.run(main())


@pytest.mark.parametrize("what", ["changed", "come", "gone"])
def test_a_template_is_made_anew_when_the_functions_files_change(
    root: Path, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    (root / "other.json").write_text("{}")

    async def main() -> None:
        async with bench(root) as made:
            assert await made.run("print(1)") == (0, b"1\n")
            if what == "changed":
                (root / "app.py").write_text("another")
            elif what == "come":
                (root / "new.py").write_text("")
            else:
                (root / "other.json").unlink()
            assert await made.prepare() is None
            await until(made.ready)
            assert len(made.factory.made) == 2

    uvloop.run(main())
    assert "has changed: the template is made anew" in caplog.text


def test_files_that_belong_to_nobody_do_not_count(root: Path) -> None:
    async def main() -> None:
        async with bench(root) as made:
            assert await made.run("print(1)") == (0, b"1\n")
            (root / "__pycache__").mkdir()
            (root / "__pycache__" / "app.pyc").write_text("")
            (root / ".git").mkdir()
            (root / ".git" / "HEAD").write_text("")
            (root / "written.log").write_text("by the function itself")
            assert await made.run("print(1)") == (0, b"1\n")

    uvloop.run(main())


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("print('ready', flush=True); input()", "offers no template"),
        ("print('idle', flush=True); input()", "does not stop at the snapshot point"),
        ("raise SystemExit(1)", "its init has failed"),
    ],
)
def test_a_runtime_that_is_no_template(
    root: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    monkeypatch.setattr(forking, "MAKE_AGAIN", 60.0)
    script = script.replace("input()", "import os; os.read(os.pipe()[0], 1)")

    async def main() -> None:
        async with bench(root, "-c", script) as made:
            assert await made.prepare() is None

    uvloop.run(main())
    assert caplog.text.count("snapshot: ") == 1
    assert said in caplog.text


@pytest.mark.parametrize("silent", ["describe", "fork"])
def test_a_template_that_does_not_answer_holds_nobody_up(
    root: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, silent: str
) -> None:
    monkeypatch.setattr(template, "PATIENCE", 0.2)

    async def main() -> None:
        async with bench(root, str(TEMPLATE), "SOCKET", silent) as made:
            assert await made.prepare() is None

    uvloop.run(main())
    assert f"it has not answered '{silent}' within 0.2 s" in caplog.text


def test_what_forks_do_not_carry_is_told(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with bench(root) as made:
            await made.run("")

    uvloop.run(main())
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert told[0] == "snapshot: threads of the init that no environment has: poller"
    assert told[1].startswith("snapshot: 1 connections that were opened in the init are shared")


def test_the_first_ones_wait_until_there_is_a_template_and_the_end_waits_for_nobody(root: Path) -> None:
    async def main() -> None:
        async with bench(root, "-c", "import os; os.read(os.pipe()[0], 1)") as made:
            waiting = asyncio.ensure_future(made.prepare())
            done, _ = await asyncio.wait([waiting], timeout=0.05)
            assert not done
            await asyncio.wait_for(made.backend.stop(), PATIENCE)
            assert await waiting is None
            assert made.factory.made[0].phase is Phase.ABSENT

    uvloop.run(main())


def test_a_stranger_who_left_before_he_was_expected_is_not_told_of() -> None:
    async def main() -> list[Exit]:
        reaper, told = Reaper(), list[Exit]()
        reaper.collect()
        with reaper.expecting():
            reaper.watch(pid, told.append)
            reaper.collect()
            await asyncio.sleep(0)
        return told

    pid = os.spawnlp(os.P_NOWAIT, "true", "true")
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert uvloop.run(main()) == []


async def _gone(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return False
    return True


async def _value(value: object) -> object:
    return value
