"""What environments have for /tmp: one of their own, each.

Source: AWS developer guide, "Execution environment": /tmp belongs to one environment, and outlives its resets.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from rapid.environments.namespace import TARGET, NamespaceError, TmpNamespace

VARIABLE = "TMPDIR"

SETTLED = 10.0
"""Seconds after which a folder is locked, if there is somebody to lock it."""

_NAME = re.compile(r"rapid-[0-9]+-\w+")

TEMPORARY = ("HOME", "PWD", "OLDPWD", "TMPDIR", "TEMP", "TMP")
"""Variables that may name /tmp itself without meaning something that is there already."""

log = logging.getLogger("rapid")


class Scratch(Protocol):
    """Where one environment puts temporary files.

    Attributes:
        environ: variables that its processes are given for that.
        enter: what each of its processes does ahead of its command; None: nothing.
    """

    environ: Mapping[str, str]
    enter: Callable[[], None] | None

    def remove(self) -> None:
        """Delete what is there: the environment is gone. May take long."""


Scratches = Callable[[int], Scratch]
"""Makes that of the environment of a number; raises `OSError`."""


class Shared:
    """The one /tmp there is."""

    def __init__(self) -> None:
        self.environ: Mapping[str, str] = {}
        self.enter: Callable[[], None] | None = None

    def remove(self) -> None:
        """See `Scratch.remove`. Others use it, too."""


class _Owned:
    """A folder that is locked as long as this process lives: one that nobody has locked was left behind.

    Attributes:
        path: where it is.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, number: int, parent: str | None = None) -> None:
        self.path = tempfile.mkdtemp(prefix=f"rapid-{number}-", dir=parent)
        self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def remove(self) -> None:
        """See `Scratch.remove`."""
        os.close(self._lock)
        _remove(self.path)


class Folder(_Owned):
    """A folder of its own, that programs find by `TMPDIR`; /tmp is everybody's.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.environ: Mapping[str, str] = {VARIABLE: self.path}
        self.enter: Callable[[], None] | None = None


class Mounted(_Owned):
    """A folder of its own that is /tmp for its processes, and seen by no other.

    Raises:
        OSError: it cannot be made.
        NamespaceError: it cannot be mounted.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number, TARGET)
        try:
            self._namespace = TmpNamespace(self.path)
        except (NamespaceError, OSError):
            super().remove()
            raise
        self.environ: Mapping[str, str] = {}
        self.enter: Callable[[], None] | None = self._namespace.enter

    def check(self) -> None:
        """See that it is as it should be; raises `NamespaceError` otherwise."""
        self._namespace.check()

    def remove(self) -> None:
        """See `Scratch.remove`."""
        self._namespace.close()
        super().remove()


def undivided(_: int) -> Scratch:
    """Have all environments share /tmp as it is."""
    return Shared()


def scratches(*, several: bool, exec_only: bool, told: Iterable[str]) -> Scratches:
    """How environments have a /tmp of their own here; says so in the log.

    Args:
        several: there may be more than one environment: a single one has /tmp as it is.
        exec_only: each process of an environment executes a command, and is given nothing in /tmp by rapid.
        told: paths in /tmp that the function has been told of, which are not to be hidden from it.
    """
    if not several:
        return undivided
    for parent in {tempfile.gettempdir(), TARGET}:
        threading.Thread(target=sweep, args=(parent,), daemon=True).start()
    try:
        Folder(0).remove()
    except OSError as error:
        log.warning("environments share /tmp: none can have a folder there: %s", error.strerror or error)
        return undivided
    obstacle = _obstacle(exec_only=exec_only, told=told)
    if obstacle is None:
        log.info("each environment has a /tmp of its own")
        return _mounted
    log.info("environments share /tmp, and have a TMPDIR each: %s", obstacle)
    return Folder


def sweep(parent: str) -> None:
    """Delete what a rapid of this user has left in a folder that had no time to do so itself."""
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if _NAME.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                _sweep(entry.path)


def _sweep(path: str) -> None:
    with contextlib.suppress(OSError), contextlib.ExitStack() as undo:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        undo.callback(os.close, folder)
        status = os.fstat(folder)
        if status.st_uid != os.geteuid() or time.time() - status.st_mtime < SETTLED:
            return
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(path)


def _obstacle(*, exec_only: bool, told: Iterable[str]) -> str | None:
    """Why nothing can be mounted on /tmp; None if it can."""
    if not exec_only:
        return "their processes are forks, or write to rapid's socket there"
    in_use = next(iter((*told, *_mount_points())), None)
    if in_use is not None:
        return f"{in_use} would be hidden"
    try:
        trial = Mounted(0)
        try:
            trial.check()
        finally:
            trial.remove()
    except NamespaceError as error:
        return str(error)
    except OSError as error:
        return error.strerror or str(error)
    return None


def _mounted(number: int) -> Scratch:
    """It has been possible before; if it is not now, for want of namespaces perhaps, an environment is worth more."""
    try:
        return Mounted(number)
    except NamespaceError as error:
        log.warning("environment %d shares /tmp, and has a TMPDIR of its own: %s", number, error)
        return Folder(number)


def in_tmp(words: Sequence[str], cwd: str, environ: Mapping[str, str]) -> list[str]:
    """Paths in /tmp that a command is given: among its words, as its working directory, in its variables."""
    named = [piece for name, value in environ.items() if name not in TEMPORARY for piece in value.split(os.pathsep)]
    paths = [path for path in (*words, cwd, *named) if path.startswith("/") and _within(path)]
    return [*paths, *(environ[name] for name in TEMPORARY if _below(environ.get(name, "")))]


def _within(path: str) -> bool:
    return os.path.realpath(path) == os.path.realpath(TARGET) or _below(path)


def _below(path: str) -> bool:
    return path.startswith("/") and os.path.realpath(path).startswith(os.path.realpath(TARGET) + "/")


def _mount_points() -> list[str]:
    """What is mounted below /tmp."""
    with contextlib.suppress(OSError), open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        return [point for point in (line.split()[4] for line in file) if point.startswith(TARGET + "/")]
    return []


def _remove(path: str) -> None:
    """Delete a folder, also where a function has locked others or itself out of something below it."""
    shutil.rmtree(path, ignore_errors=True)
    if not os.path.lexists(path):
        return
    os.chmod(path, 0o700)
    for folder, below, _ in os.walk(path):
        for name in below:
            if not os.path.islink(each := os.path.join(folder, name)):
                os.chmod(each, 0o700)
    shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):
        log.warning("%s cannot be deleted as a whole", path)
