"""An environment's memory in a control group of its own: the kernel counts it, and holds it to its limit.

Nothing here needs privileges, but few places offer a control group: the folder of the group that this process is in
must be writable (a container that is given its cgroup file system for writing, a systemd unit with `Delegate=yes`), and
nobody else may live in it, for then it is not ours to divide.

Source: Linux' "Control Group v2" and "Memory Resource Controller" (v1).
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rapid.environments.memory import MemoryAccount
from rapid.environments.proc import descendants
from rapid.environments.proc_memory import ProcAccount

log = logging.getLogger("rapid")

LEAF = "rapid"
"""Where this process goes in version 2: a group whose children have limits holds no processes itself."""

_OOM_KILLS = re.compile(rb"^oom_kill (\d+)$", re.MULTILINE)

OrphansOf = Callable[[], Sequence[int]]
"""The orphans of one environment, see `ProcAccount`."""


def nobody() -> Sequence[int]:
    """No orphans."""
    return ()


AccountFactory = Callable[[str, int, OrphansOf], MemoryAccount]
"""Opens the account of an environment: its name (unique, fit for a folder), its memory size in KiB, its orphans."""


@dataclass(frozen=True, slots=True)
class Version:
    """The files of one version of control groups.

    Attributes:
        number: 1 or 2.
        limit: takes the limit in bytes.
        extras: what else is set: no swap beside the memory, all processes ended together. Not every kernel has them.
        peak: the most that was used, bytes.
        current: what is used now, bytes.
        events: has a line `oom_kill N`.
    """

    number: int
    limit: str
    extras: tuple[tuple[str, str], ...]
    peak: str
    current: str
    events: str


V1 = Version(
    1,
    "memory.limit_in_bytes",
    (("memory.memsw.limit_in_bytes", "{limit}"),),
    "memory.max_usage_in_bytes",
    "memory.usage_in_bytes",
    "memory.oom_control",
)
V2 = Version(
    2,
    "memory.max",
    (("memory.swap.max", "0"), ("memory.oom.group", "1")),
    "memory.peak",
    "memory.current",
    "memory.events",
)


class CgroupAccount:
    """A control group below `parent`.

    A process is halted right after its start, moved here with all it may have started by then, and let go: moving takes
    the kernel milliseconds. The few pages it had by then are counted where it came from. (To be here from the first it
    would have to be started by a helper, which changes how failing to start shows itself, or by way of Python code in a
    forked child, which is slow and unsafe.)

    `peak_kib` is what the kernel charged: with the pages of files that were read, while nobody wanted them back.

    Args:
        version: which files there are.
        parent: the folder.
        name: the group's name.
        limit_kib: the function's memory size, KiB.
        rmdir: removes a group.

    Raises:
        OSError: no group can be made there.
    """

    def __init__(
        self, version: Version, parent: Path, name: str, limit_kib: int, rmdir: Callable[[Path], None] = os.rmdir
    ) -> None:
        self._version = version
        self._base = parent / name
        self._limit = limit_kib * 1024
        self._rmdir = rmdir
        self._generation = 0
        self._left: list[Path] = []
        self._highest = 0
        self._peak_file = -1
        self._folder = self._make()

    def add(self, pid: int) -> None:
        """See `MemoryAccount`."""
        try:
            for each in _halted(pid):
                with contextlib.suppress(ProcessLookupError):
                    _write(self._folder / "cgroup.procs", f"{each}\n")
        except OSError as error:
            log.warning("process %d stays out of its control group: %s", pid, error.strerror or error)
        finally:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGCONT)

    def exited(self, pid: int, peak_kib: int) -> None:
        """See `MemoryAccount`; the kernel has counted it already."""

    def sample(self) -> float:
        """See `MemoryAccount`. The kernel ends a process itself; the environment is to follow as a whole."""
        self._read_peak()
        return 2.0 if self.out_of_memory() else 0.0

    def peak_kib(self) -> int:
        """See `MemoryAccount`."""
        self._read_peak()
        return -(-self._highest // 1024)

    def out_of_memory(self) -> bool:
        """See `MemoryAccount`."""
        return oom_kills(self._folder / self._version.events) > 0

    def reset(self) -> None:
        """See `MemoryAccount`. A group's peak cannot be set back everywhere, so a new group takes its place."""
        self._leave()
        self._highest = 0
        self._folder = self._make()

    def close(self) -> None:
        """See `MemoryAccount`."""
        self._leave()

    def _make(self) -> Path:
        self._generation += 1
        folder = self._base.with_name(f"{self._base.name}.{os.getpid()}.{self._generation}")
        folder.mkdir()
        try:
            _write(folder / self._version.limit, str(self._limit))
        except OSError:
            self._rmdir(folder)
            raise
        for name, value in self._version.extras:
            with contextlib.suppress(OSError):
                _write(folder / name, value.format(limit=self._limit), create=False)
        return folder

    def _leave(self) -> None:
        """Remove the group, and those before it that had a process left when it was their turn."""
        if self._peak_file >= 0:
            os.close(self._peak_file)
            self._peak_file = -1
        self._left.append(self._folder)
        for folder in list(self._left):
            with contextlib.suppress(OSError):
                self._rmdir(folder)
            if not folder.exists():
                self._left.remove(folder)

    def _read_peak(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self._peak_file < 0:
                self._peak_file = self._open_peak()
            self._highest = max(self._highest, int(os.pread(self._peak_file, 64, 0)))

    def _open_peak(self) -> int:
        """The file with the peak, which stays open: each report reads it. Version 2 has none before Linux 5.19."""
        for name in (self._version.peak, self._version.current):
            with contextlib.suppress(FileNotFoundError):
                return os.open(self._folder / name, os.O_RDONLY | os.O_CLOEXEC)
        return -1


def _halted(pid: int) -> list[int]:
    """A process that has just been halted, and its descendants; none if it has left."""
    try:
        os.kill(pid, signal.SIGSTOP)
    except ProcessLookupError:
        return []
    return [pid, *descendants(pid)]


def oom_kills(events: Path) -> int:
    """How many processes the kernel has ended for want of memory; 0 where it does not tell."""
    try:
        found = _OOM_KILLS.search(events.read_bytes())
    except OSError:
        return 0
    return int(found[1]) if found else 0


def account_factory(proc: Path = Path("/proc"), pid: int | None = None) -> AccountFactory:
    """How environments get their accounts on this system: in control groups where that is permitted, else by /proc.

    Args:
        proc: where /proc is.
        pid: this process, as the group's list names it.
    """
    found = own_group(proc)
    parent = _divisible(*found, os.getpid() if pid is None else pid) if found else None
    log.debug("memory is accounted %s", f"in control groups below {parent}" if parent else "by /proc")

    def open_account(name: str, limit_kib: int, orphans: OrphansOf) -> MemoryAccount:
        if found and parent:
            try:
                return CgroupAccount(found[0], parent, name, limit_kib)
            except OSError as error:
                log.warning("no control group for %s: %s", name, error.strerror or error)
        if found:
            version, folder = found
            return ProcAccount(limit_kib, lambda: oom_kills(folder / version.events), orphans)
        return ProcAccount(limit_kib, orphans=orphans)

    return open_account


def own_group(proc: Path) -> tuple[Version, Path] | None:
    """The group whose memory controller this process is under, and its folder; None where there is none to be seen."""
    try:
        groups = (proc / "self/cgroup").read_text().splitlines()
        mounts = (proc / "self/mountinfo").read_text().splitlines()
    except OSError:
        return None
    paths = {
        controller: path
        for _, names, path in (line.split(":", 2) for line in groups)
        for controller in names.split(",")
    }
    wanted = (V1, "cgroup", paths["memory"]) if "memory" in paths else (V2, "cgroup2", paths.get("", ""))
    version, kind, path = wanted
    for mount in mounts:
        before, _, after = mount.partition(" - ")
        root, point = before.split()[3:5]
        system, _, options = after.split(" ", 2)
        if system != kind or (version is V1 and "memory" not in options.split(",")):
            continue
        inside = path if root == "/" else path.removeprefix(root) if f"{path}/".startswith(f"{root}/") else None
        if inside is not None and ".." not in inside.split("/"):
            folder = Path(_unescaped(point)) / inside.lstrip("/")
            return (version, folder) if folder.is_dir() else None
    return None


def _unescaped(text: str) -> str:
    """A path of mountinfo, which writes blanks as `\\040`."""
    return re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), text)


def _divisible(version: Version, folder: Path, pid: int) -> Path | None:
    """The folder, made ready for groups below it; None where it is not ours to divide."""
    if not os.access(folder, os.W_OK):
        return None
    try:
        if (folder / "cgroup.procs").read_text().split() != [str(pid)]:
            return None
        return _divided(folder, pid) if version is V2 else folder
    except OSError:
        return None


def _divided(folder: Path, pid: int) -> Path | None:
    """Move this process into a leaf, so that the folder may give its children the memory controller."""
    if "memory" not in (folder / "cgroup.controllers").read_text().split():
        return None
    leaf = folder / LEAF
    leaf.mkdir(exist_ok=True)
    _write(leaf / "cgroup.procs", f"{pid}\n")
    try:
        _write(folder / "cgroup.subtree_control", "+memory")
    except OSError:
        _write(folder / "cgroup.procs", f"{pid}\n")
        leaf.rmdir()
        raise
    return folder


def _write(path: Path, text: str, create: bool = True) -> None:
    """Write to a control file, which takes each write as a command."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    file = os.open(path, flags, 0o644)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)
