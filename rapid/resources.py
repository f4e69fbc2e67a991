"""How much this machine, or this container, has to give."""

from __future__ import annotations

import os
from pathlib import Path

from rapid.environments.cgroup import Version, own_group
from rapid.environments.proc import read

PER_CORE = 4
"""Environments for each core: functions wait more than they compute."""

LIMITS = {1: "memory.limit_in_bytes", 2: "memory.max"}


def environments_allowed(memory_mb: int, proc: Path = Path("/proc")) -> int:
    """How many environments of a memory size there is room for: at least one.

    Args:
        memory_mb: what the function may use, MB.
        proc: where /proc is.
    """
    by_memory = memory_bytes(proc) // (memory_mb * 1024 * 1024)
    return max(1, min(by_memory, round(PER_CORE * cores(proc))))


def memory_bytes(proc: Path = Path("/proc")) -> int:
    """What there is: the system's memory, or the limit of the control group that this process is in."""
    lines = dict(line.split(":", 1) for line in (proc / "meminfo").read_text().splitlines())
    total = int(lines["MemTotal"].split()[0]) * 1024
    found = own_group(proc)
    limit = _number(found[1] / LIMITS[found[0].number]) if found else None
    return min(total, limit) if limit else total


def cores(proc: Path = Path("/proc")) -> float:
    """Processors that this process may use, as its affinity and the quota of its control group say."""
    usable = float(len(os.sched_getaffinity(0)))
    found = own_group(proc)
    quota = _quota(*found) if found else None
    return min(usable, quota) if quota else usable


def _quota(version: Version, folder: Path) -> float | None:
    if version.number == 2:
        words = read(str(folder / "cpu.max")).split()
        return int(words[0]) / int(words[1]) if len(words) == 2 and words[0].isdigit() else None
    # In version 1 the processors have a hierarchy of their own, mounted beside the memory's.
    for mount in ("cpu,cpuacct", "cpu"):
        place = Path("/sys/fs/cgroup", mount)
        quota, period = _number(place / "cpu.cfs_quota_us"), _number(place / "cpu.cfs_period_us")
        if quota and period:
            return quota / period
    return None


def _number(file: Path) -> int | None:
    """The positive number in a file; None for none, or for a word that means no limit."""
    text = read(str(file)).strip()
    return int(text) or None if text.isdigit() else None
