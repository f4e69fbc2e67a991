"""Memory as /proc tells it: real processes, that use what they say."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from rapid.environments import proc_memory
from rapid.environments.proc import read
from rapid.environments.proc_memory import ProcAccount

MB = 1024
LIMIT = 3008 * MB

PLAYED = """
import mmap, os, sys
kept = []
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


class Played:
    """A process that does what it is told, one line of Python at a time."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PLAYED],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        self.does("pass")

    def does(self, line: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(line, file=self.process.stdin, flush=True)
        assert self.process.stdout.readline() == "done\n"

    def takes(self, megabytes: int) -> None:
        self.does(f"kept.append(b'x' * {megabytes} * 1024 * 1024)")

    def end(self) -> None:
        if self.process.returncode is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def played() -> Iterator[list[Played]]:
    started = [Played(), Played()]
    yield started
    for each in started:
        each.end()


class Account(ProcAccount):
    """One whose looks cost no time, with much of it between them."""

    def __init__(self, limit_kib: int = LIMIT, oom_kills: Callable[[], int] = lambda: 0) -> None:
        self.now = 0.0
        super().__init__(limit_kib, oom_kills, clock=lambda: self.now)

    def sample(self) -> float:
        self.now += 60
        return super().sample()

    def peak_kib(self) -> int:
        self.now += 60
        return super().peak_kib()


@pytest.fixture
def account() -> Iterator[Account]:
    opened = Account()
    yield opened
    opened.close()


FORK = (
    "import signal; ready, go = os.pipe(), os.pipe(); child = os.fork() or "
    "(os.write(ready[1], b'.'), os.read(go[0], 1), kept.append([bytearray(b) for b in kept]), "
    "os.write(ready[1], b'.'), signal.pause()); os.read(ready[0], 1)"
)
"""Then there are two, who share all that was kept, until `WRITE`."""

WRITE = "os.write(go[1], b'.'); os.read(ready[0], 1)"


def test_the_peak_stays_when_memory_is_given_back(played: list[Played], account: Account) -> None:
    account.add(played[0].process.pid)
    empty = account.peak_kib()
    played[0].takes(100)
    played[0].does("kept.clear()")
    account.sample()
    assert 95 * MB < account.peak_kib() - empty < 110 * MB


def test_all_processes_count_together(played: list[Played], account: Account) -> None:
    for each in played:
        account.add(each.process.pid)
        each.takes(60)
    account.sample()
    assert 120 * MB < account.peak_kib() < 180 * MB


def test_what_a_fork_shares_counts_once_until_it_is_parted(played: list[Played], account: Account) -> None:
    played[0].takes(100)
    account.add(played[0].process.pid)
    played[0].does(FORK)
    account.sample()
    shared = account.peak_kib()
    assert 100 * MB < shared < 150 * MB
    played[0].does(WRITE)
    account.sample()
    assert account.peak_kib() > shared + 90 * MB


def test_a_report_sees_growth_without_a_sample(played: list[Played], account: Account) -> None:
    for each in played:
        account.add(each.process.pid)
    played[1].takes(80)
    assert account.peak_kib() > 80 * MB


def test_the_exit_tells_what_no_look_has_seen(played: list[Played], account: Account) -> None:
    account.add(played[0].process.pid)
    account.add(played[1].process.pid)
    played[0].end()
    account.exited(played[0].process.pid, 200 * MB)
    assert 205 * MB < account.peak_kib() < 230 * MB
    account.exited(played[1].process.pid, 0)
    assert account.peak_kib() > 200 * MB


def test_over_the_limit_the_environment_has_to_end(played: list[Played]) -> None:
    account = Account(100 * MB)
    account.add(played[0].process.pid)
    assert account.sample() < 0.5
    assert not account.out_of_memory()
    played[0].takes(150)
    assert account.sample() > 1.4
    assert account.out_of_memory()
    assert account.peak_kib() == 100 * MB
    account.close()


def test_what_is_shared_does_not_pass_the_limit_twice(played: list[Played]) -> None:
    account = Account(150 * MB)
    played[0].takes(100)
    account.add(played[0].process.pid)
    played[0].does(FORK)
    assert 0.6 < account.sample() < 1
    assert not account.out_of_memory()
    played[0].does(WRITE)
    assert account.sample() > 1
    account.close()


def test_mapped_files_can_be_dropped_and_so_are_within_any_limit(
    played: list[Played], tmp_path: pytest.TempPathFactory
) -> None:
    path = f"{tmp_path}/data"
    account = Account(100 * MB)
    account.add(played[0].process.pid)
    played[0].does(f"file = open({path!r}, 'w+b'); file.truncate(200 * 1024 * 1024)")
    played[0].does("area = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ); kept.append(sum(area[::4096]))")
    filesystem = subprocess.run(["stat", "-f", "-c", "%T", path], capture_output=True, text=True).stdout.strip()
    if filesystem == "tmpfs":
        pytest.skip("files of tmpfs are memory")
    assert account.sample() < 1
    assert account.peak_kib() > 200 * MB
    account.close()


def test_a_container_that_runs_out_of_memory_is_noticed(played: list[Played]) -> None:
    kills = [3]
    account = Account(LIMIT, lambda: kills[0])
    account.add(played[0].process.pid)
    assert not account.out_of_memory()
    kills[0] += 1
    assert account.out_of_memory()
    account.reset()
    assert not account.out_of_memory()
    account.close()


def test_after_a_reset_nothing_is_left(played: list[Played]) -> None:
    account = Account(100 * MB)
    account.add(played[0].process.pid)
    played[0].takes(150)
    account.sample()
    account.reset()
    assert (account.peak_kib(), account.out_of_memory(), account.sample()) == (0, False, 0.0)
    account.add(played[1].process.pid)
    assert 0 < account.peak_kib() < 100 * MB
    account.close()


def test_no_files_stay_open(played: list[Played]) -> None:
    before = len(os.listdir("/proc/self/fd"))
    account = Account(LIMIT)
    for each in played:
        account.add(each.process.pid)
    assert len(os.listdir("/proc/self/fd")) > before
    account.exited(played[0].process.pid, 0)
    account.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_process_that_has_left_is_no_trouble(played: list[Played], account: Account) -> None:
    account.add(played[0].process.pid)
    peak = account.peak_kib()
    played[0].end()
    account.add(played[0].process.pid)
    assert (account.sample(), account.peak_kib()) == (0.0, peak)
    account.exited(played[0].process.pid, 0)
    account.exited(12345678, 0)


def test_looks_that_take_long_are_rare(played: list[Played]) -> None:
    ticks = itertools.count()
    account = ProcAccount(100 * MB, clock=lambda: next(ticks) * 0.0001)
    account.add(played[0].process.pid)
    before = account.sample()
    played[0].takes(80)
    assert account.sample() == before
    for _ in range(500):
        next(ticks)
    assert account.sample() > before + 0.7
    account.close()


def test_there_is_never_long_without_a_look(played: list[Played]) -> None:
    ticks = itertools.count()
    account = ProcAccount(100 * MB, clock=lambda: next(ticks) * 0.05)  # as with hundreds of processes
    account.add(played[0].process.pid)
    before = account.sample()
    played[0].takes(80)
    for _ in range(2):
        next(ticks)
    assert account.sample() > before + 0.7
    account.close()


def test_an_orphan_counts(played: list[Played]) -> None:
    orphans: list[int] = []
    account = ProcAccount(200 * MB, orphans=lambda: orphans)
    account.add(played[0].process.pid)
    alone = account.peak_kib()
    played[1].takes(60)
    orphans.append(played[1].process.pid)
    account.sample()
    assert account.peak_kib() > alone + 59 * MB
    account.close()


def test_a_report_does_not_ask_again_what_is_shared(
    played: list[Played], account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def noted(path: str) -> bytes:
        asked.append(path)
        return read(path)

    monkeypatch.setattr(proc_memory, "read", noted)
    for each in played:
        account.add(each.process.pid)
    first = account.peak_kib()
    assert len(asked) == 2
    played[0].takes(50)
    assert account.peak_kib() > first + 49 * MB
    assert len(asked) == 2


def test_until_it_may_ask_what_is_shared_a_report_counts_the_largest(played: list[Played]) -> None:
    ticks = itertools.count()
    account = ProcAccount(LIMIT, clock=lambda: float(next(ticks)))
    played[0].takes(100)
    account.add(played[0].process.pid)
    account.add(played[1].process.pid)
    account.peak_kib()  # asks
    played[0].does(FORK)
    assert 100 * MB < account.peak_kib() < 130 * MB
    for _ in range(500):
        next(ticks)
    played[0].does(WRITE)
    assert account.peak_kib() > 200 * MB
    account.close()
