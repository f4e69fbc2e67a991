"""An environment's memory as /proc tells it, where there is no cgroup to be had: without privileges, on any system."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rapid.environments.proc import children, descendants, read

FRESH = 0.01
"""Seconds for which a reading is good enough for a report."""

REST = 400
"""How many times as long as a look took there is none: each kind costs a quarter percent of a processor."""

LONGEST_REST = 0.1
"""Seconds without a look, at most, however many processes there are: memory grows by a gigabyte in one."""

REST_OVER = 20
"""The same as `REST`, for asking what is shared when the limit seems passed: then it costs up to five percent."""

_PEAK = re.compile(rb"VmHWM:\s+(\d+)")
_RESIDENT = re.compile(rb"VmRSS:\s+(\d+)")
_HELD = re.compile(rb"(?:RssAnon|RssShmem|VmSwap):\s+(\d+)")
_THREADS = re.compile(rb"Threads:\s+(\d+)")
_SHARE = re.compile(rb"^Pss:\s+(\d+)", re.MULTILINE)
_HELD_SHARE = re.compile(rb"^(?:Pss_Anon|Pss_Shmem|SwapPss):\s+(\d+)", re.MULTILINE)


@dataclass(slots=True)
class _Root:
    """A process that was added. Its files stay open: each report reads them; not every kernel lists children."""

    status: int
    children: int | None


class _Use:
    """What one process uses now, KiB; `peak` is the most it ever had resident."""

    def __init__(self, pid: int, status: bytes) -> None:
        self.pid = pid
        self.status = status
        self.peak = _number(_PEAK, status) or self.resident

    @property
    def resident(self) -> int:
        """What it has, shared pages included."""
        return _number(_RESIDENT, self.status)

    @property
    def held(self) -> int:
        """What of it cannot be dropped: all but pages of files."""
        found = _HELD.findall(self.status)
        return sum(map(int, found)) if b"RssAnon" in self.status else self.resident

    def share(self) -> tuple[int, int]:
        """Its share of what it has resident, and of what it holds; all of it where /proc does not tell. Slow."""
        told = read(f"/proc/{self.pid}/smaps_rollup")
        found = _HELD_SHARE.findall(told)
        return _number(_SHARE, told) or self.resident, sum(map(int, found)) if found else self.held


class ProcAccount:
    """Adds up the processes alive whenever it is asked, and keeps the highest sum.

    The sum of the peaks (`VmHWM`) is exact for one process, and too high for several, which share pages (of libraries;
    after a fork, nearly all). How much of it is counted more than once is asked when there are other processes than
    before, and now and then while the environment is at work, for after a fork pages part: it takes a millisecond for
    300 MB. What comes and goes between two looks is missed, but for what the kernel says of a process, and of the
    children it waited for, when it leaves.

    The limit is on what cannot be dropped: pages of files (programs, mapped data) do not count, as they would not in a
    cgroup, and shared ones count once.

    Args:
        limit_kib: the function's memory size, KiB.
        oom_kills: how many processes the kernel has ended by now where this one lives; a container has its own limit.
        orphans: processes that are ours to wait for since those who started them have left: the environment's too.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        limit_kib: int,
        oom_kills: Callable[[], int] = lambda: 0,
        orphans: Callable[[], Sequence[int]] = lambda: (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit_kib = limit_kib
        self._oom_kills = oom_kills
        self._orphans = orphans
        self._clock = clock
        self._roots: dict[int, _Root] = {}
        self._begin()

    def _begin(self) -> None:
        self._peak_kib = 0
        self._used = 0.0
        self._exceeded = False
        self._killed_before = self._oom_kills()
        self._read_at = self._look_due = self._ask_due = self._confirm_due = -FRESH
        self._overlap = 0  # KiB of the sum of peaks that were counted more than once,
        self._asked: list[int] = []  # when these were alive

    def add(self, pid: int) -> None:
        """See `MemoryAccount`."""
        status = _opened(f"/proc/{pid}/status")
        if status is not None:  # else the process has left already
            self._roots[pid] = _Root(status, _opened(f"/proc/{pid}/task/{pid}/children"))
            self._read_at = -FRESH

    def exited(self, pid: int, peak_kib: int) -> None:
        """See `MemoryAccount`."""
        self._forget(pid)
        if peak_kib > 0:
            self._peak_kib = max(self._peak_kib, peak_kib + sum(use.peak for use in self._uses()))

    def sample(self) -> float:
        """See `MemoryAccount`."""
        begun = self._clock()
        if begun < self._look_due:
            return self._used
        uses = list(self._uses())
        looked = self._clock()
        self._look_due = looked + min(REST * (looked - begun), LONGEST_REST)
        held = sum(use.held for use in uses)
        over = held > self._limit_kib
        gap = len(uses) > 1 and sum(use.peak for use in uses) > self._peak_kib
        if (over and looked >= self._confirm_due) or (gap and looked >= self._ask_due):
            shares = self._ask(uses)
            held = min(held, shares)
            self._exceeded = self._exceeded or held > self._limit_kib
        self._take_in(uses)
        self._used = held / self._limit_kib if self._exceeded else min(held / self._limit_kib, 1.0)
        return self._used

    def peak_kib(self) -> int:
        """See `MemoryAccount`."""
        now = self._clock()
        if now - self._read_at >= FRESH:
            self._read_at = now
            self._take_in(list(self._uses()))
        return min(self._peak_kib, self._limit_kib) if self._exceeded else self._peak_kib

    def out_of_memory(self) -> bool:
        """See `MemoryAccount`."""
        return self._exceeded or self._oom_kills() > self._killed_before

    def reset(self) -> None:
        """See `MemoryAccount`."""
        self.close()
        self._begin()

    def close(self) -> None:
        """See `MemoryAccount`."""
        for pid in list(self._roots):
            self._forget(pid)

    def _forget(self, pid: int) -> None:
        root = self._roots.pop(pid, None)
        if root:
            os.close(root.status)
            if root.children is not None:
                os.close(root.children)

    def _take_in(self, uses: Sequence[_Use]) -> None:
        """Raise the peak to what these have used together."""
        peaks = sum(use.peak for use in uses)
        if peaks <= self._peak_kib:
            return
        if len(uses) > 1:
            peaks = self._apart(uses, peaks)
        self._peak_kib = max(self._peak_kib, peaks)

    def _apart(self, uses: Sequence[_Use], peaks: int) -> int:
        """The sum of several processes' peaks, with what they share counted once."""
        highest = max(use.peak for use in uses)
        if [use.pid for use in uses] != self._asked:
            if self._clock() < self._ask_due:
                return highest  # until it may be asked again
            self._ask(uses)
        return max(highest, peaks - self._overlap)

    def _ask(self, uses: Sequence[_Use]) -> int:
        """Find out what is shared; how much is held, with that counted once."""
        begun = self._clock()
        resident = held = 0
        for use in uses:
            its_resident, its_held = use.share()
            resident += its_resident + max(use.peak - use.resident, 0)  # with what it has given back since its peak
            held += its_held
        self._overlap = max(sum(use.peak for use in uses) - resident, 0)
        self._asked = [use.pid for use in uses]
        now = self._clock()
        self._ask_due = now + REST * (now - begun)
        self._confirm_due = now + REST_OVER * (now - begun)
        return held

    def _uses(self) -> Iterator[_Use]:
        """Every process alive that was added or descends from one that was."""
        for pid, root in list(self._roots.items()):
            try:
                status = os.pread(root.status, 65536, 0)
                told = b"" if root.children is None else os.pread(root.children, 65536, 0)
            except OSError:  # it has just left
                continue
            yield _Use(pid, status)
            several = _number(_THREADS, status) > 1  # each thread has children of its own
            yield from _trees(children(pid) if several else [int(child) for child in told.split()])
        yield from _trees(self._orphans())


def _trees(pids: Iterable[int]) -> Iterator[_Use]:
    """These processes, and all that descend from them."""
    for pid in pids:
        for each in (pid, *descendants(pid)):
            status = read(f"/proc/{each}/status")
            if status:
                yield _Use(each, status)


def _opened(path: str) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _number(pattern: re.Pattern[bytes], text: bytes) -> int:
    match = pattern.search(text)
    return int(match[1]) if match else 0
