"""A mount namespace with a folder on /tmp, which processes enter on their way to their command.

Who is not root may make one together with a user namespace, in which it has every capability; a process has lost them
all again when it executes its command. `root` may mount anyway, and keeps what it has. The name is linux' own: see
namespaces(7), user_namespaces(7), mount_namespaces(7).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
MS_BIND, MS_REC, MS_SLAVE = 1 << 12, 1 << 14, 1 << 19
PR_CAPBSET_READ, PR_CAPBSET_DROP = 23, 24
CAP_SYS_ADMIN = 21
LAST_CAP = 63

TARGET = "/tmp"  # noqa: S108 - it is what all this is about

_libc = ctypes.CDLL(None, use_errno=True)


class NamespaceError(Exception):
    """There is no namespace to be had; the text says what was refused, and why."""


class TmpNamespace:
    """Keeps a namespace in which `folder` is /tmp, and nothing else differs.

    Raises:
        NamespaceError: this process may not make one, or the kernel does not.
    """

    def __init__(self, folder: str) -> None:
        capable = _effective_capabilities()
        if capable and not capable >> CAP_SYS_ADMIN & 1:
            raise NamespaceError("a user namespace would take away the capabilities that the function has")
        self._kinds = {"mnt": CLONE_NEWNS} if capable else {"user": CLONE_NEWUSER, "mnt": CLONE_NEWNS}
        self._beyond = [each for each in range(LAST_CAP + 1) if _libc.prctl(PR_CAPBSET_READ, each, 0, 0, 0) == 0]
        self._handles: list[tuple[int, int]] = []
        self._folder = folder
        self._made_by_child(self._make)

    def check(self) -> None:
        """See that whoever enters finds everything where it was, and the folder at /tmp.

        Raises:
            NamespaceError: not so.
        """
        _in_child(self._look, lambda _: None)

    def enter(self) -> None:
        """Go there for good. For a new process, ahead of its command: no lock is taken, nothing is imported."""
        folder = os.getcwd()
        for handle, kind in self._handles:
            _call("setns", handle, kind)
        if "user" in self._kinds:
            for capability in self._beyond:
                _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
        os.chdir(folder)  # the root of the namespace until now

    def close(self) -> None:
        """Let go of it; it lasts as long as there are processes in it."""
        while self._handles:
            os.close(self._handles.pop()[0])

    def _made_by_child(self, make: Callable[[], None]) -> None:
        def open_handles(pid: int) -> None:
            for name, kind in self._kinds.items():
                self._handles.append((os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC), kind))

        try:
            _in_child(make, open_handles)
        except OSError as error:
            self.close()
            raise NamespaceError(f"namespaces of a process cannot be opened: {error.strerror}") from None

    def _make(self) -> None:
        uid, gid = os.geteuid(), os.getegid()
        flags = 0
        for kind in self._kinds.values():
            flags |= kind
        _call("unshare", flags)
        if "user" in self._kinds:
            for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
                _write(f"/proc/self/{name}", text)
        # What is mounted outside later on appears here too; what is mounted here appears nowhere else.
        _call("mount", b"none", b"/", None, MS_REC | MS_SLAVE, None)
        _call("mount", os.fsencode(self._folder), TARGET.encode(), None, MS_BIND, None)

    def _look(self) -> None:
        wanted, root = os.stat(self._folder), os.stat("/")
        self.enter()
        if not os.path.samestat(os.stat(TARGET), wanted) or not os.path.samestat(os.stat("/"), root):
            raise NamespaceError("the root of the file system is another one there")


def _in_child(work: Callable[[], None], beside: Callable[[int], None]) -> None:
    """Fork a process that does `work`, and call `beside` with its number before it leaves.

    Raises:
        NamespaceError: the work has failed.
    """
    told, tell = os.pipe()
    leave, stay = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(stay)
            work()
            os.close(tell)
            os.read(leave, 1)
        except NamespaceError as error:
            os.write(tell, str(error).encode())
        except BaseException as error:
            os.write(tell, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(tell)
    os.close(leave)
    try:
        failure = os.read(told, 4096).decode("utf-8", "replace")
        if failure:
            raise NamespaceError(failure)
        beside(pid)
    finally:
        os.close(told)
        os.close(stay)
        os.waitpid(pid, 0)


def _call(name: str, *arguments: object) -> None:
    """A function of the C library that returns 0; raises `NamespaceError`."""
    if getattr(_libc, name)(*arguments) != 0:
        raise NamespaceError(f"{name}: {os.strerror(ctypes.get_errno()).lower()}")


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w") as file:
            file.write(text)
    except OSError as error:
        raise NamespaceError(f"{path}: {(error.strerror or str(error)).lower()}") from None


def _effective_capabilities() -> int:
    """Those of this process, a bit each; 0 where /proc does not tell."""
    try:
        with open("/proc/self/status") as file:
            found = [line.split()[1] for line in file if line.startswith("CapEff:")]
    except OSError:
        return 0
    return int(found[0], 16) if found else 0
