"""The watch looks while there is work, and at nothing while there is none."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Coroutine

import pytest

from rapid.environments.memory import MemoryWatch
from rapid.environments.proc_memory import ProcAccount


class Account:
    """Says what it is told to, and counts the looks."""

    def __init__(self, *used: float) -> None:
        self.used = list(used)
        self.looks = 0
        self.looked = asyncio.Event()

    def sample(self) -> float:
        self.looks += 1
        self.looked.set()
        return self.used.pop(0) if len(self.used) > 1 else self.used[0]

    async def look(self) -> None:
        self.looked.clear()
        await asyncio.wait_for(self.looked.wait(), 20)

    def add(self, pid: int) -> None: ...
    def exited(self, pid: int, peak_kib: int) -> None: ...
    def peak_kib(self) -> int:
        return 0

    def out_of_memory(self) -> bool:
        return False

    def reset(self) -> None: ...
    def close(self) -> None: ...


class Timer:
    """Stands for the loop: notes delays, and calls back when told to."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self.callback: Callable[[], None] | None = None

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        self.delays.append(delay)
        self.callback = callback
        return self

    def cancel(self) -> None:
        self.callback = None

    def fire(self) -> None:
        callback, self.callback = self.callback, None
        assert callback is not None
        callback()


def run(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(scenario())


def test_the_end_of_memory_is_told_once() -> None:
    async def scenario() -> None:
        account, told = Account(0.5, 0.9, 1.1), asyncio.Event()
        watch = MemoryWatch(account, told.set, period=0.001)
        watch.start()
        await asyncio.wait_for(told.wait(), 20)
        assert account.looks == 3
        told.clear()
        watch.start()  # the next environment in its place
        await asyncio.wait_for(told.wait(), 20)
        assert account.looks == 4

    run(scenario)


@pytest.fixture
def timer(monkeypatch: pytest.MonkeyPatch) -> Timer:
    fake = Timer()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: fake)
    return fake


def watching(timer: Timer, *used: float) -> tuple[MemoryWatch, Account]:
    account = Account(*used)
    return MemoryWatch(account, lambda: None, period=0.05), account


def test_nothing_is_looked_at_without_work(timer: Timer) -> None:
    watch, account = watching(timer, 0.1)
    assert timer.delays == []
    watch.start()
    watch.stop()
    timer.fire()
    assert (account.looks, timer.callback) == (0, None)


def test_invocations_that_are_shorter_than_a_period_share_a_timer(timer: Timer) -> None:
    watch, account = watching(timer, 0.1)
    for _ in range(10):
        watch.start()
        watch.stop()
    assert timer.delays == [0.05]
    watch.start()
    timer.fire()
    assert account.looks == 1
    assert len(timer.delays) == 2


def test_close_to_the_limit_looks_are_closer(timer: Timer) -> None:
    watch, _ = watching(timer, 0.9, 0.1)
    watch.start()
    timer.fire()
    timer.fire()
    assert timer.delays[1] < 0.05 <= timer.delays[2]


def test_a_closed_watch_has_no_timer(timer: Timer) -> None:
    watch, _ = watching(timer, 0.1)
    watch.close()
    watch.start()
    watch.close()
    assert timer.callback is None


HOG = "kept = []\nwhile True:\n    kept.append(b'x' * 1024 * 1024)"


def test_a_process_that_takes_more_and_more_is_ended_soon() -> None:
    async def scenario() -> None:
        over = asyncio.Event()
        watch = MemoryWatch(account, over.set)
        watch.start()
        await asyncio.wait_for(over.wait(), 20)
        watch.close()

    account = ProcAccount(200 * 1024)
    with subprocess.Popen([sys.executable, "-c", HOG]) as hog:
        try:
            account.add(hog.pid)
            run(scenario)
        finally:
            hog.kill()
    assert account.out_of_memory()
    assert account.peak_kib() == 200 * 1024
    account.close()
