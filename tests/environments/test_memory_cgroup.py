"""Control groups: finding one's own, dividing it, what its files say; on a made-up file system, and on a real one."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rapid.environments.cgroup import (
    LEAF,
    V1,
    V2,
    CgroupAccount,
    Version,
    account_factory,
    nobody,
    oom_kills,
    own_group,
)
from rapid.environments.proc_memory import ProcAccount

LIMIT_KIB = 128 * 1024
ME = 4242


class System:
    """A /proc and a control group file system, as folders."""

    def __init__(self, folder: Path) -> None:
        self.proc = folder / "proc"
        self.groups = folder / "sys fs"
        (self.proc / "self").mkdir(parents=True)
        self.groups.mkdir()

    def says(self, groups: str, *mounts: str) -> None:
        (self.proc / "self/cgroup").write_text(groups)
        point = str(self.groups).replace(" ", "\\040")
        lines = [f"31 23 0:28 {mount.format(at=point)}\n" for mount in mounts]
        (self.proc / "self/mountinfo").write_text("23 1 0:1 / / rw - overlay overlay rw\n" + "".join(lines))

    def group(self, path: str, **files: str) -> Path:
        folder = self.groups / path
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name.replace("_", ".", 1)).write_text(text)
        return folder

    def version_2(self) -> Path:
        self.says("0::/\n", "/ {at} rw - cgroup2 cgroup rw")
        return self.group("", cgroup_procs=f"{ME}\n", cgroup_controllers="cpu memory pids\n", cgroup_subtree_control="")

    def version_1(self) -> Path:
        self.says(
            "4:memory:/docker/abc\n0::/\n",
            "/ {at}/unified rw - cgroup2 cgroup2 rw",
            "/docker/abc {at}/cpu rw - cgroup cgroup rw,cpu",
            "/docker/abc {at}/memory rw,nosuid shared:9 - cgroup cgroup rw,memory",
        )
        return self.group("memory", cgroup_procs=f"{ME}\n")


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path)


def test_its_own_group_in_a_container_of_version_2(system: System) -> None:
    folder = system.version_2()
    assert own_group(system.proc) == (V2, folder)


def test_its_own_group_where_version_1_has_the_memory(system: System) -> None:
    folder = system.version_1()
    assert own_group(system.proc) == (V1, folder)


@pytest.mark.parametrize(
    ("path", "root", "inside"),
    [
        ("/a/b", "/", "a/b"),
        ("/a/b", "/a", "b"),
        ("/a", "/a", ""),
        ("/ab", "/a", None),
        ("/../other", "/", None),
        ("/a/missing", "/", None),
    ],
)
def test_the_group_is_looked_for_in_what_is_mounted(system: System, path: str, root: str, inside: str | None) -> None:
    system.group("a/b")
    system.group("b")
    system.says(f"0::{path}\n", f"{root} {{at}} rw - cgroup2 cgroup rw")
    found = own_group(system.proc)
    assert found == (None if inside is None else (V2, system.groups / inside))


def test_without_a_proc_or_a_mount_there_is_no_group(system: System, tmp_path: Path) -> None:
    assert own_group(tmp_path / "nowhere") is None
    system.says("0::/\n")
    assert own_group(system.proc) is None
    system.says("", "/ {at} rw - cgroup cgroup rw,cpu")
    assert own_group(system.proc) is None


def test_a_group_of_version_2_is_divided_and_left_to_its_parts(system: System) -> None:
    folder = system.version_2()
    account = account_factory(system.proc, ME)("environment", LIMIT_KIB, nobody)
    assert isinstance(account, CgroupAccount)
    assert (folder / LEAF / "cgroup.procs").read_text() == f"{ME}\n"
    assert (folder / "cgroup.subtree_control").read_text() == "+memory"
    (group,) = folder.glob("environment.*")
    assert (group / "memory.max").read_text() == str(LIMIT_KIB * 1024)


def test_a_group_of_version_1_keeps_its_process(system: System) -> None:
    folder = system.version_1()
    account = account_factory(system.proc, ME)("environment", LIMIT_KIB, nobody)
    assert isinstance(account, CgroupAccount)
    assert [each.name for each in folder.iterdir() if each.is_dir()] == [f"environment.{os.getpid()}.1"]
    (group,) = folder.glob("environment.*")
    assert (group / "memory.limit_in_bytes").read_text() == str(LIMIT_KIB * 1024)


@pytest.mark.parametrize("version", ["version_1", "version_2"])
def test_a_group_with_others_in_it_is_not_divided(system: System, version: str) -> None:
    folder: Path = getattr(system, version)()
    (folder / "cgroup.procs").write_text(f"1\n{ME}\n")
    (folder / "memory.events").write_text("oom_kill 1\n")
    before = sorted(folder.rglob("*"))
    account = account_factory(system.proc, ME)("environment", LIMIT_KIB, nobody)
    assert isinstance(account, ProcAccount)
    assert sorted(folder.rglob("*")) == before
    assert not account.out_of_memory()  # the kill was before
    (folder / V1.events).write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    (folder / V2.events).write_text("oom 1\noom_kill 2\noom_group_kill 0\n")
    assert account.out_of_memory()


def test_a_group_without_the_memory_controller_is_not_divided(system: System) -> None:
    folder = system.version_2()
    (folder / "cgroup.controllers").write_text("cpu pids\n")
    assert isinstance(account_factory(system.proc, ME)("environment", LIMIT_KIB, nobody), ProcAccount)
    assert not (folder / LEAF).exists()


def test_a_group_that_refuses_is_left_as_it_was(system: System) -> None:
    folder = system.version_2()
    (folder / "cgroup.subtree_control").unlink()
    (folder / "cgroup.subtree_control").mkdir()  # writing fails
    (folder / LEAF).mkdir()
    assert isinstance(account_factory(system.proc, ME)("environment", LIMIT_KIB, nobody), ProcAccount)
    assert (folder / "cgroup.procs").read_text().split() == [str(ME), str(ME)]  # moved, and back


def test_an_account_without_a_group_falls_back_and_says_so(system: System, caplog: pytest.LogCaptureFixture) -> None:
    folder = system.version_1()
    (folder / f"environment.{os.getpid()}.1").mkdir()
    assert isinstance(account_factory(system.proc, ME)("environment", LIMIT_KIB, nobody), ProcAccount)
    assert "no control group for environment: File exists" in caplog.text


def account(folder: Path, version: Version) -> tuple[CgroupAccount, Path]:
    opened = CgroupAccount(version, folder, "e", LIMIT_KIB, rmdir=shutil.rmtree)
    (group,) = folder.glob("e.*")
    return opened, group


@pytest.mark.parametrize(
    ("version", "peak", "events"),
    [
        (V1, "memory.max_usage_in_bytes", "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"),
        (V2, "memory.peak", "low 0\nmax 7\noom 1\noom_kill {}\noom_group_kill 0\n"),
        (V2, "memory.current", "oom_kill {}\n"),
    ],
)
def test_what_the_kernel_counts_is_the_account(tmp_path: Path, version: Version, peak: str, events: str) -> None:
    opened, group = account(tmp_path, version)
    assert (opened.peak_kib(), opened.out_of_memory()) == (0, False)
    (group / peak).write_text("4097\n")
    (group / version.events).write_text(events.format(0))
    assert (opened.sample(), opened.peak_kib()) == (0.0, 5)
    (group / peak).write_text("2048\n")
    (group / version.events).write_text(events.format(2))
    assert opened.sample() > 1
    assert (opened.peak_kib(), opened.out_of_memory()) == (5, True)
    opened.exited(1, 10**9)
    assert opened.peak_kib() == 5
    opened.close()
    assert list(tmp_path.iterdir()) == []


def test_swap_is_no_memory_and_all_processes_end_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = Path.mkdir

    def made(folder: Path) -> None:
        make(folder)
        for name, _ in (*V1.extras, *V2.extras):
            (folder / name).touch()

    monkeypatch.setattr(Path, "mkdir", made)
    opened, group = account(tmp_path, V2)
    assert [(group / name).read_text() for name in ("memory.swap.max", "memory.oom.group")] == ["0", "1"]
    opened.close()
    opened, group = account(tmp_path, V1)
    assert (group / "memory.memsw.limit_in_bytes").read_text() == str(LIMIT_KIB * 1024)
    opened.close()


def test_a_process_is_added_with_its_children(tmp_path: Path) -> None:
    opened, group = account(tmp_path, V2)
    script = "import os, signal\nif os.fork():\n    print('ready', flush=True)\nsignal.pause()"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, process_group=0) as process:
        assert process.stdout is not None
        process.stdout.readline()
        opened.add(process.pid)
        os.killpg(process.pid, 9)
    added = [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
    assert added[0] == process.pid
    assert len(added) == 2
    opened.close()


def test_a_process_that_cannot_be_added_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    opened, group = account(tmp_path, V2)
    (group / "cgroup.procs").mkdir()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        opened.add(process.pid)
    assert process.returncode == 0  # it goes on
    assert f"process {process.pid} stays out of its control group: Is a directory" in caplog.text
    opened.close()


def test_a_process_that_has_left_is_not_missed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    opened, group = account(tmp_path, V2)
    with subprocess.Popen(["true"]) as process:
        pass
    opened.add(process.pid)
    assert caplog.text == ""
    assert not (group / "cgroup.procs").exists()
    opened.close()


def test_a_reset_takes_a_new_group_and_removes_the_old_one_when_it_can(tmp_path: Path) -> None:
    busy = True

    def rmdir(folder: Path) -> None:
        if busy:
            raise OSError(16, "Device or resource busy")
        shutil.rmtree(folder)

    opened = CgroupAccount(V2, tmp_path, "e", LIMIT_KIB, rmdir=rmdir)
    (first,) = tmp_path.iterdir()
    (first / V2.peak).write_text("8192")
    assert opened.peak_kib() == 8
    opened.reset()
    assert opened.peak_kib() == 0
    assert len(list(tmp_path.iterdir())) == 2
    busy = False
    opened.close()
    assert list(tmp_path.iterdir()) == []


def test_a_limit_that_is_refused_leaves_no_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = Path.mkdir

    def made(folder: Path) -> None:
        make(folder)
        make(folder / V2.limit)

    monkeypatch.setattr(Path, "mkdir", made)
    with pytest.raises(OSError, match="Is a directory"):
        CgroupAccount(V2, tmp_path, "e", LIMIT_KIB, rmdir=shutil.rmtree)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("text", "kills"), [("oom_kill 3\n", 3), ("oom_kill_disable 5\n", 0), ("", 0), (None, 0)])
def test_the_kernels_count_of_kills(tmp_path: Path, text: str | None, kills: int) -> None:
    if text is not None:
        (tmp_path / "events").write_text(text)
    assert oom_kills(tmp_path / "events") == kills


EATER = "import sys\nfor line in sys.stdin:\n    block = b'x' * int(line)\n    print('had', flush=True)"


@contextlib.contextmanager
def eater(opened: CgroupAccount) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-c", EATER]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        opened.add(process.pid)
        yield process
        process.kill()


def ate(process: subprocess.Popen[str], megabytes: int) -> bool:
    assert process.stdin is not None
    assert process.stdout is not None
    print(megabytes * 1024 * 1024, file=process.stdin, flush=True)
    return process.stdout.readline() == "had\n"


def test_the_kernel_itself() -> None:
    opened = account_factory()("rapid-test", 100 * 1024, nobody)
    if not isinstance(opened, CgroupAccount):
        pytest.skip("the control group of the tests is not theirs to divide: shared with other processes, or read-only")
    try:
        with eater(opened) as process:
            assert ate(process, 50)
            assert ate(process, 1)
            assert 50 * 1024 < opened.peak_kib() < 80 * 1024
            assert opened.sample() < 1
            assert not ate(process, 200)
            assert process.wait(20) == -9
        assert opened.out_of_memory()
        assert opened.sample() > 1
        assert opened.peak_kib() == 100 * 1024
        opened.reset()
        assert not opened.out_of_memory()
        with eater(opened) as process:
            assert ate(process, 10)
            assert opened.peak_kib() < 50 * 1024
    finally:
        opened.close()
