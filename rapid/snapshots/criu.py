"""The program criu, which writes a process to disk and brings it back.

It runs without privileges but for the capabilities that its file carries (docs/snapshots.md), as the user that the
function runs as.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rapid.environments.process import ChildProcess, Command, LaunchError
from rapid.environments.reaper import Exit, Reaper

DUMP_LIMIT = 120.0
"""Seconds for writing a process: some gigabytes on a slow disk."""

RESTORE_LIMIT = 10.0
"""Seconds for bringing one back, after which an ordinary init is the better choice."""

FAILED_LIMIT = 0.5
"""Seconds that criu has once it has said that it failed: it may wait for ever for the threads of what it has begun."""

KILL_LIMIT = 3.0
MOST_OUTPUT = 64 * 1024

COMMON = ("--unprivileged", "--shell-job", "--manage-cgroups=ignore", "--verbosity=1")
"""`--shell-job`: the session is not the process' own. Its control group is that of whoever restores it."""

HINTS = (
    ("suspending seccomp failed", "a seccomp profile is in force: run with --security-opt seccomp=unconfined"),
    ("ns_last_pid", "the seccomp profile in force allows no clone3: see docs/snapshots.md"),
    ("Unable to drop capability", "the capability SETPCAP is missing, or no-new-privileges keeps criu from having it"),
    ("CAP_CHECKPOINT_RESTORE", "the capability CHECKPOINT_RESTORE is missing"),
    ("Can't fork for", "the number of the process is another's"),
)
"""What criu writes → what that means."""


class CriuError(Exception):
    """criu cannot do it; the text is the reason."""


FATAL = (b"(criu/pie/", b"FAILED")
"""Words behind which nothing good comes."""


class Output:
    """Keeps the beginning of what criu writes.

    Attributes:
        data: that.
        failed: set when it has said that it failed.
    """

    def __init__(self) -> None:
        self.data = b""
        self.failed = asyncio.Event()

    def output(self, data: bytes) -> bool:
        """Take some."""
        self.data = (self.data + data)[:MOST_OUTPUT]
        if any(word in self.data for word in FATAL):
            self.failed.set()
        return True

    framed = output

    def another(self) -> Output:
        """It has no workers."""
        return self

    def end(self) -> None:
        """Nothing more will come."""

    def on_drained(self, callback: Callable[[], None]) -> None:
        """There is always room."""
        callback()


class Criu:
    """Runs criu.

    Attributes:
        program: its path; None where it is not installed.

    Args:
        reaper: tells of its exit.
        name: its name or path.
    """

    def __init__(self, reaper: Reaper, name: str = "criu") -> None:
        self.program = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
        self._reaper = reaper
        self._name = name

    async def dump(self, pid: int, images: Path) -> None:
        """Write a process, with all that descends from it, to a folder; it stays halted. Raises `CriuError`."""
        await self._run(["dump", f"--tree={pid}", f"--images-dir={images}", "--leave-stopped", *COMMON], DUMP_LIMIT)

    async def restore(self, images: Path, work: Path) -> None:
        """Bring a process back, under its old number, as an orphan of this process; raises `CriuError`.

        Args:
            images: what `dump` has written; only read.
            work: a folder that can be written to.
        """
        words = ["restore", f"--images-dir={images}", f"--work-dir={work}", "--restore-detached", *COMMON]
        await self._run(words, RESTORE_LIMIT)

    async def _run(self, words: Sequence[str], limit: float) -> bytes:
        """What it has written; raises `CriuError`."""
        output, left = Output(), asyncio.get_running_loop().create_future()
        if self.program is None:
            raise CriuError(f"there is no program {self._name}")
        command = Command([self.program, *words], "/", {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        try:
            process = ChildProcess(command, output, self._reaper, left.set_result)
        except LaunchError as error:
            raise CriuError(f"{error}: the capabilities CHECKPOINT_RESTORE and SETPCAP are missing") from None
        try:
            await _wait(process, output, left, limit)
        finally:
            process.close()
        text = output.data.decode("utf-8", "replace")
        if not left.done():
            raise CriuError(_reason(f"criu {words[0]} cannot be ended", text))
        status = left.result().status
        if status == -signal.SIGKILL and not output.failed.is_set():
            raise CriuError(_reason(f"criu {words[0]} has not come to its end within {limit:g} s", text))
        if status != 0:
            raise CriuError(_reason(f"criu {words[0]} has failed with status {status}", text))
        return output.data


async def _wait(process: ChildProcess, output: Output, left: asyncio.Future[Exit], limit: float) -> None:
    """Until it has left; it is ended when that takes too long."""
    failed = asyncio.ensure_future(output.failed.wait())
    waiting: list[asyncio.Future[Any]] = [left, failed]
    try:
        done, _ = await asyncio.wait(waiting, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        if failed in done:
            await asyncio.wait([left], timeout=FAILED_LIMIT)
    finally:
        failed.cancel()
        if not left.done():
            process.kill()
            await asyncio.wait([left], timeout=KILL_LIMIT)


def _reason(what: str, text: str) -> str:
    """Why it has failed, in one line: what that means where it is known, and what criu says."""
    hint = next((meaning for word, meaning in HINTS if word in text), None)
    lines = [line.strip() for line in text.splitlines() if "Error (" in line] or text.strip().splitlines()
    said = (lines[0].partition("Error (")[2].partition("): ")[2] or lines[0]) if lines else "nothing"
    reason = f"{what} and says: {said}"
    return f"{hint} ({reason})" if hint else reason
